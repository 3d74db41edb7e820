"""Watching a fit: its loss, its pace and the time left, and a line for each judgement, on a terminal or in a log."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Protocol

from rich.console import Console
from rich.progress import TextColumn, TimeElapsedColumn

from flows.bars import LINE_EVERY_S, Bars
from flows.telling import count
from matting_tasks.fit.trainer import StepDone
from matting_tasks.fit.validation import Validated

SMOOTH = 0.97  # of the loss shown: what came before against the last step


class FitWatcher(Protocol):
    """Whoever is told how a fit goes."""

    def say(self, text: str) -> None:
        """Say one line that a person wants to know."""

    def warn(self, text: str) -> None:
        """Say one line that a person should act on."""

    def step(self, done: StepDone) -> None:
        """Say that a step is taken."""

    def validated(self, stage: str, step: int, found: Validated) -> None:
        """Say what a judgement found."""


class LineFitWatcher:
    """Tells a fit in lines, to whom they are said and warned: a log, say."""

    def __init__(self, say: Callable[[str], None], warn: Callable[[str], None]) -> None:
        """Tell these two."""
        self.say, self.warn = say, warn
        self._next_line_s = 0.0

    def step(self, done: StepDone) -> None:
        """Say a line about every half minute."""
        now = time.monotonic()
        if now > self._next_line_s:
            self._next_line_s = now + LINE_EVERY_S
            self.say(f"{_place(done)}, loss {done.losses['total']:.4f}")

    def validated(self, stage: str, step: int, found: Validated) -> None:
        """Say what a judgement found."""
        self.say(judgement(stage, step, found))


class RichFitWatcher(Bars):
    """Shows how far a fit is; where the console is no terminal, a line now and then."""

    def __init__(self, console: Console, quiet: bool) -> None:
        """Draw on `console`; if `quiet`, show warnings only."""
        columns = TextColumn("{task.fields[news]}", style="cyan"), TimeElapsedColumn()
        super().__init__(console, *columns, quiet=quiet, first_line_s=0.0)
        self._bar = self.progress.add_task("starting", total=None, news="")
        self._stage, self._loss, self._pace, self._n_seen = "", 0.0, 0.0, 0
        self._last_s = time.monotonic()

    def step(self, done: StepDone) -> None:
        """Say that a step is taken."""
        now = time.monotonic()
        if done.stage != self._stage:
            self._stage, self._n_seen = done.stage, 0
            self.progress.reset(self._bar, total=done.n_steps, description=f"stage {done.stage}", news="")
        self._smooth(done.losses["total"], now - self._last_s)
        self._last_s = now
        # the first step waits for processes and warms up: it tells nothing of the pace
        news = f"loss {self._loss:.4f}" + (f", {self._left(done)}" if self._n_seen > 1 else "")
        self.progress.update(self._bar, completed=done.step_of_stage, total=done.n_steps, news=news)
        if self.is_line_due():
            self.say(f"{_place(done)}, {news}")

    def validated(self, stage: str, step: int, found: Validated) -> None:
        """Say what a judgement found."""
        self.say(judgement(stage, step, found))
        self._last_s = time.monotonic()

    def _smooth(self, loss: float, seconds: float) -> None:
        """Take in a step: the mean of the first ones, and then a fading one; the pace without the first, slow one."""
        self._n_seen += 1
        self._loss += max(1 - SMOOTH, 1 / self._n_seen) * (loss - self._loss)
        self._pace += max(1 - SMOOTH, 1 / max(1, self._n_seen - 1)) * (seconds - self._pace)

    def _left(self, done: StepDone) -> str:
        if done.n_steps is None:
            return f"{self._pace:.2f} s a step"
        left_s = (done.n_steps - done.step_of_stage) * self._pace
        return f"{self._pace:.2f} s a step, {_duration(left_s)} left in this stage"


def judgement(stage: str, step: int, found: Validated) -> str:
    """Put the scores of a validation in a line."""
    whole = {name: "-" if value is None else f"{value:.2f}" for name, value in asdict(found.whole).items()}
    unknown = "-" if found.unknown.mad is None else f"{found.unknown.mad:.1f}"
    return (
        f"stage {stage}, after {step:,} steps: MAD {whole['mad']} x 1e-3 (unknown region {unknown}), "
        f"MSE {whole['mse']}, Grad {whole['grad']}, Conn {whole['conn']} "
        f"on {count(found.n_pictures, 'held-out picture')}"
    )


def _place(done: StepDone) -> str:
    total = "" if done.n_steps is None else f" of {done.n_steps:,}"
    return f"stage {done.stage}: step {done.step_of_stage:,}{total}"


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{round(seconds)} s" if minutes < 2 else f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"
