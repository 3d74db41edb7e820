"""The trainer: stage after stage, step after step, with a state on disk from which it goes on after any end."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from manifests.errors import UsageError
from matting_tasks.fit.average import Average
from matting_tasks.fit.compose import Batch, compose
from matting_tasks.fit.loader import Share, batches
from matting_tasks.fit.objective import Objective, set_to_learn, trained
from matting_tasks.fit.schedule import PACE_FROM, PACE_TO, rate_at, steps_within
from matting_tasks.fit.stages import BASE, Stage
from matting_tasks.fit.state import TrainingState, load_state, save_state
from matting_tasks.fit.stream import Sources, StreamSettings
from matting_tasks.fit.team import Team

CLIP_NORM = 1.0
WEIGHT_DECAY = 1e-3
MOST_SKIPPED = 2  # steps one after the other whose gradients are no numbers
SAVE_S = 60.0
PLATE_SHARE = 0.75  # of backgrounds, where there are plates of the user's own


@dataclass(frozen=True, slots=True, eq=False)
class Training:
    """Say what is trained, on what and for how long.

    minutes or n_steps: for all stages together, one of them None. asked: all settings as text; a state made with
    others is not gone on with. n_processes: that make examples. plate_share, found_share: see `StreamSettings`.
    validate_every: steps, 0 only at the ends of stages.
    """

    stages: tuple[Stage, ...]
    sources: Sources
    seed: int
    asked: str
    folder: Path
    minutes: float | None = None
    n_steps: int | None = None
    device: str = "cpu"
    precision: torch.dtype = torch.float32
    n_processes: int = 1
    validate_every: int = 0
    save_s: float = SAVE_S
    plate_share: float = PLATE_SHARE
    found_share: float = 0.5


@dataclass(frozen=True, slots=True)
class StepDone:
    """Tell of a step: `step` of all stages, losses by name, and when the stage will have ended, None if not known."""

    stage: str
    step: int
    step_of_stage: int
    n_steps: int | None
    rate: float
    losses: dict[str, float]
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Watch:
    """What a training tells, and asks: whether it should end now, with its state saved."""

    step: Callable[[StepDone], None] = lambda done: None
    validate: Callable[[nn.Module, Stage, int], None] = lambda network, stage, step: None
    stop: Callable[[], bool] = lambda: False
    warn: Callable[[str], None] = lambda text: None


def train(network: nn.Module, training: Training, watch: Watch, team: Team | None = None) -> bool:
    """Train a network in place to the end of its average; False where it was asked to stop before.

    Goes on from the state in the training's folder where there is one. Raises OSError, UsageError,
    ValueError where a team cannot share a batch, and FloatingPointError where the loss is no number any more.
    """
    team = team or Team()
    for stage in training.stages:
        team.check_shares(stage.name, stage.n_examples)
    state = load_state(training.folder) or TrainingState(asked=training.asked)
    if not team.all_have(state.stage * 2**32 + state.done + state.step):
        raise UsageError(f"{training.folder} is not the same for all workers: name a folder that they share")
    network.to(training.device)
    average = Average(network)
    if state.network is not None:
        network.load_state_dict(state.network)
        average.network.load_state_dict(state.average or state.network)
    for number in range(state.stage, len(training.stages)):
        run = _Run(training, training.stages[number], network, average, state, team)
        if not run.to_end(watch):
            return False
        # the next stage begins where the average of this one ended
        network.load_state_dict(average.network.state_dict())
        spent = state.seconds - sum(one["seconds"] for one in state.finished)
        state.finished.append({"name": run.stage.name, "n_steps": state.step, "seconds": spent})
        state.done += state.step
        state.stage, state.step, state.n_steps, state.optimizer = number + 1, 0, None, None
        run.save()
    network.load_state_dict(average.network.state_dict())
    return True


class _Clock:
    """The time of a stage: all of it, and what a step takes once the first ones are over."""

    def __init__(self, first: int, seconds_before: float) -> None:
        self.before, self.begun = seconds_before, time.monotonic()
        self.pace_from = max(first, PACE_FROM)
        self.pace_begun = self.begun

    def begin(self, step: int) -> None:
        if step == self.pace_from:
            self.pace_begun = time.monotonic()

    def seconds(self) -> float:
        return self.before + time.monotonic() - self.begun

    def pace(self, n_steps: int) -> float:
        return (time.monotonic() - self.pace_begun) / max(1, n_steps - self.pace_from)


class _Run:
    """One stage of a training."""

    def __init__(
        self, training: Training, stage: Stage, network: nn.Module, average: Average, state: TrainingState, team: Team
    ) -> None:
        self.training, self.stage, self.network, self.average, self.state = training, stage, network, average, state
        self.team = team
        self.optimizer = torch.optim.AdamW(trained(network, stage), weight_decay=WEIGHT_DECAY, foreach=True)
        if state.optimizer is not None:
            self.optimizer.load_state_dict(state.optimizer)
        # a guided filter waits for full size, and a refiner has nothing to do where no error is expected
        self.objective = team.spread(Objective(network, stage, training.precision), stage.kind != BASE)
        self.shares = stage.share / sum(one.share for one in training.stages)
        if state.n_steps is None and training.n_steps is not None:
            state.n_steps = max(1, round(training.n_steps * self.shares))
        self.saved_at = time.monotonic()
        self.n_skipped = 0  # steps one after the other

    def to_end(self, watch: Watch) -> bool:
        """Take all steps of the stage; False where it was asked to stop."""
        state, first = self.state, self.state.step
        if first == 0 and self.team.leads:
            watch.validate(self.average.network, self.stage, state.done)
        limit = range(first, state.n_steps if state.n_steps is not None else 10**9)
        clock = _Clock(first, state.seconds)
        for step, batch in self._batches(limit):
            clock.begin(step)
            losses = self._step(step, batch, watch.warn)
            state.step, state.seconds = step + 1, clock.seconds()
            if state.n_steps is None and state.step >= PACE_TO:
                self._set_pace(clock.pace(state.step))
            self._tell(watch, losses)
            if state.n_steps is not None and state.step >= state.n_steps:
                break
            if self.team.agrees(watch.stop()):
                self.save()
                return False
            if time.monotonic() - self.saved_at > self.training.save_s:
                self.save()
        if self.team.leads:
            watch.validate(self.average.network, self.stage, state.done + state.step)
        return True

    def save(self) -> None:
        """Save the state, if this is the trainer that does."""
        self.saved_at = time.monotonic()
        if not self.team.leads:
            return
        state = replace(
            self.state,
            network=self.network.state_dict(),
            average=self.average.network.state_dict(),
            optimizer=self.optimizer.state_dict() if self.state.step else None,
        )
        save_state(self.training.folder, state)

    def _batches(self, steps: range) -> Any:
        stage, training = self.stage, self.training
        settings = StreamSettings(
            seed=training.seed + 1000 * self.state.stage,
            n_examples=stage.n_examples,
            n_frames=stage.n_frames,
            least_px=stage.least_px,
            most_px=stage.most_px,
            plate_share=training.plate_share,
            found_share=training.found_share,
        )
        if stage.beside is not None:
            other = stage.beside
            beside = replace(settings, n_frames=other.n_frames, least_px=other.least_px, most_px=other.most_px)
            settings = replace(settings, beside=beside)
        share = Share(self.team.rank, self.team.size)
        return batches(settings, training.sources, steps, training.n_processes, share)

    def _step(self, step: int, batch: Batch, warn: Callable[[str], None]) -> dict[str, Tensor]:
        """Take one step: all that is random in it comes from its number.

        One whose gradient is no number for any of the team would spoil all weights, and is left out.
        """
        torch.manual_seed(hash((self.training.seed, self.state.stage, step, self.team.rank)) % 2**63)
        pairs = compose(batch.to(self.training.device))
        every = self.stage.segmentation_every
        set_to_learn(self.network, self.stage)
        rate = rate_at(step, self.state.n_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["highest"]
        statistics = [buffer.clone() for buffer in self.network.buffers()]
        total, parts = self.objective(pairs, bool(every) and step % every == every - 1)
        total.backward()
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), CLIP_NORM)
        if self.team.agrees(not bool((norm + total.detach()).isfinite())):
            self.n_skipped += 1
            for buffer, before in zip(self.network.buffers(), statistics, strict=True):
                buffer.copy_(before)
            if self.n_skipped <= MOST_SKIPPED:
                warn(f"step {step + 1} of stage {self.stage.name} is left out: its gradient is {norm:g}")
        else:
            self.optimizer.step()
            self.average.follow(self.network, step)
            self.n_skipped = 0
        self.optimizer.zero_grad(set_to_none=True)
        return {"total": total.detach() if self.n_skipped <= MOST_SKIPPED else norm, **parts}

    def _set_pace(self, seconds_a_step: float) -> None:
        """Choose the number of steps once, by what they cost; a resumed training keeps it, so it is saved soon."""
        self.saved_at = -math.inf
        within_s = (self.training.minutes or 0) * 60 * self.shares
        self.state.n_steps = steps_within(within_s, self.team.longest(seconds_a_step))

    def _tell(self, watch: Watch, losses: dict[str, Tensor]) -> None:
        numbers = self.team.mean({name: float(value) for name, value in losses.items()})
        if not math.isfinite(numbers["total"]):
            raise FloatingPointError(
                f"the loss of step {self.state.step} of stage {self.stage.name} is {numbers['total']}: the state of "
                f"the last whole minute is in {self.training.folder}. Run the same command again: it goes on from "
                "there, and may pass. If it does not, begin anew with a lower --rate"
            )
        if not self.team.leads:
            return
        state, training = self.state, self.training
        rate = rate_at(state.step - 1, state.n_steps) * self.stage.rate
        done = StepDone(
            self.stage.name, state.done + state.step, state.step, state.n_steps, rate, numbers, state.seconds
        )
        watch.step(done)
        every = training.validate_every
        if every and state.step % every == 0 and state.step != state.n_steps:
            watch.validate(self.average.network, self.stage, done.step)
