"""Queueing: servers of a store that take requests at a rate, and the shards that wait for a worker."""

from __future__ import annotations

import math
from collections import Counter, deque
from dataclasses import dataclass, field

BIN_S = 60.0
"""Requests are counted by the minute; the highest minute is the peak."""


@dataclass(slots=True)
class Server:
    """Takes requests or bytes one after the other at `rate` a second; `free_at` is when all that was asked is done."""

    rate: float
    free_at: float = 0.0

    def serve(self, now: float, amount: float) -> float:
        """Ask for an amount from `now` on and return when it is done."""
        if math.isinf(self.rate):
            return now
        self.free_at = max(self.free_at, now) + amount / self.rate
        return self.free_at


@dataclass(slots=True)
class Shelf:
    """Servers by partition of the keys, and what was asked of them all by the minute."""

    rate: float
    partitions: int
    servers: dict[int, Server] = field(default_factory=dict)
    by_minute: Counter[int] = field(default_factory=Counter)
    total: int = 0

    def serve(self, now: float, subject: int, amount: int) -> float:
        """Ask for some requests on the keys of a subject and return when they are answered."""
        self.total += amount
        self.by_minute[int(now / BIN_S)] += amount
        key = subject if not self.partitions else subject % self.partitions
        server = self.servers.get(key)
        if server is None:
            server = self.servers[key] = Server(self.rate)
        return server.serve(now, amount)

    def peak_per_s(self) -> float:
        """Return the requests a second of the busiest minute."""
        return max(self.by_minute.values(), default=0) / BIN_S


@dataclass(eq=False, slots=True)
class Ticket:
    """A shard on its way: where it belongs, its frames, and how often it was lost."""

    subject: int
    camera: int
    n_frames: int
    n_lost: int = 0


class Waiting:
    """Shards that wait, oldest first; a worker's own camera is looked for among the first `window` of them."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._line: deque[tuple[int, Ticket]] = deque()
        self._by_camera: dict[tuple[int, int], deque[int]] = {}
        self._tickets: dict[int, Ticket] = {}
        self._last, self._first = 0, 0

    def __len__(self) -> int:
        return len(self._tickets)

    def append(self, ticket: Ticket) -> None:
        """Put a shard at the end."""
        self._last += 1
        self._tickets[self._last] = ticket
        self._line.append((self._last, ticket))
        self._by_camera.setdefault((ticket.subject, ticket.camera), deque()).append(self._last)

    def put_back(self, ticket: Ticket) -> None:
        """Put a shard first: one that was lost."""
        self._first -= 1
        self._tickets[self._first] = ticket
        self._line.appendleft((self._first, ticket))
        self._by_camera.setdefault((ticket.subject, ticket.camera), deque()).appendleft(self._first)

    def take(self, camera: tuple[int, int] | None) -> Ticket | None:
        """Take the first shard of a camera within the window, else the first of all; None where none waits."""
        while self._line and self._line[0][0] not in self._tickets:
            self._line.popleft()
        if not self._line:
            return None
        first = self._line[0][0]
        own = self._by_camera.get(camera) if camera is not None else None
        place = own[0] if own and own[0] - first < self._window else first
        chosen = self._tickets.pop(place)
        of_camera = self._by_camera[chosen.subject, chosen.camera]
        of_camera.popleft()
        if not of_camera:
            del self._by_camera[chosen.subject, chosen.camera]
        return chosen
