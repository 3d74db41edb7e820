"""Exporting: the numbers of a worker and of a run as metrics, told to Ray from a thread of their own.

Ray adds `ray_` before each name, `_total` behind each counter, and the labels NodeAddress and WorkerId.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from manifests.traffic import Traffic
from matting_tasks.meters import Meters

EVERY_S = 2.0


@dataclass(frozen=True, slots=True)
class Metric:
    """What a metric is called, what it tells, its labels, and whether it only ever grows."""

    name: str
    text: str
    labels: tuple[str, ...] = ()
    grows: bool = True


FRAMES = Metric("cleanplate_frames", "Frames of committed shards, by model and status of the row.", ("model", "status"))
MATTED = Metric("cleanplate_frames_matted", "Frames that came off the device, committed or not.", ("model",))
FAILURES = Metric("cleanplate_shard_failures", "Shards that were not committed, by kind of failure.", ("model", "kind"))
SECONDS = Metric(
    "cleanplate_shard_seconds",
    "Seconds of shards in hand, by phase: waiting for decode, waiting for the device, device, encode (wait), commit.",
    ("model", "phase"),
)
REQUESTS = Metric("cleanplate_store_requests", "Requests to a store, by operation.", ("store", "operation"))
RETRIES = Metric("cleanplate_store_retries", "Requests to a store that were made again.", ("store",))
BYTES_IN = Metric("cleanplate_store_read_bytes", "Bytes read from a store.", ("store",))
BYTES_OUT = Metric("cleanplate_store_written_bytes", "Bytes written to a store.", ("store",))
IN_HAND = Metric("cleanplate_shards_in_hand", "Shards that the worker has begun and not ended.", grows=False)
AHEAD = Metric("cleanplate_frames_read_ahead", "Frames decoded that wait for the device.", grows=False)
BEHIND = Metric("cleanplate_frames_to_write", "Frames matted that wait to be encoded and written.", grows=False)
GPU_HELD = Metric("cleanplate_gpu_memory_bytes", "GPU memory that the worker's process holds.", grows=False)
GPU_PEAK = Metric("cleanplate_gpu_memory_peak_bytes", "The most GPU memory that its tensors took.", grows=False)
WORKER_METRICS = (
    *(FRAMES, MATTED, FAILURES, SECONDS, REQUESTS, RETRIES, BYTES_IN, BYTES_OUT),
    *(IN_HAND, AHEAD, BEHIND, GPU_HELD, GPU_PEAK),
)

DEATHS = Metric("cleanplate_worker_deaths", "Workers that died: of a shard, or with the cluster's doing.", ("kind",))
RUN_FRAMES = Metric("cleanplate_run_frames", "Frames that the driver was told are committed, by status.", ("status",))
RUN_DUE = Metric("cleanplate_run_frames_due", "Frames that the run began with and that are not settled.", grows=False)
RUN_DONE = Metric("cleanplate_run_frames_settled", "Frames of the run that are committed or failed.", grows=False)
RUN_SHARDS = Metric("cleanplate_run_shards_due", "Shards of the run that are not settled.", grows=False)
RUN_RATE = Metric("cleanplate_run_frames_per_second", "Frames settled a second since the run began.", grows=False)
RUN_LEFT = Metric("cleanplate_run_seconds_left", "Seconds that are left at that rate.", grows=False)
RUN_METRICS = (DEATHS, RUN_FRAMES, RUN_DUE, RUN_DONE, RUN_SHARDS, RUN_RATE, RUN_LEFT)


class Sample(NamedTuple):
    """One number: of which metric, with which values of its labels; of a counter the sum since the start."""

    metric: Metric
    values: tuple[str, ...]
    number: float


def worker_samples(meters: Meters, stores: Mapping[str, Traffic], model: str) -> Iterator[Sample]:
    """Yield all numbers of a worker."""
    yield from (Sample(FRAMES, (model, status), n) for status, n in meters.frames().items())
    yield from (Sample(FAILURES, (model, kind), n) for kind, n in meters.failures().items())
    yield from (Sample(SECONDS, (model, phase), seconds) for phase, seconds in meters.phases().items())
    yield Sample(MATTED, (model,), meters.n_matted)
    for store, traffic in stores.items():
        yield from (Sample(REQUESTS, (store, kind), n) for kind, n in traffic.requests.items())
        yield Sample(RETRIES, (store,), traffic.n_retries)
        yield Sample(BYTES_IN, (store,), traffic.bytes_in)
        yield Sample(BYTES_OUT, (store,), traffic.bytes_out)
    yield from (Sample(metric, (), n) for metric, n in zip((IN_HAND, AHEAD, BEHIND), meters.depths(), strict=True))
    if torch.cuda.is_available() and torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        yield Sample(GPU_HELD, (), torch.cuda.memory_reserved())
        yield Sample(GPU_PEAK, (), torch.cuda.max_memory_allocated())


class Exporter:
    """Tells what was counted since it last did, every two seconds and when asked; the counting waits for nothing."""

    def __init__(
        self, make: Callable[[Metric], Any], read: Callable[[], Iterable[Sample]], every_s: float = EVERY_S
    ) -> None:
        """Read the numbers by `read`; `make` returns what has `inc` or `set`, as ray.util.metrics has."""
        self._make, self._read, self._every_s = make, read, every_s
        self._made: dict[str, Any] = {}
        self._told: dict[tuple[str, tuple[str, ...]], float] = {}
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="exporter", daemon=True)

    def start(self) -> Exporter:
        """Begin to tell."""
        self._thread.start()
        return self

    def publish(self) -> None:
        """Tell now."""
        with self._lock:
            for sample in self._read():
                self._tell(sample)

    def stop(self) -> None:
        """Tell the last numbers and end the thread."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(self._every_s)
        self.publish()

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            self.publish()

    def _tell(self, sample: Sample) -> None:
        """Tell one number; a sum that is read while it is in the making may be short for a moment, and waits."""
        metric, key = sample.metric, (sample.metric.name, sample.values)
        if metric.name not in self._made:
            self._made[metric.name] = self._make(metric)
        told = self._made[metric.name]
        tags = dict(zip(metric.labels, sample.values, strict=True))
        if not metric.grows:
            told.set(sample.number, tags)
        elif sample.number > self._told.get(key, 0.0):
            told.inc(sample.number - self._told.get(key, 0.0), tags)
            self._told[key] = sample.number
