from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from command_line import Ended, cleanplate
from flagged_tables import write_tables

from manifests.decisions import Selection
from manifests.flagged import find_flagged, write_before
from manifests.storage import LocalFolder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    root = tmp_path / "out"
    write_tables(LocalFolder(root), "031", {"a": [0, 0.7, 0.3, 0], "b": [0, 0, 0, 0.9]})
    write_tables(LocalFolder(root), "032", {"a": [0.8, 0]}, sequence="EMO-1-shout+laugh")
    return root


def printed(out: Path, *words: object) -> Ended:
    ended = cleanplate("flagged", out, *words)
    assert ended.code == 0, ended.err
    return ended


def test_the_table_names_frame_measure_value_and_limit(out: Path) -> None:
    said = printed(out).out
    lines = [line.split() for line in said.splitlines()]
    assert ["031", "a", "1", "fail", "border_top", "70", "%", "60", "%"] in lines
    assert ["032", "EMO-1-shout+laugh", "a", "0", "fail", "border_top", "80", "%", "60", "%"] in lines
    assert "3 frames of 2 subjects flagged: 3 fail by border_top." in said


def test_csv_and_json_hold_the_same_rows(out: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(printed(out, "--verdict", "review", "--format", "csv").out)))
    records = json.loads(printed(out, "--verdict", "review", "--format", "json").out)
    assert [{name: str(value) for name, value in record.items()} for record in records] == rows
    assert [(row["subject"], row["camera"], row["frame"], row["verdict"]) for row in rows] == [
        ("031", "a", "1", "fail"),
        ("031", "a", "2", "review"),
        ("031", "b", "3", "fail"),
        ("032", "a", "0", "fail"),
    ]
    assert rows[3]["sequence"] == "EMO-1-shout+laugh" and records[1]["limit"] == 0.25


def test_a_long_table_is_cut_and_counted(tmp_path: Path) -> None:
    write_tables(LocalFolder(tmp_path), "031", {"a": [0.9] * 150})
    said = printed(tmp_path).out
    assert sum(line.startswith("031") for line in said.splitlines()) == 100
    assert "50 more" in said and "150 frames of 1 subject flagged" in said
    assert len(printed(tmp_path, "--format", "csv").out.splitlines()) == 151


def test_nothing_flagged_is_said(out: Path) -> None:
    assert "No selected frame is flagged fail" in printed(out, "--subjects", "031", "--frames", "0").out
    assert json.loads(printed(out, "--subjects", "031", "--frames", "0", "--format", "json").out) == []


def test_an_exclusion_list_is_written_in_the_form_of_its_ending(out: Path, tmp_path: Path) -> None:
    for name in ("x.csv", "x.json", "x.txt"):
        assert "3 frames written" in printed(out, "--export", tmp_path / name).out
    assert (tmp_path / "x.txt").read_text().splitlines()[0] == "031/images/0001/mask_a.jpg"
    rows = list(csv.reader((tmp_path / "x.csv").open(newline="")))
    assert rows[0] == ["subject", "sequence", "camera", "frame", "mask_path"] and rows[2][:4] == ["031", "", "b", "3"]
    assert json.loads((tmp_path / "x.json").read_text()) == {
        "031": {"a": [1], "b": [3]},
        "032": {"EMO-1-shout+laugh/a": [0]},
    }
    assert cleanplate("flagged", out, "--export", tmp_path / "x.yaml").code == 2


def test_an_empty_list_is_a_list_too(out: Path, tmp_path: Path) -> None:
    printed(out, "--frames", "2", "--export", tmp_path / "x.json")
    assert json.loads((tmp_path / "x.json").read_text()) == {}


def test_what_was_redone_is_compared(out: Path) -> None:
    folder = LocalFolder(out)
    write_before(folder, 1, find_flagged(folder, Selection(subjects=("031",)), "fail"), {})
    write_tables(folder, "031", {"a": [0, 0.1, 0.3, 0], "b": [0, 0, 0, 0.65]}, decision=1)
    said = " ".join(printed(out, "--compare", 1).out.split())
    assert "70 % → 10 %" in said and "90 % → 65 %" in said
    records = json.loads(printed(out, "--compare", 1, "--format", "json").out)
    assert [(row["camera"], row["worst_before"], row["worst_after"], row["n_flagged"]) for row in records] == [
        ("a", 0.7, 0.1, 0),
        ("b", 0.9, 0.65, 1),
    ]
    rows = list(csv.DictReader(io.StringIO(printed(out, "--compare", 1, "--format", "csv").out)))
    assert [float(row["median_after"]) for row in rows] == [0.1, 0.65]
    assert cleanplate("flagged", out, "--compare", 2).code == 2


def test_where_there_are_no_tables_the_message_says_what_makes_them(tmp_path: Path) -> None:
    ended = cleanplate("flagged", tmp_path)
    assert ended.code == 2 and "no QC tables" in ended.err and "cleanplate qc" in ended.err
