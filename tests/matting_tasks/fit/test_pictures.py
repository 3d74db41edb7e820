"""Pieces of pictures: what is drawn, what is kept, and what cannot be read."""

from __future__ import annotations

import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest

from manifests.errors import UsageError
from matting_tasks.fit.pictures import Pictures, find_pictures


def write(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    return path


def flat(colour: tuple[int, int, int], height: int = 60, width: int = 90) -> np.ndarray:
    return np.full((height, width, 3), colour, np.uint8)


def test_pieces_have_the_size_asked_for_and_the_colours_of_the_file(tmp_path: Path) -> None:
    pictures = Pictures([write(tmp_path / "a.png", flat((200, 30, 10)))])
    for size in ((16, 16), (300, 20), (45, 128)):
        piece = pictures.piece(np.random.default_rng(0), *size)
        assert piece.shape == (*size, 3)
        assert piece.reshape(-1, 3).tolist() == [[200, 30, 10]] * (size[0] * size[1])


def test_the_same_seed_draws_the_same_whatever_was_drawn_before(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    paths = [write(tmp_path / f"{n}.png", rng.integers(0, 256, (70, 80, 3), np.uint8)) for n in range(5)]
    fresh, used = Pictures(paths, cache=5), Pictures(paths, cache=1)
    for seed in range(8):
        used.crop(np.random.default_rng(100 + seed), 20, 20)
        expected = fresh.crop(np.random.default_rng(seed), 32, 24)
        assert np.array_equal(used.crop(np.random.default_rng(seed), 32, 24), expected)


def test_a_narrow_zoom_shows_a_small_share_of_the_picture(tmp_path: Path) -> None:
    ramp = np.repeat(np.linspace(0, 255, 1000).astype(np.uint8)[None, :, None], 800, axis=0).repeat(3, axis=2)
    pictures = Pictures([write(tmp_path / "ramp.png", ramp)])
    narrow = pictures.piece(np.random.default_rng(0), 50, 50, zoom=(0.1, 0.1))
    wide = pictures.piece(np.random.default_rng(0), 50, 50, zoom=(1, 1))
    assert np.ptp(narrow) == pytest.approx(0.1 * 0.8 * 255, abs=3)
    assert np.ptp(wide) == pytest.approx(0.8 * 255, abs=8)


def test_large_pictures_are_drawn_shrunk(tmp_path: Path) -> None:
    checks = ((np.indices((1200, 3000)).sum(axis=0) % 2) * 255).astype(np.uint8)
    pictures = Pictures([write(tmp_path / "large.jpg", np.repeat(checks[..., None], 3, axis=2))])
    piece = pictures.piece(np.random.default_rng(0), 40, 40, zoom=(0.1, 0.1))
    assert piece.std() < 20
    assert abs(piece.mean() - 127) < 6


def test_half_of_the_pieces_are_mirrored(tmp_path: Path) -> None:
    halves = np.concatenate([flat((0, 0, 0), 40, 40), flat((255, 255, 255), 40, 40)], axis=1)
    pictures = Pictures([write(tmp_path / "halves.png", halves)])
    left = [int(pictures.piece(np.random.default_rng(seed), 40, 80, zoom=(1, 1))[20, 5, 0] == 0) for seed in range(60)]
    assert 18 < sum(left) < 42


def test_patterns_stand_in_where_there_are_no_pictures() -> None:
    pictures = Pictures([])
    assert len(pictures) == 0
    assert pictures.crop(np.random.default_rng(0), 30, 40).shape == (30, 40, 3)
    assert pictures.piece(np.random.default_rng(0), 30, 40).shape == (30, 40, 3)


def test_patterns_are_mixed_in_among_crops_but_not_among_pieces(tmp_path: Path) -> None:
    pictures = Pictures([write(tmp_path / "a.png", flat((1, 2, 3)))])
    crops = [np.unique(pictures.crop(np.random.default_rng(seed), 8, 8)).tolist() == [1, 2, 3] for seed in range(100)]
    assert 70 < sum(crops) < 99
    assert all((pictures.piece(np.random.default_rng(seed), 8, 8) == (1, 2, 3)).all() for seed in range(20))


def test_files_that_cannot_be_read_are_named_and_passed_over(tmp_path: Path) -> None:
    good = write(tmp_path / "good.png", flat((9, 9, 9)))
    cut, text, missing = tmp_path / "cut.jpg", tmp_path / "text.png", tmp_path / "missing.png"
    cut.write_bytes(write(tmp_path / "whole.jpg", flat((5, 5, 5))).read_bytes()[:-200])
    text.write_text("no picture")
    pictures = Pictures([cut, good, text, missing])
    assert len(pictures) == 1
    assert [fault.split(":")[0] for fault in pictures.unreadable] == [str(cut), str(text), str(missing)]
    assert all((pictures.piece(np.random.default_rng(seed), 4, 4) == 9).all() for seed in range(10))


def test_a_file_that_is_damaged_later_is_passed_over_and_named(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a.png", flat((1, 1, 1))), write(tmp_path / "b.png", flat((2, 2, 2)))
    pictures = Pictures([first, second])
    first.write_bytes(b"gone bad")
    assert {int(pictures.piece(np.random.default_rng(seed), 4, 4)[0, 0, 0]) for seed in range(20)} == {2}
    assert pictures.unreadable[0].startswith(f"{first}: ")
    assert len(pictures) == 1


def test_only_unreadable_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"")
    with pytest.raises(UsageError, match=r"found 1 files that cannot be read: .*a\.png"):
        Pictures([path])
    good = write(path, flat((1, 1, 1)))
    pictures = Pictures([good])
    good.unlink()
    with pytest.raises(UsageError, match="cannot be read"):
        pictures.piece(np.random.default_rng(0), 4, 4)


def test_pictures_travel_to_other_processes(tmp_path: Path) -> None:
    pictures = Pictures([write(tmp_path / "a.png", flat((7, 8, 9)))])
    before = pictures.crop(np.random.default_rng(2), 20, 20)
    again = pickle.loads(pickle.dumps(pictures))
    assert np.array_equal(again.crop(np.random.default_rng(2), 20, 20), before)


def test_pictures_are_found_anywhere_in_folders_once_each(tmp_path: Path) -> None:
    inner = write(tmp_path / "a" / "deep" / "x.jpg", flat((1, 1, 1)))
    outer = write(tmp_path / "b.PNG", flat((1, 1, 1)))
    (tmp_path / "notes.txt").write_text("no")
    assert find_pictures([tmp_path, inner]) == sorted([inner, outer])
    with pytest.raises(UsageError, match=r"notes\.txt: expected pictures"):
        find_pictures([tmp_path / "notes.txt"])
    with pytest.raises(UsageError, match="nowhere: expected pictures"):
        find_pictures([tmp_path / "nowhere"])
