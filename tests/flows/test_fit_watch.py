from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from flows.fit_watch import LineFitWatcher, RichFitWatcher, judgement
from matting_tasks.fit.trainer import StepDone
from matting_tasks.fit.validation import Validated
from matting_tasks.metrics import Scores

FOUND = Validated(
    Scores(mad=36.25, mse=4.0, sad=1.0, grad=1.5, conn=2.25, dtssd=None),
    Scores(mad=101.06, mse=9.0, sad=1.0, grad=1.0, conn=1.0, dtssd=None),
    24,
)


def console(terminal: bool) -> tuple[Console, io.StringIO]:
    shown = io.StringIO()
    return Console(file=shown, force_terminal=terminal, width=160), shown


def step(number: int, loss: float = 0.5, stage: str = "base", n_steps: int | None = 40) -> StepDone:
    return StepDone(stage, number, number, n_steps, 1e-3, {"total": loss, "alpha": 0.1}, 1.0)


def test_a_judgement_is_one_line_with_all_scores() -> None:
    assert judgement("base", 1200, FOUND) == (
        "stage base, after 1,200 steps: MAD 36.25 x 1e-3 (unknown region 101.1), MSE 4.00, Grad 1.50, Conn 2.25 "
        "on 24 held-out pictures"
    )
    nothing = Scores(mad=None, mse=None, sad=None, grad=None, conn=None, dtssd=None)
    assert "MAD - x 1e-3 (unknown region -)" in judgement("base", 0, Validated(nothing, nothing, 1))


def test_a_terminal_has_a_bar_with_steps_loss_and_time_left() -> None:
    screen, shown = console(True)
    with RichFitWatcher(screen, False) as watcher:
        for number in range(1, 11):
            watcher.step(step(number))
        watcher.validated("base", 10, FOUND)
    said = shown.getvalue()
    assert "stage base" in said and "10/40" in said and "loss 0.5000" in said and "left in this stage" in said
    assert "MAD 36.25" in said


def test_while_the_length_is_not_known_the_pace_alone_is_told() -> None:
    screen, shown = console(True)
    with RichFitWatcher(screen, False) as watcher:
        for number in (1, 2):
            watcher.step(step(number, n_steps=None))
    assert re.search(r"loss 0\.5000, \d+\.\d\d s a step", shown.getvalue()) and "left" not in shown.getvalue()


def test_the_first_step_tells_nothing_of_the_pace() -> None:
    screen, shown = console(False)
    with RichFitWatcher(screen, False) as watcher:
        watcher.step(step(1))
    assert shown.getvalue() == "stage base: step 1 of 40, loss 0.5000\n"


def test_elsewhere_a_line_comes_now_and_then_and_no_bar() -> None:
    screen, shown = console(False)
    with RichFitWatcher(screen, False) as watcher:
        watcher.say("two [words]")
        for number in range(1, 40):
            watcher.step(step(number))
        watcher.warn("mind the step")
    first, second, third = shown.getvalue().splitlines()
    assert (first, third) == ("two [words]", "! mind the step") and second.startswith("stage base: step 1 of 40, loss")


def test_the_loss_shown_is_that_of_the_last_steps_of_its_own_stage() -> None:
    screen, shown = console(True)
    with RichFitWatcher(screen, False) as watcher:
        for number in range(1, 5):
            watcher.step(step(number, loss=2.0))
        watcher.step(step(1, loss=0.25, stage="refine"))
        watcher.step(step(2, loss=0.75, stage="refine"))
    assert "stage refine" in shown.getvalue() and "loss 0.5000" in shown.getvalue().rpartition("refine")[2]


def test_quiet_shows_warnings_only() -> None:
    screen, shown = console(True)
    with RichFitWatcher(screen, True) as watcher:
        watcher.say("nothing")
        watcher.step(step(1))
        watcher.validated("base", 1, FOUND)
        watcher.warn("mind the step")
    assert "nothing" not in shown.getvalue() and "MAD" not in shown.getvalue() and "mind the step" in shown.getvalue()


def test_a_log_gets_a_line_about_every_half_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    warned: list[str] = []
    watcher = LineFitWatcher(said.append, warned.append)
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    for number in range(1, 63):
        watcher.step(step(number, n_steps=None if number < 12 else 80))
        now[0] += 1
    watcher.validated("base", 62, FOUND)
    watcher.warn("mind the step")
    assert said[0] == "stage base: step 1, loss 0.5000" and said[1] == "stage base: step 32 of 80, loss 0.5000"
    assert len(said) == 3 and said[2] == judgement("base", 62, FOUND) and warned == ["mind the step"]
