"""Comparing: the numbers of flagged frames before they were matted again, and after, by camera and measure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from manifests.flagged import read_before, take
from manifests.measures import MEASURES
from manifests.qc import QcFrames, read_qc_frames
from manifests.storage import Folder
from manifests.verdicts import streams


@dataclass(frozen=True, slots=True)
class Compared:
    """One measure over the frames of a camera that a decision redid because they were flagged.

    Medians and worst values are of the `n_frames` frames before, and of the `n_after` that QC has judged since, None
    where it has judged none. `n_flagged` of those are still flagged, by whatever measure.
    """

    subject: str
    sequence: str
    camera: str
    measure: str
    n_frames: int
    n_after: int
    n_flagged: int
    median_before: float | None
    median_after: float | None
    worst_before: float | None
    worst_after: float | None


def compare(out: Folder, decision: int) -> Iterator[Compared]:
    """Yield what a decision with reason `flagged` changed, for the measures that flagged; nothing if none was kept."""
    for before in read_before(out, decision):
        now = read_qc_frames(out, before.subject)
        after = None if now is None else _judged_since(before, now, decision)
        for (sequence, camera), rows in streams(before).items():
            chosen = np.zeros(0, dtype=np.int64)
            if after is not None:
                chosen = np.flatnonzero((after.sequence == sequence) & (after.camera == camera))
            for measure in sorted({name for name in before.measure[rows] if name}):
                values = before.measures[measure][rows]
                since = np.zeros(0) if after is None else after.measures[measure][chosen]
                n_flagged = 0 if after is None else int((after.verdict[chosen] != "pass").sum())
                counts = len(rows), len(chosen), n_flagged
                medians, worst = (_median(values), _median(since)), (_worst(measure, values), _worst(measure, since))
                yield Compared(before.subject, sequence, camera, measure, *counts, *medians, *worst)


def _judged_since(before: QcFrames, now: QcFrames, decision: int) -> QcFrames:
    """Return the rows of the same frames that were made by the decision, or by a later one."""
    wanted = set(zip(before.sequence, before.camera, before.frame.tolist(), strict=True))
    keys = zip(now.sequence, now.camera, now.frame.tolist(), strict=True)
    same = np.fromiter((key in wanted for key in keys), dtype=bool, count=len(now))
    return take(now, same & (now.decision >= decision))


def _median(values: np.ndarray) -> float | None:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else None


def _worst(measure: str, values: np.ndarray) -> float | None:
    known = values[~np.isnan(values)]
    if not len(known):
        return None
    return float(known.min() if MEASURES[measure].bad == "low" else known.max())
