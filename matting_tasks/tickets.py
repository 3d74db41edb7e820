"""Tickets: shards on their way through a pool, and the places where they are worked on."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from typing import Any

from manifests.records import Shard, ShardFailure
from matting_tasks.isolation import Trial
from matting_tasks.worker import Outcome


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

    def fail(self, message: str) -> None:
        """Answer that all of them failed."""
        for shard in self.shards:
            self.answers.put(ShardFailure.of(shard, "fault", message))


@dataclass(slots=True)
class Post:
    """A post that an actor fills, and what is in its hands."""

    actor: Any = None
    ready: bool = False
    camera: tuple[str, str] | None = None
    tickets: list[Ticket] = field(default_factory=list)

    @property
    def exclusive(self) -> bool:
        """Tell whether a killing frame is looked for: nothing else may be in these hands then."""
        return any(ticket.isolation is not None for ticket in self.tickets)
