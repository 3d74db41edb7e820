"""The model card: what a fitted network is, what it was made from, how good it is and how it is used, as Markdown."""

from __future__ import annotations

import os
import platform
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from matting_tasks.metrics import Scores
from models.fitted import FittedWeights, write_entry
from models.parameters import Parameter
from models.registry import names
from models.weights import file_sha256

CARD = "card.md"
SHOWN = {"mad": "MAD", "mse": "MSE", "grad": "Grad", "conn": "Conn"}
PRECISIONS = {
    "fp16": "convolutions in half precision, biases and BatchNorm in float32",
    "fp32": "float32",
}
CPU_INFO = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True)
class Machine:
    """Name what a network was trained on; gpu is None where only the CPU worked."""

    cpu: str
    n_threads: int
    gpu: str | None = None


@dataclass(frozen=True, slots=True)
class StageFacts:
    """Say how long a stage was, and by which settings: name and value as text."""

    name: str
    n_steps: int
    seconds: float
    settings: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Material:
    """Say what a network saw: such as `pictures`, 120, "CC0"; `what` says it in words."""

    kind: str
    count: int
    licence: str
    what: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """Name a picture that a network saw, and where it is from."""

    name: str
    licence: str
    source: str


@dataclass(frozen=True, slots=True)
class Scored:
    """Hold the mean scores of a model on the held-out stream: whole pictures, and their unknown regions.

    mad_error: the standard error of the MAD of whole pictures, None where it is not known.
    """

    name: str
    whole: Scores
    unknown: Scores
    mad_error: float | None = None


@dataclass(frozen=True, slots=True)
class CardFacts:
    """Hold all that a card says but the file's own hash and size.

    name: of the weights; model: the architecture; file: its name in the folder; precision: a key of PRECISIONS;
    made_on: a date; start: what training began from; stream: the held-out stream in words; before: of the start,
    None where it cannot matte; others: models beside it; parameters: with which it was fitted and judged, where they
    are not the usual ones.
    """

    name: str
    model: str
    file: str
    n_parameters: int
    precision: str
    licence: str
    version: str
    made_on: str
    start: str
    machine: Machine
    stages: tuple[StageFacts, ...]
    settings: tuple[tuple[str, str], ...]
    materials: tuple[Material, ...]
    pictures: tuple[Picture, ...]
    stream: str
    n_held_out: int
    before: Scored | None
    after: Scored
    others: tuple[Scored, ...] = ()
    limits: tuple[str, ...] = ()
    parameters: dict[str, Parameter] = field(default_factory=dict)


def write_card(folder: Path, facts: CardFacts) -> Path:
    """Write the card and the entry of the file in this folder, and return the card's path.

    Raises FileNotFoundError where the file is not there, and ValueError for a precision that is not known.
    """
    file = folder / facts.file
    sha256, size_bytes = file_sha256(file), file.stat().st_size
    fitted = FittedWeights(facts.name, facts.model, facts.file, sha256, facts.licence, size_bytes, facts.parameters)
    text = card_text(facts, fitted)
    temporary = folder / f".{CARD}.{uuid.uuid4().hex}"
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, folder / CARD)
    finally:
        temporary.unlink(missing_ok=True)
    write_entry(folder, fitted)
    return folder / CARD


def card_text(facts: CardFacts, fitted: FittedWeights) -> str:
    """Return the card; for the same facts always the same text."""
    if facts.precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, found {facts.precision!r}")
    parts = (
        [f"# {facts.name}"],
        _what(facts, fitted),
        _use(facts),
        _scores(facts),
        _limits(facts),
        _training(facts),
        _data(facts),
    )
    return "\n".join(line for part in parts if part for line in (*part, "")).rstrip() + "\n"


def here(n_threads: int, gpu: str | None = None) -> Machine:
    """Return this machine, as its system names its CPU."""
    try:
        lines = CPU_INFO.read_text().splitlines()
    except OSError:
        lines = []
    found = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return Machine(found[0] if found else platform.processor() or platform.machine(), n_threads, gpu)


def _what(facts: CardFacts, fitted: FittedWeights) -> list[str]:
    rows = [
        ("architecture", f"{facts.model}, {facts.n_parameters / 1e6:.2f} million parameters"),
        ("file", f"`{facts.file}`, {fitted.size_bytes:,} bytes; {PRECISIONS[facts.precision]}"),
        ("SHA-256", f"`{fitted.sha256}`"),
        ("licence", facts.licence),
        ("made by", f"cleanplate {facts.version}, {facts.made_on}"),
    ]
    return _table(("", ""), rows)


def _use(facts: CardFacts) -> list[str]:
    """Say how the weights are named: those of a registry entry by it, others by the folder of this card."""
    named = f"--model {facts.name}"
    if facts.name not in names():
        named = f"--model {facts.model} --weights FOLDER"
    lines = ["## Use", "", f"    cleanplate matte CAPTURE --out OUT {named}"]
    if facts.name not in names():
        lines += ["", "FOLDER is the one that this card lies in, or its file with weights."]
    return lines


def _scores(facts: CardFacts) -> list[str]:
    lines = [
        "## Scores",
        "",
        f"{facts.stream} {facts.n_held_out} picture{'' if facts.n_held_out == 1 else 's'}. Less is better: MAD and "
        "MSE x 1e3, Grad and Conn in sums / 1000 as `cleanplate evaluate` counts them. The unknown region is where the "
        "true alpha is soft, and a band around it. After ± is the standard error of a mean over these pictures.",
    ]
    rows = [("before training", facts.before)] if facts.before is not None else []
    rows += [(facts.after.name, facts.after), *((other.name, other) for other in facts.others)]
    for region in ("whole", "unknown"):
        title = "whole pictures" if region == "whole" else "unknown region"
        error = {name: scored.mad_error if region == "whole" else None for name, scored in rows}
        scores = [(name, *_cells(getattr(scored, region), error[name])) for name, scored in rows]
        lines += ["", *_table((title, *SHOWN.values()), scores)]
    return lines


def _limits(facts: CardFacts) -> list[str]:
    if not facts.limits:
        return []
    return ["## Known limits", "", *(f"- {limit}" for limit in facts.limits)]


def _training(facts: CardFacts) -> list[str]:
    machine = facts.machine
    worked = machine.cpu if machine.gpu is None else f"{machine.gpu}, beside {machine.cpu}"
    n_steps, seconds = sum(stage.n_steps for stage in facts.stages), sum(stage.seconds for stage in facts.stages)
    lines = [
        "## Training",
        "",
        f"Began from {facts.start}. {n_steps:,} steps in {_duration(seconds)} on {worked}, {machine.n_threads} "
        f"thread{'' if machine.n_threads == 1 else 's'}.",
        "",
        *_table(
            ("stage", "steps", "time", "settings"),
            [
                (stage.name, f"{stage.n_steps:,}", _duration(stage.seconds), _settings(stage.settings))
                for stage in facts.stages
            ],
        ),
    ]
    return lines + (["", f"Settings of all stages: {_settings(facts.settings)}."] if facts.settings else [])


def _data(facts: CardFacts) -> list[str]:
    rows = [
        (material.kind, f"{material.count:,}" if material.count else "-", material.licence, material.what)
        for material in facts.materials
    ]
    lines = ["## Data", "", *_table(("kind", "count", "licence", ""), rows)]
    if facts.pictures:
        pictures = [(picture.name, picture.licence, picture.source) for picture in facts.pictures]
        lines += ["", "Each picture:", "", *_table(("picture", "licence", "from"), pictures)]
    return lines


def _cells(scores: Scores, mad_error: float | None) -> list[str]:
    found = [getattr(scores, name) for name in SHOWN]
    mad, *others = ["-" if value is None else f"{value:.2f}" for value in found]
    return [mad if mad_error is None else f"{mad} ± {mad_error:.2f}", *others]


def _settings(settings: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings)


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{seconds / 3600:.1f} h"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table in Markdown; what would end a cell is escaped."""
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in (head, *rows)]
    lines = [f"| {' | '.join(row)} |" for row in cells]
    return [lines[0], f"|{'---|' * len(head)}", *lines[1:]]
