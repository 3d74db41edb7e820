from __future__ import annotations

import sys

from flows.books import open_books
from flows.run_meter import metered, samples
from flows.settings import MatteSettings
from flows.summary import Summary
from flows.watch import QuietWatcher
from manifests.decisions import Selection
from manifests.records import ShardFailure, ShardSummary
from manifests.storage_memory import MemoryFolder

DONE = ShardSummary("_a_0-1_x", "031", "", "a", "r", 30, {"ok": 28, "undecodable": 2}, None, 0.1, 10, "w")
FAILED = ShardFailure("_b_0-1_y", "031", "", "b", 10, "store", "the store failed")


def told(summary: Summary, seconds: float) -> dict[tuple[str, ...], float]:
    found = samples(summary, n_frames=100, n_shards=5, seconds=seconds)
    return {(sample.metric.name.removeprefix("cleanplate_run_"), *sample.values): sample.number for sample in found}


def test_what_is_settled_and_due_add_up_to_the_run() -> None:
    summary = Summary("/out")
    summary.add(DONE)
    summary.add(FAILED)
    assert told(summary, 20.0) == {
        ("frames", "ok"): 28,
        ("frames", "undecodable"): 2,
        ("frames_settled",): 40,
        ("frames_due",): 60,
        ("shards_due",): 3,
        ("frames_per_second",): 2.0,
        ("seconds_left",): 30.0,
    }


def test_the_time_left_is_unknown_before_the_first_shard() -> None:
    assert ("seconds_left",) not in told(Summary("/out"), 5.0)
    assert told(Summary("/out"), 0.0)["frames_per_second",] == 0.0


def test_a_run_without_ray_has_no_metrics_and_needs_no_ray() -> None:
    settings = MatteSettings(model="plate-difference", executor="local", device="cpu")
    known = "ray" in sys.modules
    with (
        open_books(MemoryFolder(), "/capture", settings, Selection(), QuietWatcher()) as books,
        metered(books, [], Summary("memory://")),
    ):
        pass
    assert ("ray" in sys.modules) == known
