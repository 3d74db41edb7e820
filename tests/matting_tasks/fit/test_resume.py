"""A fit that is killed and run again leaves what an undisturbed one leaves, to the last bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from fit_kills import Kills, fit_with_kills, traces

from matting_tasks.fit.plan import FitPlan

SMALL = FitPlan(
    "mattingbase-mobilenetv2",
    start="scratch",
    steps=6,
    size_px=(64, 64),
    n_examples=2,
    n_held_out=1,
    validate_every=4,
    n_processes=0,
    save_s=0.0,
)
TWO_STAGES = replace(SMALL, model="mattingrefine-mobilenetv2", steps=24, size_px=(64, 96), n_processes=1, save_s=1.0)
CLIPS = replace(SMALL, model="rvm-mobilenetv3", steps=16, size_px=(64, 64), save_s=1.0)


def compare(plan: FitPlan, folder: Path, n_kills: int, seed: int) -> Kills:
    fit_with_kills(plan, folder / "undisturbed", 0, seed)
    kills = fit_with_kills(plan, folder / "killed", n_kills, seed)
    expected, found = traces(folder / "undisturbed"), traces(folder / "killed")
    assert len(expected["curve"]) > plan.steps  # type: ignore[arg-type, operator]
    assert found["curve"] == expected["curve"]
    assert found["scores"] == expected["scores"]
    assert found["weights"] == expected["weights"]
    return kills


def test_a_fit_that_was_killed_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    kills = compare(SMALL, tmp_path, n_kills=2, seed=1)
    assert len(kills.done) == 2 and 0 < max(kills.saved) <= 6, kills


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("plan", [TWO_STAGES, CLIPS], ids=["two stages", "clips"])
def test_fits_of_several_stages_that_were_killed_often_end_as_if_they_had_not_been(
    plan: FitPlan, tmp_path: Path
) -> None:
    kills = compare(plan, tmp_path, n_kills=8, seed=2)
    assert len(kills.done) == 8, kills
    # some kills lost steps that were done and told, but not saved
    assert any(done > saved for done, saved in zip(kills.done, kills.saved, strict=True)), kills
