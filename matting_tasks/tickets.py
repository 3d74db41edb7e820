"""Tickets: shards on their way through a pool, the places where they are worked on, and deaths there."""

from __future__ import annotations

import logging
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from typing import Any

from manifests.log_lines import fields_of
from manifests.records import Shard, ShardFailure
from matting_tasks.isolation import Trial, isolate
from matting_tasks.worker import Outcome

log = logging.getLogger(__name__)

MAX_DEATHS = 2
"""Deaths after which a shard is tried alone."""
MAX_UNCOUNTED = 10
"""Deaths by node, preemption or memory after which a shard is given up, lest it go round for ever."""


@dataclass(frozen=True, slots=True)
class Death:
    """Why a worker died, and whether that counts against the shards that it had in hand."""

    reason: str
    counts: bool


@dataclass(slots=True)
class Ticket:
    """Shards on their way through the pool, in lockstep; one that failed or lost its worker goes on alone."""

    shards: Sequence[Shard]
    answers: SimpleQueue[Outcome]
    tries: int = 0
    deaths: int = 0
    uncounted_deaths: int = 0
    trial: Trial | None = None
    isolation: Generator[Trial, bool, bool] | None = None

    @property
    def camera(self) -> tuple[str, str]:
        """Return the (subject, camera) whose plate a worker should hold already."""
        return self.shards[0].subject, self.shards[0].camera

    @property
    def names(self) -> str:
        """Name the shards, for messages."""
        return ", ".join(shard.shard_id for shard in self.shards)

    def alone(self) -> list[Ticket]:
        """Return a ticket for each shard, with the account that they had together."""
        return [replace(self, shards=[shard]) for shard in self.shards]

    def count_death(self, death: Death) -> bool:
        """Put a death on the account; when that is full, look for the frame. Tell whether there is more to try."""
        if self.isolation is not None and death.counts:
            return self.settle_trial(True)
        self.deaths += death.counts
        self.uncounted_deaths += not death.counts
        if self.uncounted_deaths >= MAX_UNCOUNTED:
            self.fail(f"{MAX_UNCOUNTED} workers were lost with it in hand, the last one because: {death.reason}")
            return False
        if self.deaths >= MAX_DEATHS and self.isolation is None:
            said, extra = (self.names, self.deaths), fields_of(self.shards[0])
            log.warning("shard %s: %d workers died with it; looking for the frame", *said, extra=extra)
            self.isolation = isolate(self.shards[0])
            self.trial = next(self.isolation)
        return True

    def settle_trial(self, died: bool, answer: Any = None) -> bool:
        """Tell the isolation whether its trial killed, else what was answered; tell whether there is more to try."""
        if self.isolation is None:
            return False
        try:
            self.trial = self.isolation.send(died)
        except StopIteration as end:
            self.isolation = self.trial = None
            if not end.value:
                self.fail("it ends every worker, and no single frame of it does so alone")
            elif isinstance(answer, list):
                self.answers.put(answer[0])
            else:
                self.fail(f"{answer}")
            return False
        return True

    def fail(self, message: str) -> None:
        """Answer that all of them failed."""
        for shard in self.shards:
            self.answers.put(ShardFailure.of(shard, "fault", message))


@dataclass(slots=True)
class Post:
    """A post that an actor fills, and what is in its hands; `in_doubt` is one that cannot be reached for now.

    `node_id` is the node that it is on; where that is None, Ray finds a place.
    """

    actor: Any = None
    node_id: str | None = None
    ready: bool = False
    in_doubt: bool = False
    camera: tuple[str, str] | None = None
    tickets: list[Ticket] = field(default_factory=list)

    @property
    def is_free(self) -> bool:
        """Tell whether more may be put into these hands: not while a killing frame is looked for."""
        return self.ready and not self.in_doubt and all(ticket.isolation is None for ticket in self.tickets)
