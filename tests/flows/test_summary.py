from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from flows.summary import Summary
from manifests.plan import CameraStatus
from manifests.records import ShardFailure, ShardSummary
from manifests.traffic import Traffic

OK = CameraStatus("031", "", "a", 3, 3, 0)
PENDING = CameraStatus("031", "", "b", 3, 1, 2)
BAD = CameraStatus("031", "", "c", 3, 2, 0, {"undecodable": 1})
FAILURE = ShardFailure("_b_0-1_y", "031", "", "b", 2, "store", "the store failed")


@pytest.mark.parametrize(
    ("cameras", "failures", "code"),
    [
        ([], [], 0),
        ([OK], [], 0),
        ([OK, BAD], [], 3),
        ([OK, BAD, PENDING], [], 1),
        ([OK], [FAILURE], 0),  # a later try cured it
    ],
)
def test_the_exit_code_says_how_the_selection_is(
    cameras: list[CameraStatus], failures: list[ShardFailure], code: int
) -> None:
    assert Summary("/out", cameras=cameras, failures=failures).exit_code == code


def test_shards_are_counted_from_several_threads() -> None:
    summary = Summary("/out")
    shard = ShardSummary("_a_0-1_x", "031", "", "a", "r", 3, {"ok": 2, "crashed": 1}, None, 0.1, 10, "w")
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: summary.add(shard), range(500)))
    assert (summary.n_written, summary.n_bytes, summary.n_shards) == (1000, 5000, 500)
    assert summary.by_status == {"ok": 1000, "crashed": 500}


def test_failures_in_a_row_are_counted_over_subjects() -> None:
    summary = Summary("/out")
    assert [summary.add(FAILURE) for _ in range(3)] == [1, 2, 3]
    assert summary.add(ShardSummary("_a_0-1_x", "031", "", "a", "r", 1, {"ok": 1}, None, 0.1, 10, "w")) == 0
    assert summary.add(FAILURE) == 1


def test_requests_of_pools_and_of_the_driver_are_added_up() -> None:
    summary = Summary("/out")
    summary.count_traffic({"/out": Traffic({"put": 2}, 0, 0, 9)})
    summary.count_traffic({"/out": Traffic({"put": 1, "get": 1}, 1, 5, 1), "/capture": Traffic({"list": 1})})
    assert summary.traffic == {"/out": Traffic({"put": 3, "get": 1}, 1, 5, 10), "/capture": Traffic({"list": 1})}
