from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from benchmarks.drawn_capture import Drawn, cached_capture
from benchmarks.naive_loop import PHASES, build_network, matte_capture, to_float, to_masks
from reference_weights import write_reference_checkpoint

MODEL = "mattingrefine-mobilenetv2"


def test_alphas_are_cut_off_and_repeated() -> None:
    alpha = torch.full((1, 1, 512, 512), 0.9999)
    mask, lowres = to_masks(alpha)
    assert mask.shape == (512, 512, 3)
    assert lowres.shape == (256, 256, 3)
    assert mask.max() == mask.min() == 254


def test_pictures_become_floats_on_the_cpu() -> None:
    pixels = np.zeros((4, 6, 3), np.uint8)
    pixels[..., 1] = 51
    made = to_float(pixels, "cpu")
    assert made.shape == (1, 3, 4, 6)
    assert made.dtype == torch.float32
    assert torch.allclose(made[0, 1], torch.tensor(0.2))


def test_every_frame_gets_two_masks_and_its_time_by_phase(tmp_path: Path) -> None:
    capture = cached_capture(tmp_path, Drawn(2, 2, 64, 64))
    network = build_network(MODEL, write_reference_checkpoint(MODEL, tmp_path / "w.pth"), "cpu")
    took = matte_capture(capture, tmp_path / "out", network, "cpu")
    assert len(took) == 4
    assert all(len(one) == len(PHASES) and min(one) >= 0 for one in took)
    masks = sorted((tmp_path / "out").rglob("mask_*.jpg"))
    assert len(masks) == 8
    assert cv2.imread(str(tmp_path / "out" / "031" / "images" / "0001" / "mask_222200001.jpg")).shape == (64, 64, 3)
