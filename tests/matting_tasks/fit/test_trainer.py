"""The trainer: it lowers the loss, goes on after any end as if there had been none, and never saves what is broken."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from matting_tasks.fit.pictures import Pictures
from matting_tasks.fit.schedule import PACE_TO
from matting_tasks.fit.stages import BASE_STAGE, Clips, Stage
from matting_tasks.fit.state import TrainingState, load_state, save_state
from matting_tasks.fit.stream import Sources
from matting_tasks.fit.trainer import StepDone, Training, Watch, train
from matting_tasks.fit.validation import held_out, validate
from models.bgmv2 import CoarseOutput
from models.clamping import unit_clamp

SOURCES = Sources(Pictures([]), Pictures([]))
FIRST = replace(BASE_STAGE, name="first", n_examples=3, least_px=32, most_px=64, rate=2e-2, backbone_rate=2e-2)
SECOND = replace(FIRST, name="second", share=0.5)


class Tiny(nn.Module):
    """A base network of two layers, with statistics and chance in it, that can be told to break."""

    uses_plate = True

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.backbone = nn.Conv2d(9, 8, 3, padding=1)
        self.rest = nn.Sequential(nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.05), nn.Conv2d(8, 5, 3, padding=1))
        self.fault: Callable[[Tensor], Tensor] = lambda out: out

    def forward_base(self, src: Tensor, bgr: Tensor) -> CoarseOutput:
        out = self.fault(self.rest(self.backbone(torch.cat([src, bgr, 4 * (src - bgr).abs()], dim=1))))
        return CoarseOutput(unit_clamp(out[:, :1]), unit_clamp(out[:, 1:4] + src), unit_clamp(out[:, 4:]))


@dataclass
class Seen:
    """What a training told."""

    steps: list[StepDone] = field(default_factory=list)
    judged: list[tuple[str, int]] = field(default_factory=list)
    stop_at: int | None = None

    def watch(self) -> Watch:
        return Watch(
            self.steps.append, self._judge, lambda: self.stop_at is not None and self.steps[-1].step >= self.stop_at
        )

    def _judge(self, network: nn.Module, stage: Stage, step: int) -> None:
        assert not network.training
        self.judged.append((stage.name, step))

    def losses(self) -> list[float]:
        return [done.losses["total"] for done in self.steps]


def training(folder: Path, n_steps: int | None = 10, **others: object) -> Training:
    known: dict[str, object] = {"stages": (FIRST,), "sources": SOURCES, "seed": 3, "asked": "", "n_processes": 0}
    return Training(**{**known, "folder": folder, "n_steps": n_steps, **others})  # type: ignore[arg-type]


def weights(network: nn.Module) -> Tensor:
    return torch.cat([tensor.float().flatten() for tensor in network.state_dict().values()])


def test_a_small_network_learns(tmp_path: Path) -> None:
    network, seen = Tiny(), Seen()
    held = held_out(SOURCES, 6, 64)
    before = validate(network, held, stage=FIRST).whole.mad
    assert train(network, training(tmp_path, 100), seen.watch())
    after = validate(network, held, stage=FIRST).whole.mad
    losses = seen.losses()
    # batches differ much from each other, the held-out pairs do not
    assert len(losses) == 100 and sum(losses[50:]) / 50 < 0.95 * sum(losses[:10]) / 10
    assert before is not None and after is not None and after < 0.7 * before


def test_steps_of_earlier_stages_do_not_hold_the_average_back(tmp_path: Path) -> None:
    alone, late = Tiny(), Tiny()
    assert train(alone, training(tmp_path / "alone"), Seen().watch())
    # a part that begins as noise in a late stage must be forgotten as soon as one of the first stage
    save_state(tmp_path / "late", TrainingState("", done=10**6, network=late.state_dict()))
    assert train(late, training(tmp_path / "late"), Seen().watch())
    assert torch.equal(weights(late), weights(alone))


@pytest.mark.parametrize("stop_at", [3, pytest.param(8, marks=pytest.mark.slow), 9])
def test_it_stops_when_asked_and_goes_on_as_if_it_had_not(tmp_path: Path, stop_at: int) -> None:
    stages = {"stages": (FIRST, SECOND), "n_steps": 12}
    whole, network = Seen(), Tiny()
    assert train(network, training(tmp_path / "whole", **stages), whole.watch())
    first, second, other = Seen(stop_at=stop_at), Seen(), Tiny()
    assert not train(other, training(tmp_path / "parts", **stages), first.watch())
    # what is in the memory of the process does not matter
    other = Tiny()
    with torch.no_grad():
        other.backbone.weight.zero_()
    assert train(other, training(tmp_path / "parts", **stages), second.watch())
    assert [one.step for one in first.steps + second.steps] == list(range(1, 13))
    assert first.losses() + second.losses() == whole.losses()
    assert torch.equal(weights(other), weights(network))


def test_stages_follow_each_other_by_their_shares_and_are_judged_at_their_ends(tmp_path: Path) -> None:
    seen = Seen()
    train(Tiny(), training(tmp_path, 12, stages=(FIRST, SECOND), validate_every=3), seen.watch())
    assert [(one.stage, one.step_of_stage) for one in seen.steps] == [
        *(("first", step) for step in range(1, 9)),
        *(("second", step) for step in range(1, 5)),
    ]
    assert seen.judged == [
        *(("first", step) for step in (0, 3, 6, 8)),
        *(("second", step) for step in (8, 11, 12)),
    ]
    state = load_state(tmp_path)
    assert state is not None and [(one["name"], one["n_steps"]) for one in state.finished] == [
        ("first", 8),
        ("second", 4),
    ]
    assert [one["seconds"] > 0 for one in state.finished] == [True, True]


def test_a_training_that_has_ended_gives_its_weights_again_and_learns_no_more(tmp_path: Path) -> None:
    network, again, seen = Tiny(), Tiny(), Seen()
    train(network, training(tmp_path, 4), Watch())
    assert train(again, training(tmp_path, 4), seen.watch())
    assert not seen.steps and torch.equal(weights(again), weights(network))


def test_what_is_left_is_the_average_and_not_the_last_step(tmp_path: Path) -> None:
    network, seen = Tiny(), Seen(stop_at=9)
    train(network, training(tmp_path), seen.watch())
    state = load_state(tmp_path)
    assert state is not None and state.network is not None and state.average is not None
    moved = (state.network["backbone.weight"] - state.average["backbone.weight"]).abs().max()
    assert moved > 0
    train(network, training(tmp_path), Watch())
    state = load_state(tmp_path)
    assert state is not None and state.average is not None
    assert torch.equal(network.backbone.weight.detach(), state.average["backbone.weight"])


def nan_loss(out: Tensor) -> Tensor:
    return out * math.nan


def nan_gradient(out: Tensor) -> Tensor:
    # 0 as a value, inf x 0 as a gradient
    return out + (out * 0).sqrt() * 0


def test_a_gradient_that_is_no_number_is_left_out(tmp_path: Path) -> None:
    network, seen, warned = Tiny(), Seen(), list[str]()

    def step(done: StepDone) -> None:
        seen.steps.append(done)
        network.fault = nan_gradient if done.step in (3, 4) else (lambda out: out)

    watch = Watch(step, warn=warned.append)
    assert train(network, training(tmp_path), watch) and weights(network).isfinite().all()
    assert network.rest[0].num_batches_tracked == len(seen.steps) - 2, "nor has it told BatchNorm anything"  # type: ignore[union-attr]
    assert len(seen.steps) == len({done.step for done in seen.steps}) > 5
    assert warned == [f"step {number} of stage first is left out: its gradient is nan" for number in (4, 5)]


@pytest.mark.parametrize(("fault", "last"), [(nan_loss, 4), (nan_gradient, 6)])
def test_a_loss_that_is_no_number_ends_it_and_spoils_no_state(
    tmp_path: Path, fault: Callable[[Tensor], Tensor], last: int
) -> None:
    network, seen = Tiny(), Seen()

    def step(done: StepDone) -> None:
        seen.steps.append(done)
        if done.step == 3:
            network.fault = fault

    with pytest.raises(FloatingPointError, match=f"step {last} of stage first"):
        train(network, training(tmp_path, save_s=0.0), Watch(step))
    state = load_state(tmp_path)
    assert state is not None and state.step == last - 1 and state.network is not None and state.average is not None
    for kept in (state.network, state.average):
        assert all(tensor.isfinite().all() for tensor in kept.values())
    network = Tiny()
    assert train(network, training(tmp_path), Watch()) and weights(network).isfinite().all()


def test_minutes_become_steps_once_the_pace_is_known_also_after_a_stop(tmp_path: Path) -> None:
    first, second = Seen(stop_at=6), Seen(stop_at=PACE_TO)
    for seen in (first, second):
        assert not train(Tiny(), training(tmp_path, None, minutes=5.0), seen.watch())
        assert all(one.n_steps is None for one in seen.steps[:-1])
    assert first.steps[-1].n_steps is None
    # 300 s of steps that take no second each
    assert second.steps[-1].n_steps is not None and 300 < second.steps[-1].n_steps < 10**6


def test_no_time_at_all_still_takes_a_few_steps(tmp_path: Path) -> None:
    seen = Seen()
    assert train(Tiny(), training(tmp_path, None, minutes=1e-6), seen.watch())
    assert len(seen.steps) == PACE_TO


def test_the_seed_decides_what_is_learned(tmp_path: Path) -> None:
    runs = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        seen = Seen()
        train(Tiny(), training(tmp_path / name, 3, seed=seed), seen.watch())
        runs.append(seen.losses())
    assert runs[0] == runs[1] != runs[2]


def test_clips_beside_a_stage_are_learned_from_in_turns(tmp_path: Path) -> None:
    lengths = []

    class Clip(Tiny):
        def forward(self, src: Tensor, downsample_ratio: float, segmentation_pass: bool) -> list[Tensor]:
            lengths.append((src.shape[1], src.shape[-1], downsample_ratio, segmentation_pass))
            frames = src.flatten(0, 1)
            out = self.forward_base(frames, frames)
            if segmentation_pass:
                return [out.pha.view(*src.shape[:2], *out.pha.shape[1:])]
            return [part.view(*src.shape[:2], *part.shape[1:]) for part in (out.fgr, out.pha)]

    stage = replace(
        FIRST, kind="recurrent", n_examples=1, n_frames=2, least_px=64, downsample_ratio=0.5, segmentation_every=4
    )
    train(Clip(), training(tmp_path, 8, stages=(replace(stage, beside=Clips(3, 32, 32)),)), Watch())
    own, other = (2, 64, 0.5), (3, 32, 1.0)
    assert lengths == [(*kind, step == 3) for kind in (own, other) for step in range(4)]
