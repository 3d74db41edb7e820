"""The schedule: how many steps a stage has, and how fast it learns at each."""

from __future__ import annotations

import math

WARM_UP = 50  # steps in which the rate rises, and never more than a quarter of the stage
LOWEST = 0.02  # of the highest rate, at the end
PACE_FROM, PACE_TO = 4, 12  # steps that tell the pace; the first ones are slow


def rate_at(step: int, n_steps: int | None) -> float:
    """Return the share of the highest learning rate at a step: a rise, then half a cosine down to the lowest.

    n_steps: of the stage, None while it is not known, which counts as endless.
    """
    rise = min(1.0, (step + 1) / (WARM_UP if n_steps is None else min(WARM_UP, max(n_steps // 4, 1))))
    if n_steps is None or n_steps <= PACE_TO:
        return rise
    fall = 0.5 * (1 + math.cos(math.pi * min(step, n_steps) / n_steps))
    return rise * (LOWEST + (1 - LOWEST) * fall)


def steps_within(seconds: float, seconds_a_step: float) -> int:
    """Return how many steps fit into a time, those that told the pace among them and at least these."""
    return max(PACE_TO, int(seconds / max(seconds_a_step, 1e-6)))
