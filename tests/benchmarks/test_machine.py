from __future__ import annotations

import json
from pathlib import Path

import pytest
from benchmarks.machine import Report, Table, as_markdown, as_text, describe, finish, run_child, show

TABLE = Table("Speed", ("model", "frames/s", "note"), [["a", 12.3456, None], ["longer", 12345.6, 3]], "A note.")


def test_a_table_is_shown_in_columns() -> None:
    assert as_text(TABLE).splitlines() == [
        "Speed",
        "model   frames/s  note",
        "a           12.3     -",
        "longer    12,346     3",
        "A note.",
    ]


def test_a_table_is_shown_in_markdown() -> None:
    assert as_markdown(TABLE).splitlines() == [
        "**Speed**",
        "",
        "| model | frames/s | note |",
        "| --- | ---: | ---: |",
        "| a | 12.3 | - |",
        "| longer | 12,346 | 3 |",
        "",
        "A note.",
    ]


def test_numbers_have_three_digits_and_names_stay() -> None:
    assert [show(value) for value in (0.98765, 0.001234, 1234, True, "x")] == ["0.988", "0.00123", "1,234", "True", "x"]


def test_a_report_is_printed_and_written_with_its_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "new" / "r.json"
    finish(Report("speed", {"frames": 4}, {"ratio": 2.0}, [TABLE]), path)
    record = json.loads(path.read_text())
    assert "longer    12,346" in capsys.readouterr().out
    assert record["benchmark"] == "speed"
    assert record["settings"] == {"frames": 4}
    assert record["results"] == {"ratio": 2.0}
    assert record["tables"][0]["rows"][0] == ["a", 12.3456, None]
    assert record["machine"]["cores"] >= 1
    assert record["machine"]["memory_gib"] > 0
    assert record["date"].startswith("20")
    assert "torch" in record["versions"]


def test_the_command_of_a_script_is_told_without_this_machines_folders() -> None:
    from benchmarks.machine import ROOT

    assert str(ROOT) not in json.dumps(describe()["command"])


def test_a_child_that_fails_says_why() -> None:
    with pytest.raises(RuntimeError, match="our_path.py"):
        run_child("our_path.py", ["--no-such-option"])
