from __future__ import annotations

from pathlib import Path

from captures import make_tiny
from command_line import cleanplate


def test_help_teaches_how_to_get_rates() -> None:
    ended = cleanplate("plan", "--help")
    assert ended.code == 0 and "--rate" in ended.out and "cleanplate plan /data/capture --gpus 8" in ended.out


def test_a_plan_is_printed_and_nothing_is_written(tmp_path: Path) -> None:
    capture = make_tiny(tmp_path / "capture")
    before = sorted(tmp_path.rglob("*"))
    ended = cleanplate("plan", capture, "--gpus", 1, "--rate", 5, "--cpu", 0.1)
    assert ended.code == 0 and "6 in 2 streams" in ended.out
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_that_is_no_capture_is_usage(tmp_path: Path) -> None:
    assert cleanplate("plan", tmp_path, "--rate", 5, "--cpu", 0.1).code == 2
