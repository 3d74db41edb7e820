from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import DifferenceModel, draw_picture
from video_fakes import RedMemory, Refusing, matter_for

from manifests.errors import DeviceFault
from matting_tasks.video_clock import Clock
from matting_tasks.video_matter import cover, empty_pictures, flat_background, matte_chunk, warm_up
from matting_tasks.video_source import Size, VideoInfo
from matting_tasks.video_target import Target

ALL = [Target(Path(), name, "png") for name in ("alpha", "foreground", "composite")]
FRAMES = np.stack([draw_picture(1), draw_picture(2)])


def test_a_composite_is_the_foreground_over_the_background() -> None:
    frames = FRAMES.copy()
    frames[0, 0, 0] = (0, 50, 60)
    made, state, has_foreground = matte_chunk(matter_for(RedMemory(), (32, 24)), frames, 5, ALL)
    assert state == 7 and has_foreground
    alpha = frames[..., :1] / 255
    assert np.array_equal(made["alpha"], frames[..., 0])
    wanted = alpha * frames + (1 - alpha) * (0, 255, 0)
    assert np.abs(made["composite"] - wanted).max() <= 0.5 + 1e-4
    assert np.array_equal(made["foreground"], np.where(frames[..., :1] > 0, frames, 0))
    assert not made["foreground"][0, 0, 0].any()


def test_16_bits_are_those_of_the_alpha_before_rounding() -> None:
    made, _, _ = matte_chunk(matter_for(RedMemory(), (32, 24)), FRAMES, None, [Target(Path(), "alpha", "png16")])
    assert made.keys() == {"alpha"} and made["alpha"].dtype == np.uint16
    assert np.array_equal(made["alpha"], FRAMES[..., 0].astype(np.uint16) * 257)


def test_the_frames_stand_for_a_foreground_that_a_model_does_not_predict() -> None:
    made, _, has_foreground = matte_chunk(matter_for(RedMemory(False), (32, 24)), FRAMES, None, ALL)
    assert not has_foreground and np.array_equal(made["foreground"], np.where(FRAMES[..., :1] > 0, FRAMES, 0))


def test_a_plate_reaches_the_model() -> None:
    plate = torch.from_numpy(FRAMES[0]).permute(2, 0, 1)[None].float() / 255
    made, _, _ = matte_chunk(matter_for(DifferenceModel(), (32, 24), plate=plate), FRAMES, None, ALL)
    assert not made["alpha"][0].any() and made["alpha"][1].any()


def test_a_model_is_warmed_up_in_chunks() -> None:
    model = RedMemory()
    assert warm_up(matter_for(model, (32, 24), chunk=4, warmup=10), FRAMES[0]) == 10
    assert model.lengths == [4, 4, 2]
    assert warm_up(matter_for(model, (32, 24)), FRAMES[0]) is None


def test_what_stands_for_a_frame_is_of_the_same_kind() -> None:
    clock = Clock(Fraction(25), Fraction(1, 25))
    info, matter = VideoInfo("", Size(32, 24), Size(32, 24), 1, 1, clock), matter_for(RedMemory(), (32, 24))
    made, _, _ = matte_chunk(matter, FRAMES, None, ALL)
    empty = empty_pictures(info, matter, ALL)
    assert {name: (one.shape, one.dtype) for name, one in empty.items()} == {
        name: (one.shape[1:], one.dtype) for name, one in made.items()
    }
    assert not empty["alpha"].any() and np.array_equal(empty["composite"], flat_background((0, 255, 0), Size(32, 24)))


def test_faults_of_the_device_say_what_to_do() -> None:
    model = Refusing(0, torch.OutOfMemoryError("full"))
    with pytest.raises(DeviceFault, match="--chunk 2"):
        matte_chunk(matter_for(model, (32, 24), chunk=4), FRAMES, None, ALL)

    class Nan(RedMemory):
        def matte(self, *words: object) -> object:  # type: ignore[override]
            made = super().matte(*words)  # type: ignore[arg-type]
            return made._replace(alpha=made.alpha * float("nan"))

    with pytest.raises(DeviceFault, match="--precision fp32"):
        matte_chunk(matter_for(Nan(), (32, 24)), FRAMES, None, ALL)


@pytest.mark.parametrize("size", [(20, 20), (64, 20), (32, 24), (100, 90)])
def test_a_background_covers_the_frame_and_keeps_its_aspect(size: tuple[int, int]) -> None:
    y, x = np.mgrid[0:24, 0:32]
    disc = (np.hypot(x - 15.5, y - 11.5) < 4).astype(np.uint8) * 255
    covered = cover(np.repeat(disc[:, :, None], 3, axis=2), Size(*size))
    assert covered.shape == (size[1], size[0], 3)
    rows, columns = np.nonzero(covered[:, :, 0] > 127)
    assert abs((np.ptp(rows) + 1) / (np.ptp(columns) + 1) - 1) < 0.15
    assert abs(rows.mean() - (size[1] - 1) / 2) < 1.5 and abs(columns.mean() - (size[0] - 1) / 2) < 1.5
