"""Pages of a report: templates and what they are filled with; text is escaped, scripts and styles lie beside them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any
from urllib.parse import quote

import numpy as np
from jinja2 import Environment, FunctionLoader, StrictUndefined

from flows.report_choice import listed_rows
from flows.report_pictures import Pictures
from flows.report_series import sequences_of
from flows.report_words import explained, label, value_text, why, why_camera
from manifests.measures import FRAME_MEASURES, MEASURES, VERDICTS, Limits, Verdict, verdict_of
from manifests.packs import lies_in
from manifests.pages import GENERATOR, REPORT
from manifests.qc import CameraVerdict, QcFrames, SubjectQc
from manifests.sharding import subject_folder
from matting_tasks.report_pictures import VIEWS

ASSETS = f"{REPORT}/assets"
_TEMPLATES = files("flows") / "templates"
_ASSET_NAMES = (
    *("base.css", "overview.css", "subject.css"),
    *("common.js", "overview.js", "charts.js", "subject.js", "viewer.js"),
)


@dataclass(frozen=True, slots=True)
class SubjectPage:
    """All that the page of a subject is made of; `stamp` tells whether it has to be made again."""

    qc: SubjectQc
    frames: QcFrames
    limits: Limits
    pictures: Sequence[Pictures]
    stamp: str
    built: str


def assets() -> dict[str, bytes]:
    """Return the scripts and styles that all pages share, by their paths relative to the output root."""
    return {f"{ASSETS}/{name}": (_TEMPLATES / name).read_bytes() for name in _ASSET_NAMES}


@lru_cache
def revision() -> str:
    """Return what stands for templates, scripts, styles and the code that fills them: others' pages are made again."""
    digest = hashlib.sha256()
    code = [one for one in files("flows").iterdir() if one.name.startswith("report") and one.name.endswith(".py")]
    code.append(files("matting_tasks") / "report_pictures.py")
    for file in [*sorted(code, key=lambda one: one.name), *sorted(_TEMPLATES.iterdir(), key=lambda one: one.name)]:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def index_html() -> bytes:
    """Return the overview's page; it names no subject, its script reads them."""
    return _environment().get_template("index.html.j2").render(generator=GENERATOR, root="", page="overview").encode()


def subject_html(page: SubjectPage) -> bytes:
    """Return the page of a subject."""
    place_of = {name: place for place, name in enumerate(sequences_of(page.frames))}
    shown = {one.row: place for place, one in enumerate(page.pictures)}
    counts = Counter(said.verdict for said in page.qc.verdicts)
    text = (
        _environment()
        .get_template("subject.html.j2")
        .render(
            root="../",
            page="subject",
            stamp=page.stamp,
            series=f"../data/{quote(subject_folder(page.qc.subject))}/series-",
            qc_table=f"../../qc/{quote(subject_folder(page.qc.subject))}.parquet",
            built=page.built,
            subject=page.qc.subject,
            is_complete=bool(page.qc.meta.get("is_complete", True)),
            counts=[(verdict, counts[verdict]) for verdict in reversed(VERDICTS)],
            n_frames=len(page.frames),
            n_ok=int((page.frames.status == "ok").sum()),
            sequences=[_sequence(page, name, place, shown) for name, place in place_of.items()],
            pictures=[_picture(page, one, place_of) for one in page.pictures],
            measures=explained(page.limits),
            views=VIEWS,
        )
    )
    return text.encode()


def _sequence(page: SubjectPage, name: str, place: int, shown: Mapping[int, int]) -> dict[str, Any]:
    cameras = [said for said in page.qc.verdicts if said.sequence == name]
    return {
        "name": name,
        "place": place,
        "worst": max((VERDICTS.index(said.verdict) for said in cameras if said.verdict in VERDICTS), default=0),
        "cameras": [_camera(said) for said in cameras],
        "listed": [_listed(page, row, shown.get(row)) for row in listed_rows(page.qc, page.frames, name)],
        "pictures": [place for row, place in shown.items() if page.frames.sequence[row] == name],
    }


def _camera(said: CameraVerdict) -> dict[str, Any]:
    return {
        "camera": said.camera,
        "verdict": said.verdict,
        "why": why_camera(said),
        "words": MEASURES[said.measure].words if said.measure in MEASURES else "",
        "n_frames": said.n_frames,
        "n_not_ok": said.n_frames - said.n_ok,
        "n_review": said.n_review,
        "n_fail": said.n_fail,
    }


def _listed(page: SubjectPage, row: int, picture: int | None) -> dict[str, Any]:
    frames = page.frames
    return {
        "camera": frames.camera[row],
        "frame": int(frames.frame[row]),
        "source_frame": int(frames.source_frame[row]),
        "verdict": _verdict(frames, row),
        "why": _why(page, row),
        "mask": f"../../../{quote(lies_in(frames.mask_path[row]))}" if frames.mask_path[row] else "",
        "picture": picture,
    }


def _picture(page: SubjectPage, one: Pictures, place_of: Mapping[str, int]) -> dict[str, Any]:
    frames, row = page.frames, one.row
    return {
        "sequence": place_of[frames.sequence[row]],
        "camera": frames.camera[row],
        "frame": int(frames.frame[row]),
        "source_frame": int(frames.source_frame[row]),
        "model": frames.model[row],
        "verdict": _verdict(frames, row),
        "why": _why(page, row),
        "views": dict(one.views),
        "missing": dict(one.missing),
        "links": one.links,
        "size": one.size,
        "numbers": _numbers(page, row),
    }


def _numbers(page: SubjectPage, row: int) -> list[tuple[str, str, Verdict, str]]:
    """Return the measures of a frame as (label, value, verdict, words), the bad ones first."""
    known = {name: float(page.frames.measures[name][row]) for name in FRAME_MEASURES if name in page.frames.measures}
    told = [
        (label(name), value_text(name, value), _judged(name, value, page.limits), MEASURES[name].words)
        for name, value in known.items()
        if not np.isnan(value)
    ]
    return sorted(told, key=lambda one: -VERDICTS.index(one[2]))


def _judged(name: str, value: float, limits: Limits) -> Verdict:
    return verdict_of(name, value, limits) if MEASURES[name].bad is not None else "pass"


def _verdict(frames: QcFrames, row: int) -> str:
    return str(frames.verdict[row]) if frames.status[row] == "ok" else "not ok"


def _why(page: SubjectPage, row: int) -> str:
    frames = page.frames
    if frames.status[row] != "ok":
        return str(frames.status[row]).replace("_", " ")
    name = str(frames.measure[row])
    if not name:
        return ""
    review, fail = page.limits.of.get(name, (None, None))
    value = float(frames.measures[name][row]) if name in frames.measures else None
    return why(name, value, fail if frames.verdict[row] == "fail" else review)


@lru_cache
def _environment() -> Environment:
    loader = FunctionLoader(lambda name: (_TEMPLATES / name).read_text(encoding="utf-8"))
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"thousands": lambda number: f"{number:,}", "split_keys": _split_keys}
    return environment


def _split_keys(text: str) -> list[tuple[list[str], str]]:
    """Split lines of `KEY KEY|what they do`."""
    parts = (line.strip().partition("|") for line in text.splitlines() if line.strip())
    return [(keys.split(), what) for keys, _, what in parts]
