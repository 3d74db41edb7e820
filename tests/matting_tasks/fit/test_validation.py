"""Validation: the same held-out pairs whenever they are made, and scores of exactly what learns in a stage."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from matting_tasks.fit.compose import Pairs
from matting_tasks.fit.pictures import Pictures
from matting_tasks.fit.stages import BASE_STAGE, RECURRENT_STAGES, REFINE_STAGE
from matting_tasks.fit.stream import Sources
from matting_tasks.fit.validation import held_out, picture_rows, stage_size, validate
from models.base import Matte
from models.bgmv2 import CoarseOutput

SOURCES = Sources(Pictures([]), Pictures([]))


class Constant:
    """A model whose alpha is 0.25 as a whole, 0.5 of its base network, and its ratio where it is recurrent."""

    uses_plate = True
    temporal = False

    def matte(self, frames: Tensor, plates: Tensor | None, state: Any = None, want_foreground: bool = False) -> Matte:
        return Matte(torch.full_like(frames[:, :, 0], 0.25), None, None, None)

    def forward_base(self, src: Tensor, bgr: Tensor) -> CoarseOutput:
        alpha = torch.full_like(src[:, :1], 0.5)
        return CoarseOutput(alpha, src, alpha)

    def __call__(self, src: Tensor, downsample_ratio: float) -> list[Tensor]:
        return [src, torch.full_like(src[:, :, :1], downsample_ratio)]


class Knowing(Constant):
    """A model that has seen the truth."""

    def __init__(self, held: list[Pairs]) -> None:
        self.held = held

    def matte(self, frames: Tensor, plates: Tensor | None, state: Any = None, want_foreground: bool = False) -> Matte:
        (pairs,) = (one for one in self.held if torch.equal(one.frame, frames))
        return Matte(pairs.alpha[:, :, 0], None, None, None)


@pytest.fixture(scope="module")
def held() -> list[Pairs]:
    return held_out(SOURCES, 3, 64)


def test_held_out_pairs_are_the_same_again_and_each_another(held: list[Pairs]) -> None:
    torch.manual_seed(99)
    again = held_out(SOURCES, 2, 64)
    for one, same in zip(held, again, strict=False):
        assert all(torch.equal(part, other) for part, other in zip(one, same, strict=True))
    assert held[0].frame.shape == (1, 1, 3, 64, 64) and not torch.equal(held[0].frame, held[1].frame)


def test_clips_are_held_out_at_the_length_asked_for() -> None:
    (pairs,) = held_out(SOURCES, 1, 32, 3)
    assert pairs.frame.shape == (1, 3, 3, 32, 32) and pairs.plate.shape == (1, 3, 32, 32)
    found = validate(Constant(), [pairs])
    assert found.n_pictures == 3 and found.whole.dtssd is not None


def test_the_truth_has_no_error(held: list[Pairs]) -> None:
    found = validate(Knowing(held), held)
    assert found.n_pictures == 3
    assert found.whole.mad == found.whole.mse == found.whole.grad == found.unknown.mad == 0


@pytest.mark.parametrize(
    ("stage", "alpha"),
    [
        (None, 0.25),
        (REFINE_STAGE, 0.25),
        (BASE_STAGE, 0.5),
        (RECURRENT_STAGES[0], 1.0),
        (replace(RECURRENT_STAGES[2], downsample_ratio=0.75), 0.75),
    ],
)
def test_what_learns_in_a_stage_is_scored(held: list[Pairs], stage: Any, alpha: float) -> None:
    found = validate(Constant(), held, stage=stage)
    wanted = np.mean([np.abs(pairs.alpha.numpy().astype(np.float64) - alpha).mean() for pairs in held]) * 1e3
    assert found.whole.mad == pytest.approx(wanted, rel=1e-6)
    assert found.unknown.mad is not None and found.unknown.mad != pytest.approx(wanted, rel=1e-6)


def test_rows_show_the_frame_the_matte_and_its_error(held: list[Pairs]) -> None:
    rows = picture_rows(Constant(), held)
    assert len(rows) == 3
    mad = validate(Constant(), held[:1]).whole.mad
    assert f"{mad:.1f}" in rows[0].caption
    frame = held[0].frame[0, 0].permute(1, 2, 0).numpy() * 255
    assert np.abs(rows[0].frame - frame).max() <= 0.5 + 1e-3 and (rows[0].mask == 64).all()
    others = dict(rows[0].others)
    plate, true = held[0].plate[0].permute(1, 2, 0).numpy() * 255, held[0].alpha[0, 0, 0].numpy() * 255
    assert (
        np.abs(others["plate"] - plate).max() <= 0.5 + 1e-3 and np.abs(others["true mask"] - true).max() <= 0.5 + 1e-3
    )


def test_pairs_of_a_rig_are_all_before_its_plates(tmp_path: Path) -> None:
    plate = tmp_path / "plate.png"
    Image.new("RGB", (96, 96), (10, 200, 90)).save(plate)
    held = held_out(Sources(Pictures([]), Pictures([plate])), 4, 64, beyond_share=0)
    assert all(float(pairs.plate[0, 1].mean() - pairs.plate[0, 0].mean()) > 0.3 for pairs in held)


def test_pictures_of_a_stage_have_the_middle_of_its_sizes() -> None:
    assert stage_size(replace(BASE_STAGE, least_px=128, most_px=256)) == 192
    assert stage_size(replace(BASE_STAGE, least_px=64, most_px=96)) == 64
