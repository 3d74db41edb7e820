from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Mapping

import pytest

from manifests.traffic import Traffic
from matting_tasks.exporting import (
    IN_HAND,
    MATTED,
    RETRIES,
    RUN_METRICS,
    SECONDS,
    WORKER_METRICS,
    Exporter,
    Metric,
    Sample,
    worker_samples,
)
from matting_tasks.meters import Meters


class Told:
    """Stands for Ray's metrics: sums what is added, keeps what is set, and refuses what Ray refuses."""

    def __init__(self) -> None:
        self.numbers: Counter[tuple[str, ...]] = Counter()

    def make(self, metric: Metric) -> OneTold:
        return OneTold(self, metric)


class OneTold:
    def __init__(self, told: Told, metric: Metric) -> None:
        self.told, self.metric = told, metric

    def inc(self, value: float, tags: Mapping[str, str]) -> None:
        assert value > 0 and self.metric.grows and set(tags) == set(self.metric.labels)
        self.told.numbers[self.metric.name, *tags.values()] += value  # type: ignore[assignment]

    def set(self, value: float, tags: Mapping[str, str]) -> None:
        assert not self.metric.grows and set(tags) == set(self.metric.labels)
        self.told.numbers[self.metric.name, *tags.values()] = value  # type: ignore[assignment]


def test_what_is_added_up_is_what_was_counted() -> None:
    told, numbers = Told(), {"n": 0.0}
    exporter = Exporter(told.make, lambda: [Sample(MATTED, ("m",), numbers["n"]), Sample(IN_HAND, (), numbers["n"])])
    for number in (0.0, 3.0, 3.0, 10.0):
        numbers["n"] = number
        exporter.publish()
        assert (told.numbers[MATTED.name, "m"], told.numbers[IN_HAND.name,]) == (number, number)


def test_a_sum_that_is_short_for_a_moment_is_not_counted_twice() -> None:
    told, numbers = Told(), {"n": 5.0}
    exporter = Exporter(told.make, lambda: [Sample(SECONDS, ("m", "encode"), numbers["n"])])
    for number in (5.0, 4.0, 6.0):
        numbers["n"] = number
        exporter.publish()
    assert told.numbers[SECONDS.name, "m", "encode"] == 6.0


def test_the_thread_tells_by_itself_and_the_last_numbers_at_the_end() -> None:
    told, numbers = Told(), {"n": 1.0}
    exporter = Exporter(told.make, lambda: [Sample(MATTED, ("m",), numbers["n"])], every_s=0.01).start()
    deadline = time.monotonic() + 5
    while not told.numbers and time.monotonic() < deadline:
        time.sleep(0.01)
    assert told.numbers[MATTED.name, "m"] == 1.0
    slow = Exporter(told.make, lambda: [Sample(RETRIES, ("out",), 4)], every_s=60).start()
    slow_ends = time.monotonic()
    numbers["n"] = 7.0
    exporter.stop()
    slow.stop()
    assert told.numbers == {(MATTED.name, "m"): 7.0, (RETRIES.name, "out"): 4} and time.monotonic() - slow_ends < 5


def test_every_number_of_a_worker_is_told() -> None:
    meters, told = Meters(), Told()
    meters.committed({"ok": 5, "undecodable": 1})
    meters.failed("store")
    stores = {"capture": Traffic({"get": 6, "list": 1}, 2, 600, 0), "out": Traffic({"put": 11}, 0, 0, 70)}
    with meters.take(2):
        Exporter(told.make, lambda: worker_samples(meters, stores, "m")).publish()
    found = {(name.removeprefix("cleanplate_"), *labels): number for (name, *labels), number in told.numbers.items()}
    assert found == {
        ("frames", "m", "ok"): 5,
        ("frames", "m", "undecodable"): 1,
        ("shard_failures", "m", "store"): 1,
        ("store_requests", "capture", "get"): 6,
        ("store_requests", "capture", "list"): 1,
        ("store_requests", "out", "put"): 11,
        ("store_retries", "capture"): 2,
        ("store_read_bytes", "capture"): 600,
        ("store_written_bytes", "out"): 70,
        ("shards_in_hand",): 2,
        ("frames_read_ahead",): 0,
        ("frames_to_write",): 0,
    }


@pytest.mark.parametrize("metric", [*WORKER_METRICS, *RUN_METRICS], ids=lambda metric: metric.name)
def test_metrics_are_named_as_prometheus_wants_them(metric: Metric) -> None:
    assert re.fullmatch(r"cleanplate_[a-z_]+", metric.name) and not metric.name.endswith("_total")
    assert metric.text.endswith(".") and len(metric.labels) <= 2
