from __future__ import annotations

from pathlib import Path

from command_line import cleanplate


def test_the_help_teaches_with_examples() -> None:
    said = cleanplate("evaluate", "--help").out
    for word in ("--trimap", "--unknown", "PPM-100", "videomatte", "alpha.mkv", "dtSSD"):
        assert word in said


def test_two_ways_to_say_the_unknown_region_are_one_too_many(tmp_path: Path) -> None:
    ended = cleanplate("evaluate", tmp_path, tmp_path, "--trimap", tmp_path, "--unknown", 5)
    assert ended.code == 2 and "--trimap or --unknown" in ended.err


def test_options_of_the_store_that_are_none_are_refused_without_repeating_them(tmp_path: Path) -> None:
    ended = cleanplate("evaluate", tmp_path, tmp_path, "--storage-option", "planted-secret")
    assert ended.code == 2 and "key=value" in ended.err and "planted-secret" not in ended.err
