"""Fitting: a command's settings to a network of one's own, its scores and card, and how it goes to the screen."""

from __future__ import annotations

import logging
import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import matting_tasks.fit
from flows.fit_plan import fetch_start, make_plan
from flows.fit_settings import FitSettings
from flows.fit_watch import FitWatcher, RichFitWatcher
from flows.resolve import check_model
from flows.show import plain_console
from flows.telling import count
from manifests.errors import Fault, UsageError, WeightsRefused
from matting_tasks.device import device_class
from matting_tasks.fit.alone import alone
from matting_tasks.fit.card import CARD, Scored
from matting_tasks.fit.draw_curves import PICTURE as CURVES
from matting_tasks.fit.finished import SHEET, card_of_finished, compared, score_start, write_finished
from matting_tasks.fit.fit import Fitted, Tell, check_same
from matting_tasks.fit.fit import fit as fit_here
from matting_tasks.fit.plan import IMAGENET, SCRATCH, FitPlan, stages_asked
from matting_tasks.fit.stages import RECURRENT, REFINE, choose, stages_of
from models.errors import ModelError, WeightsError
from models.registry import ALIAS

LEAST_SHARE = 2  # examples of a step for each worker
STOPPING = b"\nStopping as soon as this step is taken and the state is saved; once more stops at once.\n"


def run_fit(capture: str | None, out: str, settings: FitSettings, quiet: bool) -> int:
    """Fit a network, print how it goes and what came of it, and return the exit code."""
    with RichFitWatcher(plain_console(file=sys.stdout), quiet) as watcher:
        fit(capture, out, settings, watcher)
    return 0


def fit(capture: str | None, out: str, settings: FitSettings, watcher: FitWatcher) -> Path:
    """Fit a network to the plates of a capture, or to none, write weights, curves and card, and return the card's path.

    Run again with the same settings it goes on where it was stopped, and does nothing where it had ended. Raises
    UsageError, Refused, Fault, OSError, and KeyboardInterrupt where it was asked to stop, with its state saved.
    """
    folder = _folder(out)
    _check_model(settings)
    device = _device(settings.device)
    with _in_words_of_a_run():
        _make_folder(folder)
        with alone(folder):
            plan = make_plan(capture, folder, settings, device, watcher.say)
            check_same(plan, folder)
            _check_shares(plan)
            card = card_of_finished(plan, folder)
            if card is None:
                card = _to_the_end(plan, folder, device, settings, watcher)
            else:
                watcher.say(f"{folder} holds this fit already, with all that it writes: nothing is to do.")
    _tell_end(plan, folder, capture, watcher)
    return card


def _to_the_end(plan: FitPlan, folder: Path, device: str, settings: FitSettings, watcher: FitWatcher) -> Path:
    """Train what is left to train, judge it, and return the card's path."""
    imagenet = fetch_start(settings, watcher.say)
    watcher.say(_announced(plan, device))
    score_start(plan, folder, device, imagenet)
    with _asked_to_stop() as stop, _said_once():
        tell = Tell(watcher.step, watcher.validated, stop, watcher.warn)
        fitted = _fitted(plan, folder, device, imagenet, tell, settings.ray_address)
    if fitted is None:
        raise KeyboardInterrupt
    watcher.say(f"Judging what came of it on {count(plan.n_held_out, 'held-out pair')} ...")
    return write_finished(plan, folder, device, fitted, datetime.now(UTC).date().isoformat())


def _announced(plan: FitPlan, device: str) -> str:
    """Say what is fitted from what, where, and for how long."""
    start = plan.start if plan.start in (SCRATCH, IMAGENET) else Path(plan.start).name
    stages = stages_asked(plan)
    named = f"stage{'' if len(stages) == 1 else 's'} {', '.join(stage.name for stage in stages)}"
    if plan.steps is not None:
        long = count(plan.steps, "step")
    else:
        long = f"{plan.minutes:g} minute{'' if plan.minutes == 1 else 's'}"
    return f"Fitting {plan.model} from {start}: {named}, {long} on {device} in {plan.precision}"


def _tell_end(plan: FitPlan, folder: Path, capture: str | None, watcher: FitWatcher) -> None:
    """Say how good it is beside others, where to look, and how it is used."""
    told = [f"{name} {_mads(scored)}" for name, scored in compared(folder).items()]
    watcher.say(f"MAD x 1e-3 on held-out pairs (unknown region): {', '.join(told)}")
    watcher.say(f"Look at {folder / CARD}, {folder / CURVES} and {folder / SHEET}.")
    stages = stages_of(plan.model)
    learned = choose(stages, plan.stages)
    left = [stage for stage in stages if stage not in learned]
    if left and plan.start in (SCRATCH, IMAGENET):
        named = " and ".join(stage.name for stage in left)
        watcher.warn(f"It has not learned {named} yet: do that with --from {folder}, and another --out.")
    elif any(stage.kind == REFINE for stage in left) and not any(stage.kind == REFINE for stage in learned):
        watcher.warn(
            "Its refiner learned on layers that are others now, and makes mattes worse until it learns again: do that "
            f"with --stages refine --from {folder}, and another --out."
        )
    model = plan.model.partition("@")[0]
    named = "CAPTURE" if capture is None else shlex.quote(capture)
    watcher.say(f"Use it with: cleanplate matte {named} --out OUT --model {model} --weights {shlex.quote(str(folder))}")


def _mads(scored: Scored) -> str:
    whole, unknown = (
        f"{scores.mad:.1f}" if scores.mad is not None else "-" for scores in (scored.whole, scored.unknown)
    )
    return f"{whole} ({unknown})"


def _fitted(
    plan: FitPlan, folder: Path, device: str, imagenet: Path | None, tell: Tell, ray_address: str | None
) -> Fitted | None:
    """Train, in this process or by Ray Train."""
    if plan.n_workers > 1 or ray_address is not None:
        from matting_tasks.fit.ray_team import fit_with_ray

        return fit_with_ray(plan, folder, device, imagenet, tell, ray_address)
    return fit_here(plan, folder, device, imagenet, tell)


def _device(asked: str) -> str:
    found = device_class(asked)
    if found == "cpu":
        return "cpu"
    return asked if asked.startswith("cuda") else "cuda"


def _folder(out: str) -> Path:
    if "://" in out:
        raise UsageError(f"--out {out}: a fit writes to local files; name a folder of this machine.")
    if not out.strip():
        raise UsageError("--out: a folder is wanted, and an empty text was given: is a shell variable unset?")
    return Path(out).expanduser()


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as err:
        raise UsageError(f"--out {folder} is a file, or lies in one: name a folder.") from err


def _check_model(settings: FitSettings) -> None:
    """Raise UsageError for a model that cannot be trained, stages that it has not, and a backbone of another kind."""
    check_model(settings.model)
    try:
        stages = stages_of(settings.model)
    except ValueError as err:
        raise UsageError(f"--model {err}: a mattingrefine-*, mattingbase-* or rvm-* is wanted.") from err
    try:
        choose(stages, tuple(settings.stages or ()))
    except ValueError as err:
        raise UsageError(f"--stages: {err}.") from err
    if settings.start == IMAGENET and "mobilenetv2" not in settings.model:
        raise UsageError(
            f"--from {IMAGENET} is a MobileNetV2 backbone, and {settings.model} has another: --from {ALIAS}, {SCRATCH} "
            "or a file with weights is wanted."
        )


def _check_shares(plan: FitPlan) -> None:
    """Raise UsageError where a worker gets a single still of each step: BatchNorm learns nothing of one."""
    for stage in stages_asked(plan):
        if stage.kind != RECURRENT and stage.n_examples < LEAST_SHARE * plan.n_workers:
            raise UsageError(
                f"stage {stage.name} has {count(stage.n_examples, 'example')} a step for "
                f"{count(plan.n_workers, 'worker')}, and each wants {LEAST_SHARE} or more: "
                f"--examples {LEAST_SHARE * plan.n_workers} or more is wanted."
            )


@contextmanager
def _in_words_of_a_run() -> Iterator[None]:
    """Turn the errors of networks and numbers into those that have an exit code."""
    try:
        yield
    except WeightsError as err:
        raise WeightsRefused(str(err)) from err
    except (ModelError, ValueError) as err:
        raise UsageError(str(err)) from err
    except FloatingPointError as err:
        raise Fault(str(err)) from err


@contextmanager
def _said_once() -> Iterator[None]:
    """Keep what is told of files that cannot be used from being logged to the screen besides."""
    logger, handler = logging.getLogger(matting_tasks.fit.__name__), logging.NullHandler()
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


@contextmanager
def _asked_to_stop() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C or SIGTERM into a question's answer, and say so; the second one interrupts at once."""
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        signal.signal(number, before[signal.Signals(number)])
        os.write(2, STOPPING)  # whoever is interrupted may hold the console

    try:
        for number in before:
            signal.signal(number, ask)
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if asked and asked[0] == signal.SIGTERM:
            signal.raise_signal(signal.SIGTERM)
