"""Verdicts: measures of frames and limits in, a verdict for each frame and each camera out; pure, on columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from manifests.measures import FRAME_MEASURES, MEASURES, VERDICTS, Limits, verdict_of
from manifests.qc import CameraMeasure, CameraVerdict, QcFrames

MOST_EXCESS = 10.0
"""How far over its limit a value counts, as a ratio; beyond a limit of 0 everything is endlessly far."""
N_WORST = 12
"""Worst frames that are named for each camera and measure."""

SetValues = Mapping[tuple[str, str], Mapping[str, float]]
"""Measures of scope `set`, by (sequence, camera) and name."""


def judge_frames(frames: QcFrames, limits: Limits) -> QcFrames:
    """Return the frames with their verdicts: the worst of their measures', and of those the one that is most over."""
    worst, decided = np.zeros(len(frames), dtype=np.int64), np.full(len(frames), "", dtype=object)
    excess = np.zeros(len(frames))
    for name in FRAME_MEASURES:
        values = frames.measures.get(name)
        if values is None or MEASURES[name].bad is None:
            continue
        level, over = _levels(name, values, limits)
        wins = (level > worst) | ((level == worst) & (level > 0) & (over > excess))
        worst[wins], excess[wins], decided[wins] = level[wins], over[wins], name
    verdicts = np.array(VERDICTS, dtype=object)[worst]
    return replace(frames, verdict=verdicts, measure=decided)


def measure_cameras(frames: QcFrames, limits: Limits, of_sets: SetValues) -> list[CameraMeasure]:
    """Return every measure of every (sequence, camera), in the order of the table of measures."""
    found = []
    for (sequence, camera), rows in streams(frames).items():
        numbers = frames.frame[rows]
        for name in FRAME_MEASURES:
            values = frames.measures.get(name)
            known = np.zeros(0, dtype=np.int64) if values is None else np.flatnonzero(~np.isnan(values[rows]))
            if values is not None and len(known):
                made = _of_frames(name, numbers[known], values[rows][known], limits)
                found.append(replace(made, subject=frames.subject, sequence=sequence, camera=camera))
        for name, value in of_sets.get((sequence, camera), {}).items():
            verdict = verdict_of(name, value, limits)
            limit = _limit(name, verdict, limits)
            key = frames.subject, sequence, camera, name
            found.append(CameraMeasure(*key, len(rows), value, value, value, (), value, limit, verdict))
    return found


def judge_cameras(frames: QcFrames, cameras: Sequence[CameraMeasure], limits: Limits) -> list[CameraVerdict]:
    """Return the verdict of every (sequence, camera): the worst of its measures', the one most over its limit first."""
    by_camera: dict[tuple[str, str], list[CameraMeasure]] = {}
    for one in cameras:
        by_camera.setdefault((one.sequence, one.camera), []).append(one)
    verdicts = []
    for (sequence, camera), rows in streams(frames).items():
        counts = (
            len(rows),
            int((frames.status[rows] == "ok").sum()),
            int((frames.verdict[rows] == "review").sum()),
            int((frames.verdict[rows] == "fail").sum()),
        )
        said = CameraVerdict(frames.subject, sequence, camera, *counts, "pass")
        bad = [one for one in by_camera.get((sequence, camera), ()) if one.verdict != "pass"]
        if bad:
            one = max(bad, key=lambda one: (VERDICTS.index(one.verdict), _excess(one.value, one.limit)))
            said = replace(
                said,
                verdict=one.verdict,
                measure=one.measure,
                value=one.value,
                limit=one.limit,
                worst_frames=one.worst_frames,
            )
        verdicts.append(said)
    return verdicts


def streams(frames: QcFrames) -> dict[tuple[str, str], np.ndarray]:
    """Return the rows (n,) int64 of each (sequence, camera), in order."""
    if not len(frames):
        return {}
    changes = (frames.sequence[1:] != frames.sequence[:-1]) | (frames.camera[1:] != frames.camera[:-1])
    starts = [0, *(np.flatnonzero(changes) + 1).tolist(), len(frames)]
    return {
        (frames.sequence[start], frames.camera[start]): np.arange(start, stop)
        for start, stop in zip(starts[:-1], starts[1:], strict=True)
    }


def _levels(name: str, values: np.ndarray, limits: Limits) -> tuple[np.ndarray, np.ndarray]:
    """Return the verdict of each value as its place in VERDICTS, and how far it is over its limit, as a ratio."""
    level, over = np.zeros(len(values), dtype=np.int64), np.zeros(len(values))
    sign = 1.0 if MEASURES[name].bad == "high" else -1.0
    for place, limit in enumerate(limits.of.get(name, (None, None)), start=1):
        if limit is not None:
            with np.errstate(invalid="ignore"):
                beyond = sign * values > sign * limit
            level[beyond] = place
            over[beyond] = np.minimum(np.abs(values[beyond] - limit) / max(abs(limit), 1e-9), MOST_EXCESS)
    return level, over


def _of_frames(name: str, numbers: np.ndarray, values: np.ndarray, limits: Limits) -> CameraMeasure:
    measure, is_low = MEASURES[name], MEASURES[name].bad == "low"
    order = np.argsort(values if is_low else -values, kind="stable")
    median, p95 = float(np.median(values)), float(np.percentile(values, 5 if is_low else 95))
    worst = float(values[order[0]])
    value = median if measure.judged_by == "median" else worst
    verdict = verdict_of(name, value, limits)
    chosen = tuple(numbers[order[:N_WORST]].tolist())
    limit = _limit(name, verdict, limits)
    judged = value if measure.bad is not None else None
    return CameraMeasure("", "", "", name, len(values), median, p95, worst, chosen, judged, limit, verdict)


def _limit(name: str, verdict: str, limits: Limits) -> float | None:
    """Return the limit that a value passed, or the first that it did not."""
    review, fail = limits.of.get(name, (None, None))
    if verdict == "fail":
        return fail
    return review if verdict == "review" or review is not None else fail


def _excess(value: float | None, limit: float | None) -> float:
    if value is None or limit is None:
        return 0.0
    return min(abs(value - limit) / max(abs(limit), 1e-9), MOST_EXCESS)
