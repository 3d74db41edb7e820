"""Cutouts that are drawn from a user's foregrounds, still and moving."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from manifests.errors import UsageError
from matting_tasks.fit.foregrounds import ForegroundReader, find_foregrounds, reader_of
from matting_tasks.fit.records import Cutout
from tests.cut_people import ORANGE, disc, photograph, pure, write, write_pair
from tests.videos import write_video


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def assert_orange(cutout: Cutout, tolerance: int) -> None:
    shown = cutout.foreground[cutout.alpha > 8].astype(int)
    assert np.abs(shown - ORANGE).mean() < tolerance


def test_stills_have_one_frame_of_the_size_asked_for(tmp_path: Path) -> None:
    write_pair(tmp_path, "a", disc())
    write(tmp_path / "image/b.jpg", photograph(disc()))
    write(tmp_path / "alpha/b.png", disc())
    reader = reader_of([tmp_path])
    assert len(reader) == 2
    for seed in range(12):
        cutout = reader(rng(seed), (48, 64), 1)
        assert cutout.foreground.shape == (1, 48, 64, 3)
        assert cutout.alpha.shape == (1, 48, 64)
        assert cutout.alpha.max() == 255
        assert_orange(cutout, 25)


def test_the_same_seed_draws_the_same_in_any_order(tmp_path: Path) -> None:
    for name, y in (("a", 30), ("b", 45)):
        write_pair(tmp_path, name, disc(centre=(y, 30)))
    first, second = (ForegroundReader(find_foregrounds(tmp_path), cache=1) for _ in range(2))
    drawn = [first.still(rng(seed), (32, 32)) for seed in range(6)]
    for seed in reversed(range(6)):
        again = second.still(rng(seed), (32, 32))
        assert np.array_equal(again.foreground, drawn[seed].foreground)
        assert np.array_equal(again.alpha, drawn[seed].alpha)


def test_pictures_with_an_alpha_channel_and_of_16_bits_are_read(tmp_path: Path) -> None:
    alpha = disc()
    write(tmp_path / "one/cut.png", np.dstack([pure(alpha), alpha]))
    write(tmp_path / "two/fg/a.png", pure(alpha))
    write(tmp_path / "two/alpha/a.png", alpha.astype(np.uint16) * 257)
    for place in ("one", "two"):
        cutout = reader_of([tmp_path / place]).still(rng(0), (40, 40))
        assert cutout.alpha.max() == 255
        assert_orange(cutout, 4)


def test_a_clips_frames_follow_each_other_and_move(tmp_path: Path) -> None:
    for number in range(10):
        write_pair(tmp_path, f"dance/{number}", disc(centre=(40, 20 + 2 * number)), ("fgr", "pha"))
    reader = reader_of([tmp_path])
    for seed in range(6):
        cutout = reader.clip(rng(seed), (48, 48), 4)
        centres = [float(np.average(np.arange(48), weights=alpha.sum(axis=0))) for alpha in cutout.alpha]
        steps = np.diff(centres)
        assert (steps > 0).all() or (steps < 0).all()
        assert_orange(cutout, 4)


def test_a_clip_that_is_too_short_runs_to_and_fro(tmp_path: Path) -> None:
    for number in range(3):
        write_pair(tmp_path, f"dance/{number}", disc(centre=(40, 26 + 3 * number)), ("fgr", "pha"))
    cutout = reader_of([tmp_path]).clip(rng(0), (32, 32), 7)
    assert np.array_equal(cutout.alpha[0], cutout.alpha[4])
    assert np.array_equal(cutout.alpha[1], cutout.alpha[3])
    assert not np.array_equal(cutout.alpha[1], cutout.alpha[2])


def test_videos_are_read_with_their_alphas(tmp_path: Path) -> None:
    alphas = [disc(96, 96, (48, 30 + 3 * number), 24) for number in range(8)]
    for folder in ("fgr", "pha"):
        (tmp_path / folder).mkdir()
    write_video(tmp_path / "fgr/walk.mp4", [pure(alpha) for alpha in alphas])
    write_video(tmp_path / "pha/walk.mp4", [np.repeat(alpha[..., None], 3, axis=2) for alpha in alphas])
    cutout = reader_of([tmp_path])(rng(1), (64, 64), 5)
    assert cutout.foreground.shape == (5, 64, 64, 3)
    assert cutout.alpha.max() > 240
    assert_orange(cutout, 20)


def test_a_picture_drifts_where_there_are_no_clips(tmp_path: Path) -> None:
    write_pair(tmp_path, "a", disc())
    cutout = reader_of([tmp_path]).clip(rng(3), (48, 48), 5)
    assert cutout.alpha.shape == (5, 48, 48)
    assert not np.array_equal(cutout.alpha[0], cutout.alpha[4])
    assert np.abs(cutout.alpha[0].astype(int) - cutout.alpha[1]).mean() < 40


def test_files_that_turn_out_bad_are_named_skipped_and_counted(tmp_path: Path) -> None:
    for name in ("bad", "empty", "good"):
        write_pair(tmp_path, name, disc())
    write(tmp_path / "alpha/empty.png", np.zeros((80, 60), np.uint8))
    write(tmp_path / "alpha/bad.png", photograph(disc()))
    reader = reader_of([tmp_path])
    assert len(reader) == 3
    for seed in range(12):
        assert_orange(reader.still(rng(seed), (32, 32)), 4)
    assert len(reader) == 1
    assert "in colour, not a mask" in reader.faults["bad"]
    assert reader.faults["empty"] == "the alpha of the picture is empty"


def test_a_clip_that_turns_out_bad_gives_way_to_pictures(tmp_path: Path) -> None:
    for number in range(4):
        write_pair(tmp_path, f"dance/{number}", disc(centre=(40, 28 + number)), ("fgr", "pha"))
    write_pair(tmp_path, "still", disc())
    reader = reader_of([tmp_path])
    assert len(reader) == 2
    for number in range(4):
        (tmp_path / f"fgr/dance/{number}.png").write_bytes(b"gone bad")
    for seed in range(8):
        assert reader.clip(rng(seed), (32, 32), 3).alpha.max() == 255
    assert "neither JPEG nor PNG" in reader.faults["dance"]


def test_a_clip_with_empty_frames_is_used_where_somebody_is_there(tmp_path: Path) -> None:
    for number in range(8):
        there = disc(centre=(40, 28 + number))
        write_pair(tmp_path, f"dance/{number}", there if number < 6 else np.zeros_like(there), ("fgr", "pha"))
    write_pair(tmp_path, "still", disc())
    met, fresh = reader_of([tmp_path]), reader_of([tmp_path])
    drawn = [met.clip(rng(seed), (32, 32), 2) for seed in range(24)]
    assert "dance" in met.faults and len(met) == 2, "it met an empty frame, and may have others"
    # a process that met none draws the same
    again = fresh.clip(rng(23), (32, 32), 2)
    assert np.array_equal(again.foreground, drawn[23].foreground) and np.array_equal(again.alpha, drawn[23].alpha)
    moving = [(one.alpha[0] != one.alpha[1]).any() for one in drawn]
    assert np.mean(moving) > 0.7


def test_nothing_left_is_an_error_that_says_why(tmp_path: Path) -> None:
    write_pair(tmp_path, "a", np.zeros((40, 40), np.uint8))
    reader = reader_of([tmp_path])
    for draw in (lambda: reader.still(rng(0), (16, 16)), lambda: reader.clip(rng(0), (16, 16), 3)):
        with pytest.raises(UsageError, match="none of 1 can be used: a: the alpha of the picture is empty"):
            draw()


def test_several_places_are_read_together_with_their_faults(tmp_path: Path) -> None:
    for place in ("first", "second"):
        write_pair(tmp_path / place, "a", disc())
    write(tmp_path / "second/fg/lone.png", pure(disc()))
    reader = reader_of([tmp_path / "first", tmp_path / "second"])
    assert len(reader) == 2
    assert list(reader.faults) == ["second: lone"]
