"""Job: the pending shards of one recipe on one pool, subject by subject; what fails is kept, what changes is seen."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace

from flows.books import Books, Pool
from flows.finishing import Finisher
from flows.plate_gate import rejected_plates
from flows.summary import Summary
from flows.watch import Watcher
from manifests.errors import Fault, NoRoom
from manifests.failures import write_failure
from manifests.manifest import Manifest
from manifests.plan import withdraw_newer, withdraw_stale
from manifests.recipe import Recipe
from manifests.records import Shard, ShardFailure, ShardSummary
from manifests.sharding import PlannedShard, in_lockstep

MAX_FAILURES_IN_A_ROW = 20


@dataclass(frozen=True, slots=True)
class Job:
    """The pending shards of one recipe, on one pool; a subject is matted while `turns` lets it."""

    books: Books
    recipe: Recipe
    pool: Pool
    summary: Summary
    watcher: Watcher
    finisher: Finisher
    turns: AbstractContextManager[object] = field(default_factory=nullcontext)
    decisions_every_s: float = 10.0

    def matte_subject(self, subject: str) -> None:
        """Matte the pending shards of one subject, and keep account of what fails.

        Where another run decides anew meanwhile, the rest is planned anew.
        """
        with self.turns:
            while self._matte_planned(subject):
                pass
        self.finisher.begin(self.books.refreshed(), subject)

    def _matte_planned(self, subject: str) -> bool:
        """Matte what is pending by the decisions of now; tell whether a newer one left some of it undone.

        Receipts that the new masks make untrue are withdrawn: before, those of earlier inputs; after, those of
        decisions that another run has made and carried out meanwhile.
        """
        books = self.books.refreshed()
        plan = books.plan(subject)
        if plan is None:
            return False
        due = [shard for shard in plan.pending if shard.recipe == self.recipe]
        withdraw_stale(books.out, plan, due)
        begun: list[PlannedShard] = []
        manifest = plan.manifest
        rejected = self._rejected(books, manifest) if due and self.recipe.uses_plate else {}
        groups = (
            [_to_shard(shard, manifest, rejected.get(shard.camera)) for shard in group]
            for group in self._until_overtaken(books, due, begun)
        )
        try:
            for outcome in self.pool.matte(groups):
                self._settle(outcome)
        finally:
            if withdraw_newer(books.out, plan, begun, books.newer()):
                self.watcher.warn(f"Subject {subject}: another run decided anew meanwhile; those frames are pending.")
        return len(begun) < len(due)

    def _rejected(self, books: Books, manifest: Manifest) -> dict[str, str]:
        """Return the cameras that are left out because of their plates, and why."""
        rejected, traffic = rejected_plates(books, manifest, self.watcher)
        self.summary.count_traffic(traffic)
        return rejected

    def _until_overtaken(
        self, books: Books, due: Sequence[PlannedShard], begun: list[PlannedShard]
    ) -> Iterator[list[PlannedShard]]:
        """Yield groups of shards, and note them, until another run has decided anew: then they may write old masks."""
        looked = time.monotonic()
        for group in in_lockstep(due):
            if time.monotonic() - looked >= self.decisions_every_s:
                if books.newer():
                    return
                looked = time.monotonic()
            begun.extend(group)
            yield group

    def _settle(self, outcome: ShardSummary | ShardFailure) -> None:
        self.watcher.settled(outcome)
        n_in_a_row = self.summary.add(outcome)
        if isinstance(outcome, ShardSummary):
            return
        if outcome.kind == "full":
            raise NoRoom(f"{outcome.shard_id}: {outcome.message}")
        write_failure(self.books.out, outcome, self.summary.run_id or "")
        if n_in_a_row >= MAX_FAILURES_IN_A_ROW:
            raise Fault(f"{n_in_a_row} shards in a row failed, the last one because: {outcome.message}")


def _to_shard(planned: PlannedShard, manifest: Manifest, rejected: str | None) -> Shard:
    rule, calibration = manifest.fingerprint_rule, manifest.calibration
    shard = planned.to_shard(manifest.frames, manifest.plates, rule, calibration)
    return shard if rejected is None else replace(shard, rejected=rejected)
