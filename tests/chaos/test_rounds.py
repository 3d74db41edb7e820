"""Rounds are kept as lines, also after a kill in the middle of one, and summed up in tables."""

from __future__ import annotations

from pathlib import Path

from chaos.rounds import FAILED, Round, append_round, read_rounds
from chaos.table import failpoint_table, scenario_table

KILLED = Round("killed", 1, 2, 0, 0, 0, 0, 5, 1.25, "at fresh: receipt done, replaced: receipt done")
LOST = Round("starved", 1, 0, 3, 4, 5, 6, 0, 2.0, "031 has no row")


def test_rounds_come_back_as_they_were_written(tmp_path: Path) -> None:
    file = tmp_path / "rounds.jsonl"
    assert read_rounds(file) == []
    append_round(file, KILLED)
    with file.open("a") as cut_off:
        cut_off.write('{"scenario": "kil')
    append_round(file, LOST)
    assert read_rounds(file) == [KILLED, LOST]


def test_a_round_is_bad_when_it_lost_something_or_was_not_played_to_its_end() -> None:
    assert KILLED.is_good and not LOST.is_good
    failed = Round("killed", 2, 0, 0, 0, 0, 0, 0, 1.0, f"{FAILED}the command ends with 1")
    assert not failed.is_good and failed.failpoints == []


def test_tables_count_rounds_kills_damage_and_failpoints() -> None:
    lines = scenario_table([KILLED, LOST, KILLED]).splitlines()
    assert lines[2] == "| killed | 2 | 4 | 0 | 0 | 0 | 0 | 0 | 2.5 | 2 |"
    assert lines[3] == "| starved | 1 | 0 | 3 | 4 | 5 | 6 | 0 | - | 2 |"
    assert lines[4].startswith("| **all** | 3 | 4 | 3 | 4 | 5 | 6 | 0 |")
    assert "| receipt done | 4 | fresh 2, replaced 2 |" in failpoint_table([KILLED, LOST, KILLED])
