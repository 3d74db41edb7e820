"""Failures: kept per shard, replaced by later ones, cleared by commits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from manifests.failures import clear_failures, read_failures, write_failure
from manifests.records import ShardFailure
from manifests.storage import Folder, LocalFolder
from manifests.storage_memory import MemoryFolder

FAILURE = ShardFailure("_A_0-63_00", "031", "", "A", 64, "DeviceFault", "the GPU is gone", "Traceback ...", "node-1")


@pytest.fixture(params=[lambda _: MemoryFolder(), LocalFolder], ids=["memory", "local"])
def out(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    make: Callable[[Path], Folder] = request.param
    return make(tmp_path)


def test_failure_is_read_with_all_that_is_known_when_it_was_written(out: Folder) -> None:
    write_failure(out, FAILURE, "run-1")
    record = read_failures(out, "031")[FAILURE.shard_id]
    for part in ("kind", "message", "traceback", "worker", "camera", "n_frames"):
        assert record[part] == getattr(FAILURE, part)
    assert record["run"] == "run-1"


def test_later_failure_takes_the_place_when_the_same_shard_fails_again(out: Folder) -> None:
    write_failure(out, FAILURE, "run-1")
    write_failure(out, replace(FAILURE, message="again"), "run-2")
    assert [record["message"] for record in read_failures(out, "031").values()] == ["again"]


def test_failures_are_those_of_the_subject_when_others_failed_too(out: Folder) -> None:
    for subject in ("031", "0310", "03/1", "a very long name " * 20):
        write_failure(out, replace(FAILURE, subject=subject), "run-1")
    for subject in ("031", "0310", "03/1", "a very long name " * 20):
        assert [record["subject"] for record in read_failures(out, subject).values()] == [subject]


def test_no_failures_are_read_when_nothing_failed(out: Folder) -> None:
    assert read_failures(out, "031") == {}


def test_clear_takes_away_committed_shards_only(out: Folder) -> None:
    write_failure(out, FAILURE, "run-1")
    write_failure(out, replace(FAILURE, shard_id="other"), "run-1")
    clear_failures(out, "031", [FAILURE.shard_id, "never failed"])
    assert set(read_failures(out, "031")) == {"other"}


def test_other_failures_are_read_when_one_record_is_damaged(out: Folder) -> None:
    write_failure(out, FAILURE, "run-1")
    out.write_atomic("_cleanplate/failures/031/broken.json", b"{")
    assert FAILURE.shard_id in read_failures(out, "031")
