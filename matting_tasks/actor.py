"""The one remote class: a worker in a Ray actor."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

import ray

from manifests.errors import CleanplateError
from manifests.records import Frame, Shard, ShardFailure
from manifests.traffic import Traffic
from matting_tasks.worker import Outcome, Worker, WorkerSettings, is_device_failure

GRACE_S = 8.0
"""Between SIGTERM and the end of the process, whatever is in its hands."""


@ray.remote(max_restarts=0, max_task_retries=0, max_concurrency=2, concurrency_groups={"control": 1})
class MattingActor:
    """Holds a worker; two shards at a time, and a word from the driver always gets through."""

    def __init__(self, settings: WorkerSettings) -> None:
        """Keep the settings; nothing heavy, so that a fault of the set-up is an answer and not a death."""
        self._settings = settings
        self._worker: Worker | None = None
        self._end_as_ray_does: Any = signal.signal(signal.SIGTERM, self._on_sigterm)

    def prepare(self) -> CleanplateError | None:
        """Open the stores and build the model; return the error if that cannot be."""
        try:
            with _an_exit_ends_the_process():
                self._worker = Worker(self._settings)
        except CleanplateError as err:
            return err
        return None

    def matte(self, shards: Sequence[Shard]) -> list[Outcome]:
        """Matte shards; a GPU that failed under them ends this process, for nothing after can be trusted."""
        with _an_exit_ends_the_process():
            outcomes = self._ready().matte(shards)
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
        return self._worker.traffic()

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


@contextmanager
def _an_exit_ends_the_process() -> Iterator[None]:
    """End this process at once where a library asks for its end: Ray would wait for the shard of the other call."""
    try:
        yield
    except SystemExit:
        os._exit(1)
