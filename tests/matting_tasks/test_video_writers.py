from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from fakes import draw_picture

from matting_tasks.video_clock import Clock
from matting_tasks.video_source import Size, VideoInfo
from matting_tasks.video_target import Target
from matting_tasks.video_writers import Outputs

INFO = VideoInfo("a", Size(32, 24), Size(32, 24), 3, 3, Clock(Fraction(25), Fraction(1, 25)), numbers=(7, 8, 12))


def test_pngs_are_exact_and_named_by_number(tmp_path: Path) -> None:
    deep = np.arange(24 * 32, dtype=np.uint16).reshape(24, 32) * 80
    colour = draw_picture(1)
    targets = [Target(tmp_path, "alpha", "png16"), Target(tmp_path, "composite", "png")]
    with Outputs(targets, INFO) as outputs:
        for place in range(3):
            outputs.write(place, {"alpha": deep, "composite": colour})
        assert not (tmp_path / "alpha").exists()
        outputs.commit()
    names = sorted(path.name for path in (tmp_path / "alpha").iterdir())
    assert names == ["alpha_000007.png", "alpha_000008.png", "alpha_000012.png"]
    assert np.array_equal(cv2.imread(str(tmp_path / "alpha" / names[0]), cv2.IMREAD_UNCHANGED), deep)
    read = cv2.imread(str(tmp_path / "composite" / "composite_000012.png"))
    assert np.array_equal(read[:, :, ::-1], colour)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alpha", "composite"]


def test_writing_over_a_folder_removes_what_was_ours_only(tmp_path: Path) -> None:
    folder = tmp_path / "alpha"
    folder.mkdir()
    for name in ("alpha_000007.png", "alpha_000099.png", "mine.png", "alpha_x.png"):
        (folder / name).write_bytes(b"old")
    with Outputs([Target(tmp_path, "alpha", "png")], INFO) as outputs:
        outputs.write(0, {"alpha": np.zeros((24, 32), np.uint8)})
        outputs.commit()
    assert sorted(path.name for path in folder.iterdir()) == ["alpha_000007.png", "alpha_x.png", "mine.png"]
    assert (folder / "alpha_000007.png").read_bytes() != b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["alpha"]


def test_an_error_leaves_nothing_behind(tmp_path: Path) -> None:
    targets = [Target(tmp_path, "alpha", "png"), Target(tmp_path, "composite", "mp4")]
    with pytest.raises(KeyboardInterrupt), Outputs(targets, INFO) as outputs:
        outputs.write(0, {"alpha": np.zeros((24, 32), np.uint8), "composite": draw_picture(0)})
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_a_target_that_cannot_be_opened_closes_the_others(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Outputs([Target(tmp_path, "alpha", "png"), Target(tmp_path / "gone", "composite", "png")], INFO)
    assert not list(tmp_path.iterdir())
