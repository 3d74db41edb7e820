"""Clock: virtual time, what happens when, and what happened in all."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

import numpy as np

N_DRAWN = 4096


class Clock:
    """Calls what is due in the order of time; of two things at one time the one that was said first."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Callable[..., None], tuple[object, ...]]] = []
        self._numbers = count()

    def at(self, when: float, call: Callable[..., None], *values: object) -> None:
        """Have something called with values at a time that is not past."""
        heapq.heappush(self._due, (when, next(self._numbers), call, values))

    def run(self, is_over: Callable[[], bool]) -> None:
        """Let time pass until all is over; raises RuntimeError where nothing is due before."""
        while not is_over():
            if not self._due:
                raise RuntimeError(f"nothing is due after {self.now:.0f} s, and the run is not over")
            self.now, _, call, values = heapq.heappop(self._due)
            call(*values)


class Jitter:
    """Factors with mean 1 whose logarithm has a standard deviation `sigma`."""

    def __init__(self, rng: np.random.Generator, sigma: float) -> None:
        self._rng, self._sigma = rng, sigma
        self._drawn: deque[float] = deque()

    def draw(self) -> float:
        """Return the next factor."""
        if not self._sigma:
            return 1.0
        if not self._drawn:
            self._drawn.extend(self._rng.lognormal(-(self._sigma**2) / 2, self._sigma, N_DRAWN).tolist())
        return self._drawn.popleft()


@dataclass(slots=True)
class Tally:
    """What happened, in seconds of virtual time and in counts.

    `first_s`: the first shard goes out; `answered_s`, `matted_s`: the first and the last one are answered; `judged_s`:
    all subjects have their QC; `finished_s`: receipts are joined. `useful_s` of devices came to a receipt, `lost_s` did
    not; `driver_s` are those of the pool's thread.
    """

    first_s: float = 0.0
    answered_s: float = 0.0
    matted_s: float = 0.0
    judged_s: float = 0.0
    finished_s: float = 0.0
    useful_s: float = 0.0
    lost_s: float = 0.0
    driver_s: float = 0.0
    n_frames: int = 0
    n_shards: int = 0
    n_lost: int = 0
    n_given_up: int = 0
    n_losses: int = 0
    n_plates: int = 0
    done: dict[int, int] = field(default_factory=dict)
