"""The stages of small networks: every kind can be taken, and each lowers its loss."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from benchmarks.fit_stages import Learned, Sizes, new_network, run_stages, small_stages, table_of
from benchmarks.machine import as_text

TINY = Sizes(small=(64, 64), large=(128, 128), n_frames=(2, 4, 3), n_examples=2)


@pytest.mark.parametrize(
    ("model", "names"),
    [
        ("rvm-mobilenetv3", ["short clips", "long clips", "full size", "stills"]),
        ("mattingrefine-mobilenetv2", ["base", "refine", "refiner"]),
    ],
)
def test_a_few_steps_of_every_stage_are_taken(model: str, names: list[str]) -> None:
    stages = [
        replace(stage, segmentation_every=2 * bool(stage.segmentation_every)) for stage in small_stages(model, TINY)
    ]
    # the fifth step of a stage is of the clips beside it
    learned = run_stages(new_network(model), stages, 5 * len(stages), torch.bfloat16, 1)
    assert [one.stage for one in learned] == names
    for one, stage in zip(learned, stages, strict=True):
        assert len(one.segmentation) == (2 if stage.segmentation_every else 0)
        assert one.n_steps == 5
        assert all(map(math.isfinite, [*one.losses, *one.segmentation, *one.held_losses, *one.held_mads]))
        assert len(one.held_losses) == len(one.held_mads) == 2


def test_a_table_has_a_row_for_each_stage() -> None:
    learned = [Learned("base", [3.0] * 2 + [1.0] * 18, [], [0.9, 0.4], [300.0, 100.0])]
    lines = as_text(table_of("mattingbase-mobilenetv2", learned)).splitlines()
    assert lines[2].split() == ["base", "20", "3", "1", "0.9", "0.4", "300", "100"]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_each_stage_of_a_recurrent_network_lowers_its_loss_on_held_out_clips() -> None:
    sizes = Sizes(small=(64, 64), large=(128, 128), n_frames=(3, 6, 2), n_examples=2)
    model = "rvm-mobilenetv3"
    learned = run_stages(new_network(model), list(small_stages(model, sizes)), 1200, torch.bfloat16, 24)
    print(as_text(table_of(model, learned)))
    assert len(learned) == 4
    for one in learned:
        before, after = one.held_losses
        assert after < before, one.stage
    assert learned[0].held_mads[1] < 0.7 * learned[0].held_mads[0]
