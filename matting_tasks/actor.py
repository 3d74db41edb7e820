"""The one remote class: a worker in a Ray actor."""

from __future__ import annotations

import os
from collections.abc import Sequence

import ray

from manifests.errors import CleanplateError
from manifests.records import Frame, Shard, ShardFailure
from matting_tasks.worker import Outcome, Worker, WorkerSettings, is_device_failure


@ray.remote(max_restarts=0, max_task_retries=0, max_concurrency=2, concurrency_groups={"control": 1})
class MattingActor:
    """Holds a worker; two shards at a time, and a word from the driver always gets through."""

    def __init__(self, settings: WorkerSettings) -> None:
        """Keep the settings; nothing heavy, so that a fault of the set-up is an answer and not a death."""
        self._settings = settings
        self._worker: Worker | None = None

    def prepare(self) -> CleanplateError | None:
        """Open the stores and build the model; return the error if that cannot be."""
        try:
            self._worker = Worker(self._settings)
        except CleanplateError as err:
            return err
        return None

    def matte(self, shards: Sequence[Shard]) -> list[Outcome]:
        """Matte shards; a GPU that failed under them ends this process, for nothing after can be trusted."""
        outcomes = self._ready().matte(shards)
        if any(isinstance(outcome, ShardFailure) and outcome.kind == "device" for outcome in outcomes):
            os._exit(1)
        return outcomes

    def rehearse(self, shard: Shard, frame: Frame, decode_only: bool) -> None:
        """Try one frame and write nothing; a GPU that fails under it ends this process, as it does in `matte`."""
        try:
            self._ready().rehearse(shard, frame, decode_only)
        except RuntimeError as err:
            if is_device_failure(err):
                os._exit(1)
            raise

    @ray.method(concurrency_group="control")  # type: ignore[untyped-decorator]
    def stop(self) -> bool:
        """Drop the shards in hand."""
        return self._worker is None or self._worker.stop()

    def _ready(self) -> Worker:
        if self._worker is None:
            raise RuntimeError("prepare() comes first")
        return self._worker
