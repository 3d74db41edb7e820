"""Fits in processes that are killed in the middle of it, and what such a fit leaves to be compared."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import random
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from matting_tasks.fit.curve import CURVE, read_curve
from matting_tasks.fit.fit import SCORES, STATE, Tell, fit
from matting_tasks.fit.plan import FitPlan
from matting_tasks.fit.state import load_state

PATIENCE_S = 600.0


def fit_alone(plan: FitPlan, out: Path) -> None:
    """Fit on one thread."""
    torch.set_num_threads(1)
    fit(plan, out, "cpu", None, Tell())


@dataclass
class Kills:
    """What became of a fit that was killed: how often that was, and the steps that were done each time and saved."""

    done: list[int]
    saved: list[int]


def fit_with_kills(plan: FitPlan, out: Path, n_kills: int, seed: int) -> Kills:
    """Fit in a process that gets SIGKILL at random moments, and is started again each time, until it ends by itself."""
    drawn, kills = random.Random(seed), Kills([], [])
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload([__name__])  # what takes seconds to import is imported once
    while True:
        process = server.Process(target=fit_alone, args=(plan, out))
        process.start()
        if len(kills.done) < n_kills:
            _wait_for_steps(process, out, drawn.randint(1, 3))
            process.join(drawn.uniform(0, 0.3))
        else:
            process.join(PATIENCE_S)
        process.kill()
        process.join()
        if process.exitcode == 0:
            return kills
        if len(kills.done) == n_kills:
            raise RuntimeError(f"a fit that nobody killed ended with {process.exitcode}")
        state = load_state(out / STATE)
        kills.done.append(_n_steps(out))
        kills.saved.append(0 if state is None else state.done + state.step)


def traces(out: Path) -> dict[str, object]:
    """Return what a fit left, but for what the clock tells: the curve, the scores, and a hash of the weights."""
    (weights,) = out.glob("*.safetensors")
    rows = [
        (row.stage, row.step, {k: v for k, v in row.numbers.items() if k != "seconds"})
        for row in read_curve(out / CURVE)
    ]
    return {
        "curve": rows,
        "scores": [json.loads(line) for line in (out / SCORES).read_text().splitlines()],
        "weights": hashlib.sha256(weights.read_bytes()).hexdigest(),
    }


def _wait_for_steps(process: multiprocessing.process.BaseProcess, out: Path, n_more: int) -> None:
    """Wait until some more steps are done than when the process began, or until it ends."""
    deadline, before = time.monotonic() + PATIENCE_S, _n_steps(out)
    seen = before
    while process.is_alive() and time.monotonic() < deadline:
        now = _n_steps(out)
        before = min(before, now)  # what was not saved is cut off when it begins
        if now >= before + n_more and now != seen:
            return
        time.sleep(0.02)


def _n_steps(out: Path) -> int:
    return max((row.step for row in read_curve(out / CURVE)), default=0)
