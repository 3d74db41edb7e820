"""The in-process executor: shards on this process's own worker, without Ray."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from manifests.errors import DeviceFault
from manifests.records import Shard, ShardFailure
from matting_tasks.threads import map_ahead
from matting_tasks.worker import Outcome, Worker, WorkerSettings, worth_another_try

IN_FLIGHT = 2
"""One shard computes while the next decodes."""


class InProcessPool:
    """One worker in this process, with the same behaviour as the pool on Ray; a frame that kills kills the run."""

    def __init__(self, settings: WorkerSettings) -> None:
        """Set the worker up; raises what Worker raises."""
        self._worker = Worker(settings)
        self.n_workers = 1

    def matte(self, shards: Iterable[Shard]) -> Iterator[Outcome]:
        """Yield the outcomes of the shards, in order; raises DeviceFault where a GPU failed for good."""
        for outcome in map_ahead(self._matte_twice, shards, IN_FLIGHT, IN_FLIGHT, patience_s=0):
            if isinstance(outcome, ShardFailure) and outcome.kind == "device":
                raise DeviceFault(f"{outcome.shard_id}: {outcome.message}")
            yield outcome

    def close(self) -> None:
        """Let go of the shards in hand."""
        self._worker.stop()

    def _matte_twice(self, shard: Shard) -> Outcome:
        """Matte a shard, and again if that is worth it."""
        n_tries = 1
        while worth_another_try(outcome := self._worker.matte(shard), n_tries):
            n_tries += 1
        return outcome
