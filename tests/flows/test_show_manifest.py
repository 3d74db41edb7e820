from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import cleanplate
from nersemble_tree import SEQUENCES, RawTree, Stream, make_v2

EMO, EXP = SEQUENCES
FIRST, SECOND, THIRD = RawTree().cameras


def _listed(tmp_path: Path, *words: str) -> Path:
    tree = RawTree(
        subjects=("031",),
        short=Stream("031", EMO, SECOND),
        absent=Stream("031", EXP, THIRD),
        empty=Stream("", EMO, FIRST),
    )
    capture = make_v2(tmp_path / "raw", tree)
    assert cleanplate("enumerate", capture, "--out", tmp_path / "out", *words).code == 0
    return tmp_path / "out"


def test_videos_are_shown_with_their_lengths_and_faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    out = _listed(tmp_path)
    record = json.loads(cleanplate("manifest", out, "--json").out)
    assert (record["layout"], record["numbering"]) == ("nersemble-v2", "source")
    videos = {(row["sequence"], row["camera"]): (row["n_frames"], row["video"]) for row in record["cameras"]}
    assert videos == {
        (EMO, FIRST): (12, "unreadable (0 bytes)"),
        (EMO, SECOND): (12, "7 of 12"),
        (EMO, THIRD): (12, "12"),
        (EXP, FIRST): (12, "12"),
        (EXP, SECOND): (12, "12"),
        (EXP, THIRD): (0, "absent"),
    }
    shown = cleanplate("manifest", out).out
    assert "layout nersemble-v2" in shown and EMO in shown and "in source" not in shown
    assert "60 frames, 5 videos, 12 holes" in shown and "3 videos absent, short or unreadable" in shown


def test_numbers_are_shown_beside_those_of_the_source_when_they_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    out = _listed(tmp_path, "--geometry", "gha")
    rows = json.loads(cleanplate("manifest", out, "--json", "--cameras", SECOND).out)["cameras"]
    assert [(r["first"], r["last"], r["source_first"], r["source_last"]) for r in rows] == [(0, 3, 0, 9), (4, 7, 0, 9)]
    shown = cleanplate("manifest", out).out
    assert "in source" in shown and "--geometry gha" in shown


def test_an_absent_video_is_shown_when_its_camera_is_selected(tmp_path: Path) -> None:
    out = _listed(tmp_path)
    rows = json.loads(cleanplate("manifest", out, "--json", "--cameras", THIRD, "--sequences", EXP).out)["cameras"]
    assert [(row["camera"], row["video"]) for row in rows] == [(THIRD, "absent")]
    rows = json.loads(cleanplate("manifest", out, "--json", "--cameras", FIRST).out)["cameras"]
    assert {row["camera"] for row in rows} == {FIRST}


def test_cameras_that_are_alike_are_one_row_when_there_are_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    tree = RawTree(subjects=("031",), sequences=("A", "B", "C", "D"), n_cameras=16, short=Stream("", "C", SECOND))
    cleanplate("enumerate", make_v2(tmp_path / "raw", tree), "--out", tmp_path / "out")
    shown = cleanplate("manifest", tmp_path / "out").out
    assert shown.count("16 cameras") == 3 and shown.count("15 cameras") == 1 and shown.count("7 of 12") == 1
    assert len(json.loads(cleanplate("manifest", tmp_path / "out", "--json").out)["cameras"]) == 64
