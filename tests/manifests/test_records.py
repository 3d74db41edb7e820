"""Records: how a changed file is known, how failures are counted, and that records travel."""

from __future__ import annotations

import dataclasses
import pickle

import pytest

from manifests.records import FileStat, Frame, Plate, Shard, ShardSummary


@pytest.mark.parametrize("rule", ["stat", "size", "etag"])
def test_fingerprint_differs_when_the_size_does(rule: str) -> None:
    assert FileStat("a", 1, 5, "e").fingerprint(rule) != FileStat("a", 2, 5, "e").fingerprint(rule)


def test_fingerprint_sees_a_new_mtime_only_by_stat_when_a_file_lies_on_a_disk() -> None:
    old, new = FileStat("a", 1, mtime_ns=5), FileStat("a", 1, mtime_ns=6)
    assert old.fingerprint("stat") != new.fingerprint("stat")
    assert old.fingerprint("size") == new.fingerprint("size")


@pytest.mark.parametrize("rule", ["stat", "etag"])
def test_fingerprint_is_by_etag_when_the_store_has_one(rule: str) -> None:
    assert FileStat("a", 1, None, "x").fingerprint(rule) != FileStat("a", 1, None, "y").fingerprint(rule)
    assert FileStat("a", 1, 1, "x").fingerprint(rule) == FileStat("a", 1, 2, "x").fingerprint(rule)


def test_fingerprint_does_not_know_the_path_when_a_file_moved() -> None:
    assert FileStat("a", 1, 5).fingerprint("stat") == FileStat("b/c", 1, 5).fingerprint("stat")


@pytest.mark.parametrize(("by_status", "n_failed"), [({"ok": 5}, 0), ({"ok": 3, "crashed": 2}, 2), ({"crashed": 5}, 5)])
def test_summary_counts_as_failed_what_is_not_ok(by_status: dict[str, int], n_failed: int) -> None:
    assert ShardSummary("s", "031", "", "A", "r", 5, by_status, None, 1.0, 10, "w").n_failed == n_failed


def test_shard_is_the_same_when_it_went_to_another_process() -> None:
    frame = Frame(3, 3, "a.jpg", "image", 10, "10-1")
    plate = Plate("031", "A", None, "", "missing")
    shard = Shard("id", "031", "", "A", 0, "recipe", "stat", (frame,), plate, frozenset({3}))
    assert pickle.loads(pickle.dumps(shard)) == shard


def test_shard_cannot_be_changed_when_it_is_made() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Frame(3, 3, "a.jpg", "image", 10, "10-1").frame = 4  # type: ignore[misc]
