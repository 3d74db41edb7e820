"""The in-process executor: shards on this process's own worker, without Ray."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from manifests.errors import DeviceFault, WorkersDied
from manifests.records import Shard, ShardFailure
from manifests.traffic import Traffic
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

    def matte(self, groups: Iterable[Sequence[Shard]]) -> Iterator[Outcome]:
        """Yield the outcomes of groups of shards, in order; raises DeviceFault where a GPU failed for good."""
        for outcomes in map_ahead(self._matte_twice, groups, IN_FLIGHT, IN_FLIGHT, patience_s=0):
            for outcome in outcomes:
                if isinstance(outcome, ShardFailure) and outcome.kind == "device":
                    raise DeviceFault(f"{outcome.shard_id}: {outcome.message}")
                yield outcome

    def close(self) -> None:
        """Let go of the shards in hand."""
        self._worker.stop()

    def traffic(self) -> dict[str, Traffic]:
        """Return what the worker asked of the stores, by their URL."""
        return self._worker.traffic()

    def _matte_twice(self, shards: Sequence[Shard]) -> list[Outcome]:
        """Matte shards, and those again for which it is worth it."""
        try:
            return self._matte_until_done(shards)
        except SystemExit as end:  # it would end the whole command, and perhaps with exit code 0
            raise WorkersDied(
                f"The model ended the process by sys.exit({end.code!r}) at {shards[0].shard_id}. What was committed "
                "stays: look at the model, or run with --executor ray, which goes on without that frame."
            ) from end

    def _matte_until_done(self, shards: Sequence[Shard]) -> list[Outcome]:
        outcomes = self._worker.matte(shards)
        for place, shard in enumerate(shards):
            n_tries = 1
            while worth_another_try(outcomes[place], n_tries):
                outcomes[place] = self._worker.matte([shard])[0]
                n_tries += 1
        return outcomes
