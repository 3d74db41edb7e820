"""The plan of a fit: what a training that is gone on with must share."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from matting_tasks.fit import stages
from matting_tasks.fit.plan import SETTLED, FitPlan, stages_asked

PLAN = FitPlan("mattingrefine-mobilenetv2", plates=("a.png",), steps=100, size_px=(64, 96))


def test_how_many_processes_help_and_when_it_is_judged_do_not_matter() -> None:
    assert replace(PLAN, n_processes=7, validate_every=3, save_s=1.0).asked() == PLAN.asked()


@pytest.mark.parametrize(
    "other",
    [{"model": "rvm-mobilenetv3"}, {"plates": ("b.png",)}, {"steps": 101}, {"minutes": 1.0}, {"seed": 1}]
    + [{"size_px": (64, 128)}, {"start": "scratch"}, {"precision": "bf16"}, {"parameters": {"refine_mode": "full"}}],
)
def test_all_that_decides_what_is_learned_is_in_it(other: dict[str, object]) -> None:
    asked, before = json.loads(replace(PLAN, **other).asked()), json.loads(PLAN.asked())
    assert [name for name in asked if asked[name] != before[name] and name != SETTLED] == list(other)


def test_the_settings_of_its_stages_are_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = PLAN.asked()
    faster = replace(stages.REFINE_STAGE, rate=2 * stages.REFINE_STAGE.rate)
    monkeypatch.setattr(stages, "REFINE_STAGE", faster)
    assert PLAN.asked() != before


def test_stages_take_the_sizes_that_were_asked_for() -> None:
    asked = stages_asked(replace(PLAN, n_examples=2))
    assert [(one.least_px, one.most_px, one.n_examples) for one in asked] == 3 * [(64, 96, 2)]
    own = stages_asked(replace(PLAN, size_px=None))
    assert [one.name for one in own] == ["base", "refine", "refiner"] and own[1].least_px > 96
    with pytest.raises(ValueError, match="this model has base"):
        stages_asked(replace(PLAN, model="mattingbase-mobilenetv2", stages=("refine",)))
