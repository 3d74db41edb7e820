"""Fit: a network learns from people over the user's plates, is judged on held-out pairs, and is written as weights."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import torch
from torch import nn

from manifests.errors import Refused
from matting_tasks.contact_sheet import contact_sheet
from matting_tasks.device import keep_memory
from matting_tasks.fit.board import Board
from matting_tasks.fit.draw_curves import PICTURE as CURVES
from matting_tasks.fit.draw_curves import draw_curves
from matting_tasks.fit.foregrounds import ForegroundReader, reader_of
from matting_tasks.fit.network import make_network
from matting_tasks.fit.pictures import Pictures
from matting_tasks.fit.plan import SETTLED, FitPlan, stages_asked
from matting_tasks.fit.stages import Stage
from matting_tasks.fit.state import load_state
from matting_tasks.fit.stream import Sources
from matting_tasks.fit.team import Team
from matting_tasks.fit.trainer import StepDone, Training, Watch, train
from matting_tasks.fit.validation import STREAM, HeldOut, Validated, held_out, picture_rows, stage_size, validate
from models.fitted import PARAMETERS
from models.safetensors_file import write_safetensors

STATE = "state"
PICTURES = "pictures"
SCORES = "scores.jsonl"
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}
MOST_FAULTS = 8  # that are said one by one
N_ROWS = 12  # of a sheet of held-out pictures
MOST_SHOWN = 6  # names of files in a message
OPTIONS = {
    "start": "from",
    "held_pictures": "held-out pictures",
    "size_px": "size",
    "n_examples": "examples",
    "n_held_out": "held-out",
    "n_workers": "workers",
}
"""What settings are called where a person says them, those that have another name there."""


@dataclass(frozen=True, slots=True, eq=False)
class Tell:
    """What a fit tells on its way, and asks: whether to end now."""

    step: Callable[[StepDone], None] = lambda done: None
    validated: Callable[[str, int, Validated], None] = lambda stage, step, scores: None
    stop: Callable[[], bool] = lambda: False
    warn: Callable[[str], None] = lambda text: None


@dataclass(frozen=True, slots=True)
class Fitted:
    """Hold what came of a fit: the file with the weights, and the scores of each validation, first to last."""

    weights: Path
    scores: tuple[dict[str, Any], ...] = ()


def fit(
    plan: FitPlan, out: Path, device: str, imagenet: Path | None, tell: Tell, team: Team | None = None
) -> Fitted | None:
    """Fit a network and write it under `out`; None where it was asked to stop before the end.

    Run again with the same settings, it goes on where it was, and does nothing where it had ended. Raises Refused
    for other settings in the same folder, and what `train` and `make_network` raise.
    """
    team = team or Team()
    check_same(plan, out)
    _set_up(device)
    network = make_network(plan.model, plan.parameters, plan.start, imagenet, plan.seed)
    sources = _sources(plan, tell if team.leads else Tell())
    known = _faults(sources)
    state = load_state(out / STATE)
    done = None if state is None else state.done + state.step
    has_others = any(row.get("stream") != STREAM for row in _read_scores(out))
    board = Board(out, done, keeps_scores=not has_others) if team.leads else None
    judge = _Judge(plan, out, device, tell, board)
    if team.leads:
        judge.forget_after(done)
    training = Training(
        stages=stages_asked(plan),
        sources=sources,
        seed=plan.seed,
        asked=plan.asked(),
        folder=out / STATE,
        minutes=plan.minutes,
        n_steps=plan.steps,
        device=device,
        precision=PRECISIONS[plan.precision],
        n_processes=plan.n_processes,
        validate_every=plan.validate_every,
        save_s=plan.save_s,
    )

    def step(done: StepDone) -> None:
        if board is not None:
            board.losses(done.stage, done.step, done.losses, done.rate, done.seconds)
            judge.undrawn = True
        tell.step(done)

    try:
        ended = train(network, training, Watch(step, judge, tell.stop, tell.warn), team)
    finally:
        if board is not None:
            board.close()
    if team.leads:
        judge.draw()
        _tell_faults([fault for fault in _faults(sources) if fault not in known], tell)
    if not ended:
        return None
    path = out / f"{plan.model.partition('@')[0]}.safetensors"
    if team.leads:
        parameters = json.dumps(plan.parameters, sort_keys=True)
        said = {"model": plan.model, "made_by": "cleanplate fit", PARAMETERS: parameters}
        write_safetensors(path, network.state_dict(), said, half=True)
    return Fitted(path, judge.history())


def _set_up(device: str) -> None:
    if device == "cpu":
        keep_memory()


def _sources(plan: FitPlan, tell: Tell) -> Sources:
    """Open what examples are made from, and say what of it cannot be used."""
    pictures, plates = (Pictures([Path(path) for path in paths]) for paths in (plan.pictures, plan.plates))
    reader = reader_of([Path(path) for path in plan.foregrounds]) if plan.foregrounds else None
    sources = Sources(pictures, plates, reader)
    _tell_faults(_faults(sources), tell)
    return sources


def _faults(sources: Sources) -> list[str]:
    """Return what is known by now of files that cannot be used, each with the reason."""
    found = sources.find.faults if isinstance(sources.find, ForegroundReader) else {}
    named = [f"{name}: {fault}" for name, fault in found.items()]
    return [*sources.pictures.unreadable, *sources.plates.unreadable, *named]


def _tell_faults(faults: Sequence[str], tell: Tell) -> None:
    for fault in faults[:MOST_FAULTS]:
        tell.warn(f"{fault}; it is not learned from")
    if len(faults) > MOST_FAULTS:
        tell.warn(f"and {len(faults) - MOST_FAULTS} more that are not learned from")


class _Judge:
    """Validate at the ends of stages and in between, and keep the scores and pictures."""

    def __init__(self, plan: FitPlan, out: Path, device: str, tell: Tell, board: Board | None) -> None:
        self.plan, self.out, self.device, self.tell, self.board = plan, out, device, tell, board
        self.sources = Sources(
            Pictures([Path(path) for path in plan.held_pictures]), Pictures([Path(p) for p in plan.plates])
        )
        self.held: dict[tuple[int, int], HeldOut] = {}
        self.undrawn = not (out / CURVES).is_file()

    def __call__(self, network: nn.Module, stage: Stage, step: int) -> None:
        held = self._held(stage)
        found = validate(network, held, self.device, stage)  # type: ignore[arg-type]
        self.tell.validated(stage.name, step, found)
        row = {
            "stage": stage.name,
            "step": step,
            "stream": STREAM,
            "whole": asdict(found.whole),
            "unknown": asdict(found.unknown),
        }
        rows = [*(one for one in self.history() if (one["stage"], one["step"]) != (stage.name, step)), row]
        write_whole(self.out / SCORES, "".join(json.dumps(one) + "\n" for one in rows).encode())
        sheet = contact_sheet(
            picture_rows(network, held[:N_ROWS], self.device, stage),  # type: ignore[arg-type]
            title=f"{self.plan.model}, stage {stage.name}, step {step}: held-out pairs",
        )
        if self.board is not None:
            unknown = {f"unknown_{name}": value for name, value in asdict(found.unknown).items()}
            self.board.scores(stage.name, step, {**asdict(found.whole), **unknown})
            self.board.picture("held-out pairs", step, sheet)
            self.draw()
        _, encoded = cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
        write_whole(self.out / PICTURES / f"{step:07d}-{stage.name.replace(' ', '-')}.png", encoded.tobytes())

    def draw(self) -> None:
        """Draw the curves where there are steps that they do not show."""
        if self.undrawn:
            draw_curves(self.out)
        self.undrawn = False

    def forget_after(self, step: int | None) -> None:
        """Drop the scores after a step, all for None, and those on another stream: training goes on from there."""
        kept = [one for one in self.history() if step is not None and one["step"] <= step]
        if len(kept) < len(_read_scores(self.out)):
            write_whole(self.out / SCORES, "".join(json.dumps(one) + "\n" for one in kept).encode())

    def history(self) -> tuple[dict[str, Any], ...]:
        """Return the scores so far, without those on the held-out stream of another version."""
        return tuple(row for row in _read_scores(self.out) if row.get("stream") == STREAM)

    def _held(self, stage: Stage) -> HeldOut:
        key = (stage_size(stage), min(stage.n_frames, 8))
        if key not in self.held:
            self.held[key] = held_out(self.sources, self.plan.n_held_out, *key)
        return self.held[key]


def _read_scores(out: Path) -> list[dict[str, Any]]:
    path = out / SCORES
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def check_same(plan: FitPlan, out: Path) -> None:
    """Raise Refused where the folder holds a fit with other settings."""
    state = load_state(out / STATE)
    if state is None:
        return
    before, now = json.loads(state.asked), json.loads(plan.asked())
    differ = [
        f"{OPTIONS.get(name, name)} {_shown(before.get(name), now[name])}"
        for name in now
        if before.get(name) != now[name] and name != SETTLED
    ]
    if differ:
        raise Refused(
            f"{out} holds a fit with other settings ({'; '.join(differ)}): go on with those, or name another folder."
        )
    if before.get(SETTLED) != now[SETTLED]:
        raise Refused(
            f"{out} holds a fit of another version of cleanplate, whose stages had other settings: go on with that "
            "version, or name another folder."
        )


def _shown(before: Any, now: Any) -> str:
    """Show a setting that differs: of lists of files how many there are, and one that is in one of them only."""
    if not (isinstance(before, list) and isinstance(now, list)) or len(before) + len(now) < MOST_SHOWN:
        return f"{before!r} -> {now!r}"
    other = next((name for name in (*before, *now) if (name in before) != (name in now)), "another order")
    return f"{len(before)} -> {len(now)}, such as {other}"


def write_whole(path: Path, data: bytes) -> None:
    """Write a file whole, or leave the one before as it is. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_bytes(data)
    os.replace(temporary, path)
