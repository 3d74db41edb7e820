"""What is written of a fit that has ended: how good the network is beside others, and its card."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import torch

from matting_tasks.contact_sheet import contact_sheet
from matting_tasks.fit.card import CARD, CardFacts, Scored, StageFacts, here, write_card
from matting_tasks.fit.compose import Pairs
from matting_tasks.fit.fit import N_ROWS, STATE, Fitted, write_whole
from matting_tasks.fit.materials import licence_of, materials_of, pictures_of
from matting_tasks.fit.network import REFINER, make_network
from matting_tasks.fit.pictures import Pictures
from matting_tasks.fit.plan import IMAGENET, SCRATCH, FitPlan, stages_asked
from matting_tasks.fit.stages import BASE, RECURRENT, REFINE, Stage, stages_of
from matting_tasks.fit.state import LAST, load_state
from matting_tasks.fit.stream import Sources
from matting_tasks.fit.validation import STREAM, HeldOut, Validated, held_out, picture_rows, validate
from matting_tasks.metrics import Scores
from models.base import MattingModel
from models.checkpoints import load_state_dict
from models.errors import WeightsError
from models.fitted import weights_of
from models.parameters import Parameter
from models.registry import build

SIZES_PX = {BASE: 256, REFINE: 1024, RECURRENT: 512}
"""Sides of the frames by which a card judges, by the kind of the last stage."""
N_FRAMES = 8  # of a clip, for a recurrent network
COMPARED = "compared.json"
BEFORE = "before.json"
SHEET = "held-out.png"
LIMITS = (
    "It was judged on drawn people. Look at the report of a real run before you trust its mattes.",
    "A plate of another camera, or one off by more than the check allows, is not mended by any network.",
)


def write_finished(plan: FitPlan, out: Path, device: str, fitted: Fitted, made_on: str) -> Path:
    """Judge the finished network beside others, write its pictures and its card, and return the card's path.

    made_on: a date. Raises OSError, and what building the network raises.
    """
    held = held_for_card(plan)
    model = build(plan.model, plan.parameters, fitted.weights, device, "fp32")
    name = plan.model.partition("@")[0]
    scores = {"after": _scored(f"{name}, fitted", validate(model, held, device))}
    before = _read_before(plan, out)
    if before is not None:
        scores["before"] = before
    for other, its in _beside(plan, device).items():
        scores[other] = _scored(other, validate(its, held, device))
    rows = {key: _to_json(one) for key, one in scores.items()}
    write_whole(out / COMPARED, (json.dumps(rows, indent=1) + "\n").encode())
    _write_sheet(out, model, held, device, f"{name}, fitted: held-out pairs")
    return write_card(out, _facts(plan, out, device, scores, made_on))


def compared(out: Path) -> dict[str, Scored]:
    """Return the scores that were found of a network before and after, and of those beside it, by name; or none."""
    found = json.loads((out / COMPARED).read_text()) if (out / COMPARED).is_file() else {}
    first = [name for name in ("before", "after") if name in found]
    return {name: _from_json(name, found[name]) for name in (*first, *(name for name in found if name not in first))}


def _to_json(scored: Scored) -> dict[str, Any]:
    return {"whole": asdict(scored.whole), "unknown": asdict(scored.unknown), "mad_error": scored.mad_error}


def _from_json(name: str, found: dict[str, Any]) -> Scored:
    # folders of earlier versions have no error of the mean
    return Scored(name, Scores(**found["whole"]), Scores(**found["unknown"]), found.get("mad_error"))


def _scored(name: str, found: Validated) -> Scored:
    return Scored(name, found.whole, found.unknown, found.mad_error)


def held_for_card(plan: FitPlan) -> HeldOut:
    """Make the held-out pairs of a card, over pictures that were held out and the user's plates."""
    sources = Sources(Pictures(_paths(plan.held_pictures)), Pictures(_paths(plan.plates)))
    n_frames = N_FRAMES if stages_asked(plan)[-1].kind == RECURRENT else 1
    return held_out(sources, plan.n_held_out, SIZES_PX[stages_asked(plan)[-1].kind], n_frames)


def score_start(plan: FitPlan, out: Path, device: str, imagenet: Path | None) -> Scored | None:
    """Judge the network as it begins, once; None where it begins with noise in it, and cannot matte yet.

    Raises OSError, and what `make_network` raises.
    """
    if plan.start in (SCRATCH, IMAGENET):
        (out / BEFORE).unlink(missing_ok=True)
        return None
    known = _read_before(plan, out)
    if known is None:
        network = make_network(plan.model, _as_it_began(plan), plan.start, imagenet, plan.seed).eval().to(device)
        found = validate(network, held_for_card(plan), device)  # type: ignore[arg-type]
        scores = _to_json(_scored("before", found))
        write_whole(out / BEFORE, json.dumps({"asked": plan.asked(), "stream": STREAM, **scores}).encode())
        known = _read_before(plan, out)
    return known


def _as_it_began(plan: FitPlan) -> dict[str, Parameter]:
    """Return the parameters to judge the beginning with: a refiner that is noise, behind its base, refines nothing."""
    if stages_of(plan.model)[-1].kind != REFINE:
        return plan.parameters
    if any(key.startswith(REFINER) for key in load_state_dict(Path(plan.start))):
        return plan.parameters
    return {**plan.parameters, "refine_mode": "sampling", "refine_sample_pixels": 0}


def _read_before(plan: FitPlan, out: Path) -> Scored | None:
    """Read the scores of a network as it began, None where there are none of this fit."""
    if not (out / BEFORE).is_file():
        return None
    found = json.loads((out / BEFORE).read_text())
    if found.get("asked") != plan.asked() or found.get("stream") != STREAM:
        return None
    return _from_json("before", found)


def card_of_finished(plan: FitPlan, out: Path) -> Path | None:
    """Return the card of a fit that has ended with all its files written, None where something is to do."""
    card, state = out / CARD, load_state(out / STATE)
    if state is None or state.stage < len(stages_asked(plan)) or not card.is_file():
        return None
    if card.stat().st_mtime < (out / STATE / LAST).stat().st_mtime:
        return None  # of a fit before this one
    try:
        weights_of(out)
    except WeightsError:
        return None
    return card


def _beside(plan: FitPlan, device: str) -> dict[str, MattingModel]:
    """Return the models that a card judges too, by name."""
    return {name: build(name, {}, Path(file) if file else None, device, "fp32") for name, file in plan.beside.items()}


def _write_sheet(out: Path, model: MattingModel, held: Sequence[Pairs], device: str, title: str) -> None:
    sheet = contact_sheet(picture_rows(model, held[:N_ROWS], device), title=title)
    _, encoded = cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
    write_whole(out / SHEET, encoded.tobytes())


def _facts(plan: FitPlan, out: Path, device: str, scores: dict[str, Scored], made_on: str) -> CardFacts:
    state = load_state(out / STATE)
    finished = {one["name"]: one for one in (state.finished if state is not None else [])}
    gpu = torch.cuda.get_device_name(device) if device != "cpu" else None
    architecture = plan.model.partition("@")[0]
    size = "{0} x {0}".format(SIZES_PX[stages_asked(plan)[-1].kind])
    return CardFacts(
        name=plan.name or f"{architecture}@{out.resolve().name}",
        model=architecture,
        file=f"{architecture}.safetensors",
        n_parameters=sum(tensor.numel() for tensor in load_state_dict(out / f"{architecture}.safetensors").values()),
        precision="fp16",
        licence=plan.licence or licence_of(plan),
        version=importlib.metadata.version("cleanplate"),
        made_on=made_on,
        start=plan.start if plan.start in (SCRATCH, IMAGENET) else Path(plan.start).name,
        machine=here(torch.get_num_threads(), gpu),
        stages=tuple(_stage_facts(stage, finished.get(stage.name)) for stage in stages_asked(plan)),
        settings=_settings(plan),
        materials=materials_of(plan),
        pictures=pictures_of(plan),
        stream=_stream(plan, size),
        n_held_out=plan.n_held_out,
        before=scores.get("before"),
        after=scores["after"],
        others=tuple(scored for name, scored in scores.items() if name not in ("before", "after")),
        limits=LIMITS,
        parameters=plan.parameters,
    )


def _stream(plan: FitPlan, size: str) -> str:
    before = "people before the plates that it was fitted to, " if plan.plates else ""
    return (
        f"A held-out stream that training never draws from: {before}{size} pixels, frames and plates disturbed within "
        "the published ranges, nobody in what is behind them."
    )


def _stage_facts(stage: Stage, finished: dict[str, Any] | None) -> StageFacts:
    known = finished or {"n_steps": 0, "seconds": 0.0}
    weights = {name: value for name, value in asdict(stage.weights).items() if value}
    settings = (
        ("examples of a step", str(stage.n_examples)),
        ("frames of an example", str(stage.n_frames)),
        ("sides of frames, px", f"{stage.least_px} to {stage.most_px}"),
        ("highest learning rates", _rates(stage)),
        ("losses", ", ".join(f"{name} {value:g}" for name, value in weights.items())),
    )
    return StageFacts(stage.name, int(known["n_steps"]), float(known["seconds"]), settings)


def _rates(stage: Stage) -> str:
    refiner = "" if stage.refiner_rate is None else f", refiner {stage.refiner_rate:g}"
    return f"{stage.rate:g}, backbone {stage.backbone_rate:g}{refiner}"


def _settings(plan: FitPlan) -> tuple[tuple[str, str], ...]:
    said = {"seed": plan.seed, "precision": plan.precision, "workers": plan.n_workers, **plan.parameters}
    return tuple((name, str(value)) for name, value in said.items())


def _paths(names: Sequence[str]) -> list[Path]:
    return [Path(name) for name in names]
