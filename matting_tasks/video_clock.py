"""The clock of a video: when each frame is shown, and at which rate."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

DEFAULT_RATE = Fraction(25)
"""Frames per second of pictures, and of a video whose container has no times."""


@dataclass(frozen=True, slots=True)
class Clock:
    """When frames are shown: frame n at n / rate seconds, or from times[n] to times[n + 1], in units of time_base."""

    rate: Fraction
    time_base: Fraction
    times: tuple[int, ...] | None = None

    def time_of(self, place: int) -> int:
        """Return when a frame is shown, in units of time_base."""
        return place if self.times is None else self.times[place]

    def duration_from(self, time: int) -> int:
        """Return how long the frame that is shown from `time` on is shown, in units of time_base."""
        return 1 if self.times is None else self.times[bisect_right(self.times, time)] - time


def clock_of(times: Sequence[int], time_base: Fraction, rate: Fraction) -> Clock:
    """Return the clock of frames that a container shows at `times`; an even one where each is within a tick of it.

    rate: frames/s as the container says, 0 where it does not. Containers round times to their ticks: to milliseconds
    in Matroska. Frames at other times than n / rate (a variable frame rate) keep theirs, from 0 on.
    """
    if len(times) < 2:
        known = rate or DEFAULT_RATE
        return Clock(known, 1 / known)
    shifted = np.array(times, np.int64) - times[0]
    mean = ((len(times) - 1) / (int(shifted[-1]) * time_base)).limit_denominator(60_000)
    for even in (rate, mean):
        off = np.abs(shifted * float(time_base * even) - np.arange(len(times)))  # in frames
        if even and off.max() <= min(0.25, 0.999 * float(time_base * even)):
            return Clock(even, 1 / even)
    end, last = round(len(times) / (rate or mean) / time_base), int(shifted[-1])
    if end <= last:  # the container's rate is that of decoding, which ends before the last frame is shown
        end = last + max(1, int(np.median(np.diff(shifted))))
    return Clock(len(times) / (end * time_base), time_base, (*shifted.tolist(), end))
