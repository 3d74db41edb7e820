from __future__ import annotations

from fractions import Fraction

import pytest

from matting_tasks.video_clock import Clock, clock_of


@pytest.mark.parametrize(
    ("times", "time_base", "rate", "wanted"),
    [
        ([5, 6, 7], Fraction(1, 25), Fraction(25), 25),
        ([0, 42, 83, 125, 167], Fraction(1, 1000), Fraction(24000, 1001), Fraction(24000, 1001)),
        ([0, 40, 80, 120], Fraction(1, 1000), Fraction(0), 25),
        ([0, 512, 1024, 1536], Fraction(1, 12800), Fraction(24), 25),
        ([7], Fraction(1, 1000), Fraction(0), 25),
        ([], Fraction(1, 1000), Fraction(50), 50),
    ],
)
def test_times_that_a_container_rounded_are_an_even_rate(
    times: list[int], time_base: Fraction, rate: Fraction, wanted: Fraction
) -> None:
    assert clock_of(times, time_base, rate) == Clock(Fraction(wanted), 1 / Fraction(wanted))


def test_a_frame_left_out_is_a_variable_rate() -> None:
    clock = clock_of([0, 1, 2, 4, 5], Fraction(1, 25), Fraction(5, 6) * 25)
    assert clock.times == (0, 1, 2, 4, 5, 6)
    assert [(clock.time_of(n), clock.duration_from(clock.time_of(n))) for n in (2, 3, 4)] == [(2, 2), (4, 1), (5, 1)]
    # a rate that would end the video before its last frame is shown says nothing of the end
    assert clock_of([0, 1, 2, 9], Fraction(1, 25), Fraction(100)).times == (0, 1, 2, 9, 10)
