"""The one remote class: a worker in a Ray actor, its numbers told as Ray's metrics, its log as JSON lines."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

import ray
from ray.util.metrics import Counter, Gauge

from manifests.errors import CleanplateError
from manifests.log_lines import OUR_LOGGERS, JsonLines, about, fields_of
from manifests.records import Frame, Shard, ShardFailure, ShardSummary
from manifests.traffic import Traffic
from matting_tasks.exporting import DEATHS, Exporter, Metric, Sample, worker_samples
from matting_tasks.worker import Outcome, Worker, WorkerSettings, is_device_failure

log = logging.getLogger(__name__)

GRACE_S = 8.0
"""Between SIGTERM and the end of the process, whatever is in its hands."""


@ray.remote(max_restarts=0, max_task_retries=0, max_concurrency=2, concurrency_groups={"control": 1})
class MattingActor:
    """Holds a worker; two shards at a time, and a word from the driver always gets through."""

    def __init__(self, settings: WorkerSettings) -> None:
        """Keep the settings; nothing heavy, so that a fault of the set-up is an answer and not a death."""
        self._settings = settings
        self._worker: Worker | None = None
        self._exporter: Exporter | None = None
        self._end_as_ray_does: Any = signal.signal(signal.SIGTERM, self._on_sigterm)

    def prepare(self) -> CleanplateError | None:
        """Open the stores and build the model; return the error if that cannot be."""
        _log_json_lines()
        try:
            with _an_exit_ends_the_process():
                self._worker = Worker(self._settings)
        except CleanplateError as err:
            return err
        self._exporter = ray_exporter(self._samples).start()
        log.info("ready: %s", self._settings.recipe.model, extra={"worker": self._worker.name})
        return None

    def matte(self, shards: Sequence[Shard]) -> list[Outcome]:
        """Matte shards; a GPU that failed under them ends this process, for nothing after can be trusted."""
        worker = self._ready()
        with _an_exit_ends_the_process(), _about_shards(shards, worker.name):
            log.info("begun")
            outcomes = worker.matte(shards)
        for outcome in outcomes:
            _account(outcome, worker)
        if self._exporter is not None:
            self._exporter.publish()
        if any(isinstance(outcome, ShardFailure) and outcome.kind == "device" for outcome in outcomes):
            os._exit(1)
        return outcomes

    def rehearse(self, shard: Shard, frame: Frame, decode_only: bool) -> None:
        """Try one frame and write nothing; a GPU that fails under it ends this process, as it does in `matte`."""
        try:
            with _an_exit_ends_the_process():
                self._ready().rehearse(shard, frame, decode_only)
        except RuntimeError as err:
            if is_device_failure(err):
                os._exit(1)
            raise

    @ray.method(concurrency_group="control")  # type: ignore[untyped-decorator]
    def stop(self) -> dict[str, Traffic]:
        """Drop the shards in hand, and return what was asked of the stores, by their URL."""
        if self._worker is None:
            return {}
        self._worker.stop()
        if self._exporter is not None:
            self._exporter.stop()  # Ray tells the rest when the process ends, also by ray.kill
        return self._worker.traffic()

    def _samples(self) -> Iterable[Sample]:
        worker = self._ready()
        return worker_samples(worker.meters, worker.traffic_by_store(), self._settings.recipe.model)

    def _ready(self) -> Worker:
        if self._worker is None:
            raise RuntimeError("prepare() comes first")
        return self._worker

    def _on_sigterm(self, number: int, frame: FrameType | None) -> None:
        """Drop the shards in hand and end as Ray ends a worker; it waits for calls under way, and we not for long."""
        if self._worker is not None:
            self._worker.stop(timeout_s=0)
        last = threading.Timer(GRACE_S, os._exit, (128 + number,))
        last.daemon = True
        last.start()
        self._end_as_ray_does(number, frame)


def ray_exporter(read: Callable[[], Iterable[Sample]]) -> Exporter:
    """Return what tells numbers to Ray; before Ray has been joined in this process, and after, nothing is told."""
    return Exporter(_ray_metric, lambda: read() if ray.is_initialized() else ())


def note_death(kind: str) -> None:
    """Count a worker that died, in the driver's process: `shard` if that counts against what it had, else `cluster`."""
    _ray_metric(DEATHS).inc(1, {"kind": kind})


def _ray_metric(metric: Metric) -> Counter | Gauge:
    made: Counter | Gauge = (Counter if metric.grows else Gauge)(metric.name, metric.text, metric.labels)
    return made


def _log_json_lines() -> None:
    """Have the log of this process go to its standard error, which Ray keeps in worker-*.err, as JSON lines."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    for name in OUR_LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO)


@contextmanager
def _about_shards(shards: Sequence[Shard], worker: str) -> Iterator[None]:
    """Have the log say which shards it is about; of several in lockstep all cameras and shards, by commas."""
    first, cameras = shards[0], dict.fromkeys(shard.camera for shard in shards)
    names = {"camera": ",".join(cameras), "shard": ",".join(shard.shard_id for shard in shards)}
    with about(subject=first.subject, sequence=first.sequence, worker=worker, **names):
        yield


def _account(outcome: Outcome, worker: Worker) -> None:
    """Count and log what became of a shard."""
    extra = fields_of(outcome)
    if isinstance(outcome, ShardSummary):
        worker.meters.committed(outcome.by_status)
        log.info("committed %s in %.2f s", dict(outcome.by_status), outcome.seconds, extra=extra)
    else:
        worker.meters.failed(outcome.kind)
        log.error("%s: %s", outcome.kind, outcome.message, extra=extra)


@contextmanager
def _an_exit_ends_the_process() -> Iterator[None]:
    """End this process at once where a library asks for its end: Ray would wait for the shard of the other call."""
    try:
        yield
    except SystemExit:
        os._exit(1)
