from __future__ import annotations

from pathlib import Path

from corpus.cameras import bad_cameras, check_run, judge_cameras
from corpus.verdicts import CRASHED, SILENT, texts


def test_no_camera_is_made_of_a_file_that_cannot_hold_one() -> None:
    assert texts(judge_cameras(bad_cameras(40)), CRASHED, SILENT) == []


def test_frames_of_a_bad_camera_file_have_their_masks_and_say_that_there_is_no_camera(tmp_path: Path) -> None:
    check_run(tmp_path, list(bad_cameras(1))[::9])
