"""The in-process executor: shards on this process's own worker, without Ray."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from manifests.records import Shard
from matting_tasks.threads import map_ahead
from matting_tasks.worker import Outcome, Worker, WorkerSettings

IN_FLIGHT = 2
"""One shard computes while the next decodes."""


class InProcessPool:
    """One worker in this process, with the same behaviour as the pool on Ray; a frame that kills kills the run."""

    def __init__(self, settings: WorkerSettings) -> None:
        """Set the worker up; raises what Worker raises."""
        self._worker = Worker(settings)
        self.n_workers = 1

    def matte(self, shards: Iterable[Shard]) -> Iterator[Outcome]:
        """Yield the outcomes of the shards, in order."""
        yield from map_ahead(self._worker.matte, shards, IN_FLIGHT, IN_FLIGHT)

    def close(self) -> None:
        """Let go of the shards in hand."""
        self._worker.stop()
