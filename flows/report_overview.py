"""The overview of a report: one verdict for each subject and camera, and the counts above them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flows.report_words import why_camera
from manifests.plan import CameraStatus
from manifests.qc import CameraVerdict, SubjectQc
from manifests.sharding import subject_folder

CODES = {"pass": 0, "review": 1, "fail": 2, "not judged": 3, "pending": 4}
"""How a cell's verdict is told to the page; of several sequences the worst counts, in this order: fail, review, ..."""
_WORST_FIRST = (2, 1, 4, 3, 0)


@dataclass(frozen=True, slots=True)
class Row:
    """A subject's row of the heat map: `cells` by camera as (code, place of the sequence, measure, why)."""

    subject: str
    cells: Mapping[str, tuple[int, int, str, str]]
    n_frames: int
    n_ok: int
    has_page: bool = False
    is_complete: bool = True


def judged_row(qc: SubjectQc) -> Row:
    """Return the row of a subject that was judged; each camera's cell is the worst of its sequences."""
    places = {name: place for place, name in enumerate(sorted({said.sequence for said in qc.verdicts}))}
    cells: dict[str, tuple[int, int, str, str]] = {}
    for said in qc.verdicts:
        cell = _cell(said, places)
        if said.camera not in cells or _rank(cell) < _rank(cells[said.camera]):
            cells[said.camera] = cell
    n_frames, n_ok = sum(said.n_frames for said in qc.verdicts), sum(said.n_ok for said in qc.verdicts)
    return Row(qc.subject, cells, n_frames, n_ok, True, bool(qc.meta.get("is_complete", True)))


def unjudged_row(subject: str, statuses: Iterable[CameraStatus]) -> Row:
    """Return the row of a subject without QC: pending where a frame has no receipt yet, else not judged."""
    cells: dict[str, tuple[int, int, str, str]] = {}
    n_frames = n_ok = 0
    for status in statuses:
        n_frames, n_ok = n_frames + status.n_frames, n_ok + status.n_ok
        code = CODES["pending"] if status.n_pending else CODES["not judged"]
        text = f"{status.n_pending} of {status.n_frames} frames pending" if status.n_pending else "matted, not judged"
        cell = code, 0, "", text
        if status.camera not in cells or _rank(cell) < _rank(cells[status.camera]):
            cells[status.camera] = cell
    return Row(subject, cells, n_frames, n_ok, is_complete=False)


def overview_record(rows: Sequence[Row], about: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the page is drawn from; `about` is what it says above: output root, time, measures."""
    cameras = sorted({camera for row in rows for camera in row.cells})
    return {
        **about,
        "cameras": cameras,
        "codes": list(CODES),
        "subjects": [
            {
                "name": row.subject,
                "folder": subject_folder(row.subject),
                "page": row.has_page,
                "complete": row.is_complete,
                "frames": row.n_frames,
                "ok": row.n_ok,
                "cells": [_told(row.cells.get(camera)) for camera in cameras],
            }
            for row in rows
        ],
    }


def count_cells(rows: Iterable[Row]) -> dict[str, int]:
    """Count the cells of all rows by verdict, for the closing words."""
    found = Counter(code for row in rows for code, *_ in row.cells.values())
    return {name: found[code] for name, code in CODES.items() if found[code]}


def _cell(said: CameraVerdict, places: Mapping[str, int]) -> tuple[int, int, str, str]:
    text = why_camera(said) if said.verdict != "pass" else ""
    text = f"{said.sequence}: {text}" if said.sequence and text else text
    return CODES.get(said.verdict, CODES["not judged"]), places[said.sequence], said.measure, text


def _told(cell: tuple[int, int, str, str] | None) -> Any:
    if cell is None:
        return None
    return 0 if cell[0] == 0 else list(cell)


def _rank(cell: tuple[int, int, str, str]) -> int:
    return _WORST_FIRST.index(cell[0])
