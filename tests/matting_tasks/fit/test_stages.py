"""Stages: each model has its own, in order, and any can be asked for alone or smaller."""

from __future__ import annotations

import pytest

from matting_tasks.fit.stages import BASE, REFINE, at_rate, choose, resized, stages_of
from models.registry import ENTRIES


@pytest.mark.parametrize("model", [name for name in ENTRIES if name != "plate-difference"])
def test_every_network_of_the_registry_has_stages(model: str) -> None:
    stages = stages_of(model)
    assert len({stage.name for stage in stages}) == len(stages)
    for stage in stages:
        assert stage.least_px % 32 == stage.most_px % 32 == 0 and 0 < stage.least_px <= stage.most_px


def test_a_refined_network_learns_its_base_first() -> None:
    assert [stage.kind for stage in stages_of("mattingrefine-resnet50")] == [BASE, REFINE, REFINE]
    assert [stage.kind for stage in stages_of("mattingrefine-mobilenetv2@cleanplate")][0] == BASE
    assert [stage.refiner_alone for stage in stages_of("mattingrefine-mobilenetv2")] == [False, False, True]
    assert [stage.kind for stage in stages_of("mattingbase-resnet50")] == [BASE]


def test_recurrent_networks_see_short_clips_then_long_then_full_size_then_stills() -> None:
    short, long, full, stills = stages_of("rvm-mobilenetv3")
    assert [short.name, long.name, full.name, stills.name] == ["short clips", "long clips", "full size", "stills"]
    assert 1 < short.n_frames < long.n_frames and stills.n_frames == 1
    assert short.downsample_ratio == long.downsample_ratio == 1 > full.downsample_ratio == stills.downsample_ratio
    assert full.least_px >= 2 * long.most_px
    # at full size clips are too short to remember anything: longer ones go on beside them
    for stage in (full, stills):
        assert stage.beside is not None and stage.beside.n_frames > stage.n_frames
        assert stage.refiner_rate is not None and stage.refiner_rate > stage.rate


@pytest.mark.parametrize("model", ["plate-difference", "modnet"])
def test_what_cannot_be_trained_is_said(model: str) -> None:
    with pytest.raises(ValueError, match=model):
        stages_of(model)


def test_stages_are_chosen_by_name_in_their_own_order() -> None:
    stages = stages_of("rvm-resnet50")
    assert choose(stages, ()) == stages
    assert choose(stages, ("stills", "short clips")) == (stages[0], stages[3])
    with pytest.raises(ValueError, match="'base'.*short clips, long clips, full size, stills"):
        choose(stages, ("short clips", "base"))


def test_a_stage_is_made_smaller_with_the_clips_beside_it() -> None:
    full = stages_of("rvm-mobilenetv3")[2]
    small = resized(full, 64, 128, 5)
    assert (small.least_px, small.most_px, small.n_examples) == (64, 128, 5)
    assert small.beside is not None and (small.beside.least_px, small.beside.most_px) == (64, 128)
    larger = resized(full, 1024, 2048, None)
    assert larger.beside == full.beside and larger.n_examples == full.n_examples
    assert resized(full, None, None, None) == full


def test_another_rate_changes_all_rates_of_a_stage_and_nothing_else() -> None:
    full = stages_of("rvm-mobilenetv3")[2]
    slower = at_rate(full, 0.5)
    assert (slower.rate, slower.backbone_rate) == (full.rate / 2, full.backbone_rate / 2)
    assert full.refiner_rate is not None and slower.refiner_rate == full.refiner_rate / 2
    assert at_rate(slower, 2) == full
