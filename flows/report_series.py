"""Time series of a report: the measures of one sequence's frames, thinned to what a screen shows, as a script."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from manifests.measures import FRAME_MEASURES, VERDICTS
from manifests.qc import CameraMeasure, QcFrames
from manifests.verdicts import streams

MOST_POINTS = 1000
"""Of a series; longer ones are told as lowest and highest value of half as many stretches."""
MOST_SPANS = 200
"""Flagged stretches that are named for each camera."""

_CALL = "window.cleanplateSeries"


def sequences_of(frames: QcFrames) -> list[str]:
    """Return the names of a subject's sequences, sorted, each once."""
    return sorted({sequence for sequence, _ in streams(frames)})


def series_script(frames: QcFrames, sequence: str, place: int, measured: Sequence[CameraMeasure]) -> bytes:
    """Return the script that hands the series of a sequence and its camera measures to the page."""
    cameras = {camera: series_of(frames, rows) for (name, camera), rows in streams(frames).items() if name == sequence}
    for one in measured:
        if one.sequence == sequence and one.camera in cameras:
            told = one.n_frames, one.median, one.p95, one.worst, one.limit, one.verdict, list(one.worst_frames[:3])
            cameras[one.camera]["numbers"].append([one.measure, *told])
    told_all = {"sequence": sequence, "cameras": cameras}
    return f"({_CALL} = {_CALL} || {{}})[{place}] = {json.dumps(told_all, separators=(',', ':'))};\n".encode()


def series_of(frames: QcFrames, rows: np.ndarray) -> dict[str, Any]:
    """Return the series of one camera: frame numbers, measures that are known, and flagged stretches.

    rows: (n,) int64, sorted by frame. A measure is its list of values, one number where it never changes, or
    [lowest, highest] of stretches. NaN is a word of JavaScript's, though not of JSON's.
    """
    numbers = frames.frame[rows]
    n_stretches = MOST_POINTS // 2 if len(rows) > MOST_POINTS else 0
    starts = np.unique(np.linspace(0, len(rows), n_stretches, endpoint=False).astype(np.int64))
    shown = numbers[starts] if n_stretches else numbers
    measures = {}
    for name in FRAME_MEASURES:
        values = frames.measures.get(name)
        if values is not None and not np.isnan(values[rows]).all():
            measures[name] = _thinned(values[rows], starts) if n_stretches else _told(values[rows])
    return {
        "frames": _numbers(shown),
        "last": int(numbers[-1]),
        "measures": measures,
        "spans": _spans(frames, rows),
        "numbers": [],
    }


def _numbers(numbers: np.ndarray) -> Any:
    """Return frame numbers as [first, step, count] where they are even, else as they are."""
    steps = np.unique(np.diff(numbers))
    if len(steps) <= 1:
        return {"first": int(numbers[0]), "step": int(steps[0]) if len(steps) else 1, "count": len(numbers)}
    return numbers.tolist()


def _told(values: np.ndarray) -> Any:
    rounded = _rounded(values)
    return rounded[0].item() if (rounded == rounded[0]).all() else rounded.tolist()


def _thinned(values: np.ndarray, starts: np.ndarray) -> Any:
    """Return the lowest and the highest value of each stretch; those that are not known do not count."""
    lowest, highest = np.fmin.reduceat(values, starts), np.fmax.reduceat(values, starts)
    if (lowest == highest[0]).all() and (highest == highest[0]).all():
        return float(_rounded(highest[:1])[0])
    return {"lo": _rounded(lowest).tolist(), "hi": _rounded(highest).tolist()}


def _rounded(values: np.ndarray) -> np.ndarray:
    """Return values with three digits that count, as they are shown."""
    with np.errstate(divide="ignore", invalid="ignore"):
        places = 2 - np.floor(np.log10(np.abs(values)))
    places = np.where(np.isfinite(places), places, 0).clip(-15, 15)
    up, down = 10.0 ** np.maximum(places, 0), 10.0 ** np.maximum(-places, 0)
    rounded: np.ndarray = np.round(values * up / down) / up * down
    return rounded


def _spans(frames: QcFrames, rows: np.ndarray) -> list[list[Any]]:
    """Return [first frame, last frame, verdict, measure] of stretches that are not `pass`, the worst first if many."""
    levels = np.array([VERDICTS.index(verdict) if verdict in VERDICTS else 0 for verdict in frames.verdict[rows]])
    levels[frames.status[rows] != "ok"] = len(VERDICTS)
    names = np.where(levels == len(VERDICTS), frames.status[rows], frames.measure[rows])
    changes = np.flatnonzero((levels[1:] != levels[:-1]) | (names[1:] != names[:-1])) + 1
    bounds = np.array([0, *changes, len(rows)])
    numbers = frames.frame[rows]
    spans = [
        [int(numbers[start]), int(numbers[stop - 1]), (*VERDICTS, "not ok")[levels[start]], names[start]]
        for start, stop in zip(bounds[:-1], bounds[1:], strict=True)
        if levels[start]
    ]
    if len(spans) > MOST_SPANS:
        order = (*VERDICTS, "not ok")
        spans = sorted(sorted(spans, key=lambda span: -order.index(span[2]))[:MOST_SPANS])
    return spans
