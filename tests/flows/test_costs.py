from __future__ import annotations

from types import SimpleNamespace

import pytest

from flows.costs import Hold, cost_record, cost_words, worker_seconds
from flows.resolve import Machine, Workforce
from manifests.traffic import Traffic


@pytest.mark.parametrize(
    ("machine", "workforce", "gpu_s", "core_s"),
    [
        (Machine("auto", "cuda:H200", 8, 64), Workforce(8, 1, 1.0, 4), 80.0, 80.0),
        (Machine("auto", "cuda:H200", 1, 64), Workforce(2, 1, 0.5, 4), 40.0, 80.0),
        (Machine("cuda:1", "cuda:H200", 8, 64), Workforce(1, 1, 0.0, 4), 80.0, 80.0),
        (Machine("cpu", "cpu", 8, 64), Workforce(3, 2, 0.0, 4), 0.0, 160.0),
    ],
)
def test_workers_hold_their_share_of_gpus_and_cores(
    machine: Machine, workforce: Workforce, gpu_s: float, core_s: float
) -> None:
    hold = Hold.of(machine, workforce, 80.0, 10.0)
    assert (hold.gpu_s, hold.core_s, hold.n_workers) == (gpu_s, core_s, 8.0)


def test_the_cost_is_by_gpu_hour_where_there_are_gpus_and_by_core_hour_elsewhere() -> None:
    traffic = {"/a": Traffic({"get": 3}, 1, 20, 0), "/b": Traffic({"get": 1, "put": 4}, 0, 0, 50)}
    on_gpus = cost_record(Hold(180.0, 1, 1.0, 90.0), 50, 61.0, traffic)
    assert on_gpus["frames_per_gpu_hour"] == 1000.0 and on_gpus["gpu_s"] == 180.0
    assert on_gpus["requests"] == {"list": 0, "get": 4, "put": 4, "head": 0, "delete": 0}
    assert (on_gpus["retries"], on_gpus["bytes_read"], on_gpus["bytes_written"]) == (1, 20, 50)
    on_cores = cost_record(Hold(180.0, 2, 0.0, 90.0), 50, 61.0, traffic)
    assert on_cores["frames_per_core_hour"] == 500.0 and "frames_per_gpu_hour" not in on_cores
    assert (
        "360 core-seconds (2.0 workers on average for 90.0 s)" in cost_words(Hold(180.0, 2, 0.0, 90.0), 50, 61.0, {})[0]
    )


def test_a_run_that_held_nothing_has_no_rate() -> None:
    hold = Hold(0.0, 1, 0.0, 0.0)
    assert cost_record(hold, 0, 0.0, {})["frames_per_core_hour"] is None
    first, second = cost_words(hold, 0, 0.0, {})
    assert "0 core-seconds" in first and "0 requests (none)" in second


def test_a_pool_that_knows_for_how_long_its_workers_were_there_is_believed() -> None:
    fixed, elastic = SimpleNamespace(n_workers=3), SimpleNamespace(n_workers=3, held_s=7.5)
    assert worker_seconds(fixed, 10.0) == 30.0
    assert worker_seconds(elastic, 10.0) == 7.5
