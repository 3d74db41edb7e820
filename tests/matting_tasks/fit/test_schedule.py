"""The schedule: a rise, a fall, and a number of steps that fits into a time."""

from __future__ import annotations

import pytest

from matting_tasks.fit.schedule import LOWEST, PACE_TO, rate_at, steps_within


@pytest.mark.parametrize("n_steps", [200, 1000])
def test_the_rate_rises_to_nearly_the_highest_and_falls_to_the_lowest(n_steps: int) -> None:
    rates = [rate_at(step, n_steps) for step in range(n_steps)]
    top = rates.index(max(rates))
    assert 0 < rates[0] < 0.05 and max(rates) > 0.85 and top < n_steps / 3
    assert rates[: top + 1] == sorted(rates[: top + 1]) and rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[-1] == pytest.approx(LOWEST, abs=0.01)


def test_a_stage_of_unknown_length_rises_and_stays() -> None:
    rates = [rate_at(step, None) for step in range(300)]
    assert rates == sorted(rates) and rates[0] < 0.05 and rates[60] == rates[-1] == 1


@pytest.mark.parametrize("n_steps", [1, 2, PACE_TO, 30])
def test_short_stages_learn_at_every_step(n_steps: int) -> None:
    rates = [rate_at(step, n_steps) for step in range(n_steps)]
    assert min(rates) > 0 and max(rates) > 0.3 and max(rates) <= 1


def test_knowing_the_length_late_does_not_jump() -> None:
    assert rate_at(PACE_TO, 2000) == pytest.approx(rate_at(PACE_TO, None), rel=0.01)


def test_a_time_holds_as_many_steps_as_fit() -> None:
    assert steps_within(60, 0.5) == 120
    assert steps_within(1, 0.5) == PACE_TO
    assert steps_within(60, 0) > 1000
