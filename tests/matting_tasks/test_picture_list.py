from __future__ import annotations

from pathlib import Path

import pytest

from manifests.errors import UsageError
from matting_tasks.picture_list import frame_numbers, list_pictures


def touch(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def test_pictures_of_a_folder_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    folder = touch(tmp_path / "shot", "f10.jpg", "f9.JPG", "f100.png", ".f1.png", "notes.txt")
    assert [path.name for path in list_pictures(folder) or []] == ["f9.JPG", "f10.jpg", "f100.png"]


@pytest.mark.parametrize("pattern", ["a_*.png", "a_%03d.png", "a_%d.png", "a_{frame:03d}.png", "a_00[12].*"])
def test_a_pattern_picks_pictures_of_a_folder(tmp_path: Path, pattern: str) -> None:
    folder = touch(tmp_path / "shot", "a_002.png", "a_001.png", "b_001.png", "a_x.txt")
    assert [path.name for path in list_pictures(folder / pattern) or []] == ["a_001.png", "a_002.png"]


def test_a_file_that_is_no_picture_is_left_to_the_video_decoder(tmp_path: Path) -> None:
    folder = touch(tmp_path / "shot", "a.mp4", "a.png")
    assert list_pictures(folder / "a.mp4") is None
    assert list_pictures(folder / "a.png") == [folder / "a.png"]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("gone.mp4", "no such file"),
        ("empty", "it is empty"),
        ("videos", "To matte a video, name it: .*take.mp4"),
        ("videos/f_%04d.png", "named like that"),
        ("gone/f_%04d.png", "no folder"),
    ],
)
def test_where_there_is_nothing_it_says_what_is(tmp_path: Path, name: str, wanted: str) -> None:
    touch(tmp_path / "empty")
    touch(tmp_path / "videos", "take.mp4", "notes.txt")
    with pytest.raises(UsageError, match=wanted):
        list_pictures(tmp_path / name)


def test_numbers_are_taken_only_where_they_tell_the_pictures_apart() -> None:
    assert frame_numbers([Path("a1_007.png"), Path("a1_009.png")]) == (7, 9)
    assert frame_numbers([Path("a_1.png"), Path("b_1.png")]) is None
    assert frame_numbers([Path("one.png"), Path("two.png")]) is None
