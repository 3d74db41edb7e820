"""Run records: written twice, read oldest first, never in the way."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from manifests.runs import (
    announced_cameras,
    announced_rows,
    log_path,
    new_run_id,
    read_runs,
    record_path,
    spans_of,
    write_run,
)
from manifests.sharding import FrameTable
from manifests.storage_memory import MemoryFolder


def test_run_ids_differ_when_runs_start_at_once() -> None:
    assert len({new_run_id() for _ in range(100)}) == 100


def test_log_and_record_lie_side_by_side() -> None:
    assert log_path("r").rsplit("/", 1)[0] == record_path("r").rsplit("/", 1)[0]
    assert log_path("r") != record_path("r")


def test_record_is_the_last_one_when_a_run_wrote_it_at_its_end_too() -> None:
    out = MemoryFolder()
    write_run(out, "r1", {"state": "running"})
    write_run(out, "r1", {"state": "finished"})
    assert read_runs(out) == [{"run": "r1", "state": "finished"}]


def test_runs_are_read_oldest_first_when_there_are_several() -> None:
    out = MemoryFolder()
    for run_id in ("20260301T000000Z-b", "20251231T235959Z-a", "20260301T000001Z-0"):
        write_run(out, run_id, {})
    started = [run["run"] for run in read_runs(out)]
    assert started == ["20251231T235959Z-a", "20260301T000000Z-b", "20260301T000001Z-0"]


def test_no_runs_are_read_when_there_were_none() -> None:
    assert read_runs(MemoryFolder()) == []


def test_logs_are_no_runs() -> None:
    out = MemoryFolder({log_path("r1"): b"text"})
    assert read_runs(out) == []


def test_other_runs_are_read_when_one_record_is_damaged() -> None:
    out = MemoryFolder({record_path("r1"): b'{"state": "fin'})
    write_run(out, "r2", {"state": "finished"})
    assert [(run["run"], run["state"]) for run in read_runs(out)] == [("r1", "unreadable"), ("r2", "finished")]


def test_other_runs_are_read_when_one_record_is_no_object() -> None:
    out = MemoryFolder({record_path("r1"): b"[]"})
    write_run(out, "r2", {"state": "finished"})
    assert [run["run"] for run in read_runs(out)] == ["r1", "r2"]


def test_announced_frames_are_those_of_all_runs_when_one_says_none(make_table: Callable[..., FrameTable]) -> None:
    out = MemoryFolder({record_path("broken"): b"\xff"})
    write_run(
        out, "r1", {"announced": {"031": [["", "A", [[0, 2]]], ["S", "B", [[5, 5]]]], "036": [["", "A", [[9, 9]]]]}}
    )
    write_run(out, "r2", {"announced": {"031": [["", "A", [[2, 3], [7, 7]]]]}})
    write_run(out, "r3", {"state": "running"})
    keys = [(sequence, camera, frame) for sequence in ("", "S") for camera in "AB" for frame in (0, 1, 3, 5, 7, 9)]
    announced = [keys[row] for row in np.flatnonzero(announced_rows(read_runs(out), make_table(keys)))]
    assert announced == [("", "A", 0), ("", "A", 1), ("", "A", 3), ("", "A", 7), ("S", "B", 5)]
    assert announced_cameras(read_runs(out), "031") == {"A", "B"}
    assert not announced_rows(read_runs(out), make_table(keys, subject="101")).any()
    assert announced_cameras(read_runs(out), "101") == set()


def test_spans_join_runs_of_frames() -> None:
    assert spans_of([]) == []
    assert spans_of([7, 1, 2, 3, 9]) == [(1, 3), (7, 7), (9, 9)]
