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

from matting_tasks.fit.pictures import Pictures
from matting_tasks.fit.records import Cutout
from matting_tasks.fit.stages import BASE_STAGE, RECURRENT_STAGES, REFINE_STAGE
from matting_tasks.fit.stream import Sources
from matting_tasks.fit.validation import STREAM, HeldOut, held_out, picture_rows, stage_size, standard_error, validate
from models.base import Matte
from models.bgmv2 import CoarseOutput

SOURCES = Sources(Pictures([]), Pictures([]))
MAGENTA = (250, 5, 245)
MEANS = {3: [(0.4160, 0.3458, 0.4822), (0.4028, 0.4791, 0.3881), (0.4792, 0.4852, 0.3283)]}  # frame, plate, alpha


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

    def __init__(self, held: HeldOut) -> None:
        self.held = held

    def matte(self, frames: Tensor, plates: Tensor | None, state: Any = None, want_foreground: bool = False) -> Matte:
        (pairs,) = (one for one in self.held if torch.equal(one.frame, frames))
        return Matte(pairs.alpha[:, :, 0], None, None, None)


@pytest.fixture(scope="module")
def held() -> HeldOut:
    return held_out(SOURCES, 3, 64)


def test_held_out_pairs_are_the_same_again_and_each_another(held: HeldOut) -> None:
    torch.manual_seed(99)
    again = held_out(SOURCES, 2, 64)
    for one, same in zip(held, again, strict=False):
        assert all(torch.equal(part, other) for part, other in zip(one, same, strict=True))
    assert held[0].frame.shape == (1, 1, 3, 64, 64) and not torch.equal(held[0].frame, held[1].frame)


def test_the_held_out_stream_is_the_one_of_its_number(held: HeldOut) -> None:
    """Where this fails, the pairs are other ones than those that scores were written of: raise STREAM."""
    means = [[float(part.mean()) for part in (pairs.frame, pairs.plate, pairs.alpha)] for pairs in held]
    assert means == [pytest.approx(of_pair, abs=2e-3) for of_pair in MEANS[STREAM]]


def test_pairs_are_composed_anew_the_same_in_any_order(held: HeldOut) -> None:
    last = held[2]
    for same in (held[-1], held[1:][1], held[1:][1:][0], list(held)[2]):
        assert all(torch.equal(part, other) for part, other in zip(last, same, strict=True))
    assert len(held[1:]) == 2 and len(held[:99]) == 3
    with pytest.raises(IndexError):
        held[3]


def magenta_disc(rng: np.random.Generator, size: tuple[int, int], n_frames: int) -> Cutout:
    y, x = np.mgrid[: size[0], : size[1]]
    disc = np.hypot(y - size[0] / 2, x - size[1] / 2) < min(size) / 4
    foreground = np.full((n_frames, *size, 3), MAGENTA, np.uint8)
    return Cutout(foreground, np.repeat(disc[None].astype(np.uint8) * 255, n_frames, axis=0))


def test_nobody_held_out_wears_what_is_behind() -> None:
    shares = []
    for batch in held_out(Sources(Pictures([]), Pictures([]), magenta_disc), 80, 32).batches:
        colours, inside = batch.foreground[0, 0].numpy().astype(int), batch.alpha[0, 0].numpy() > 250
        if inside.any():
            shares.append((np.abs(colours - MAGENTA).max(-1)[inside] < 20).mean())
    discs = [share for share in shares if share > 0.05]  # half are people that are drawn
    assert len(discs) > 20 and min(discs) > 0.95


def test_held_out_plates_are_within_a_share_of_the_published_ranges() -> None:
    for strength in (0.5, 1.0):
        batches = held_out(SOURCES, 40, 32, strength=strength).batches
        gains = torch.cat([batch.numbers["plate_gain"] for batch in batches])
        noise = torch.cat([batch.numbers["noise"] for batch in batches])
        assert 0.08 * strength < float((gains - 1).abs().max()) <= 0.18 * strength + 1e-6
        assert 0.02 * strength < float(noise.max()) <= 0.03 * strength


def test_clips_are_held_out_at_the_length_asked_for() -> None:
    (pairs,) = held_out(SOURCES, 1, 32, 3)
    assert pairs.frame.shape == (1, 3, 3, 32, 32) and pairs.plate.shape == (1, 3, 32, 32)
    found = validate(Constant(), [pairs])
    assert found.n_pictures == 3 and found.whole.dtssd is not None
    assert found.mad_error is None, "the frames of one clip do not say how others would differ"


def test_the_truth_has_no_error(held: HeldOut) -> None:
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
def test_what_learns_in_a_stage_is_scored(held: HeldOut, stage: Any, alpha: float) -> None:
    found = validate(Constant(), held, stage=stage)
    wanted = np.mean([np.abs(pairs.alpha.numpy().astype(np.float64) - alpha).mean() for pairs in held]) * 1e3
    assert found.whole.mad == pytest.approx(wanted, rel=1e-6)
    assert found.unknown.mad is not None and found.unknown.mad != pytest.approx(wanted, rel=1e-6)


def test_the_error_of_a_mean_is_that_of_its_pictures(held: HeldOut) -> None:
    mads = [validate(Constant(), held[place : place + 1]).whole.mad for place in range(3)]
    assert validate(Constant(), held).mad_error == pytest.approx(np.std(mads, ddof=1) / 3**0.5, rel=1e-6)
    assert standard_error([1.0, None, 5.0]) == pytest.approx(2.0) and standard_error([3.0]) is None


def test_rows_show_the_frame_the_matte_and_its_error(held: HeldOut) -> None:
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
    held = held_out(Sources(Pictures([]), Pictures([plate])), 4, 64)
    assert all(float(pairs.plate[0, 1].mean() - pairs.plate[0, 0].mean()) > 0.3 for pairs in held)


def test_pictures_of_a_stage_have_the_middle_of_its_sizes() -> None:
    assert stage_size(replace(BASE_STAGE, least_px=128, most_px=256)) == 192
    assert stage_size(replace(BASE_STAGE, least_px=64, most_px=96)) == 64
