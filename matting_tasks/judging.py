"""Judging: the measures of a subject's frames that need other frames or other cameras, made from the lowres masks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from manifests.qc import QcFrames
from manifests.stretches import stretches
from matting_tasks.hull import FEWEST_CAMERAS, Hull
from matting_tasks.instants import area_jumps, area_ratios, beyond_common, relative_overlaps, seam_ratios
from matting_tasks.lowres import LowresReader
from matting_tasks.temporal import Changes, measure_changes

Measured = dict[str, np.ndarray]
"""Measures by name, each (n,) float64 over the rows of a subject."""

MOST_INSTANTS = 512
"""Instants of a sequence whose hull is made, if not told otherwise: about a minute's work for 16 cameras."""
SUSPECTS = 64
"""Instants that are looked at besides, because some camera's area stands out most there."""
SUSPICIOUS_RATIO = 1.1


@dataclass(frozen=True, slots=True)
class Table:
    """One sequence: `rows` (C, N) int64 of the subject's frames by camera and instant, -1 where there is none."""

    cameras: tuple[str, ...]
    instants: np.ndarray
    rows: np.ndarray

    def spread(self, column: np.ndarray, empty: float = np.nan) -> np.ndarray:
        """Return a column (n,) of the subject as (C, N)."""
        return np.where(self.rows >= 0, column[np.maximum(self.rows, 0)], empty)

    def gather(self, values: np.ndarray, into: np.ndarray) -> None:
        """Put values (C, N) into a column (n,) of the subject."""
        there = self.rows >= 0
        into[self.rows[there]] = values[there]


def tables_of(frames: QcFrames) -> list[Table]:
    """Return the sequences of a subject as tables of cameras and instants."""
    found = []
    for span in stretches(frames.sequence):
        instants = np.unique(frames.frame[span])
        cameras = sorted(set(frames.camera[span].tolist()))
        rows = np.full((len(cameras), len(instants)), -1, dtype=np.int64)
        place = {camera: number for number, camera in enumerate(cameras)}
        camera = np.array([place[name] for name in frames.camera[span]], dtype=np.int64)
        rows[camera, np.searchsorted(instants, frames.frame[span])] = np.arange(span.start, span.stop)
        found.append(Table(tuple(cameras), instants, rows))
    return found


def measure_times(frames: QcFrames, starts: np.ndarray, pictures: Sequence[str], reader: LowresReader) -> Measured:
    """Measure each frame beside those before and after it, and its area beside the other cameras'.

    starts: (n,) bool, first frames of shards; pictures: the path of each frame's lowres picture, empty for none.
    Reads every lowres mask once, camera by camera; a few are held at a time.
    """
    follows = _follows(frames)
    changes = _all_changes(frames, follows, pictures, reader)
    names = "area_jump", "iou", "boundary_iou", "flicker", "second_difference", "seam", "area_ratio"
    made = {name: np.full(len(frames), np.nan) for name in names}
    made["flicker"][:] = changes.flicker
    for table in tables_of(frames):
        area, overlap = table.spread(changes.area), table.spread(changes.iou)
        at_once = {
            "area_jump": area_jumps(area, table.spread(follows, False).astype(bool)),
            "iou": relative_overlaps(overlap),
            "boundary_iou": relative_overlaps(table.spread(changes.boundary_iou)),
            "second_difference": beyond_common(table.spread(changes.second_difference)),
            "area_ratio": area_ratios(area),
        }
        for name, values in at_once.items():
            table.gather(values, made[name])
    for span in stretches(frames.sequence, frames.camera):
        begins = starts[span] & follows[span]
        made["seam"][span] = seam_ratios(changes.iou[span], begins)
    return made


def measure_views(
    frames: QcFrames,
    hull: Hull,
    area_ratio: np.ndarray,
    reader: LowresReader,
    every: int | None = None,
    tell: Callable[[int, int], None] | None = None,
) -> Measured:
    """Measure how the mattes of an instant fit together, for every n-th instant and for those that look suspicious.

    every: n; if None, so many that 512 instants of a sequence are looked at. Calls tell(done, instants).
    """
    names = {"outside_hull": "outside", "hull_cut": "cut", "inside_hull": "inside"}
    made = {name: np.full(len(frames), np.nan) for name in names}
    due = _due(frames, hull, area_ratio, every)
    masks = reader.read_ahead((frames.lowres_path[row] if row >= 0 else "", "") for rows in due for row in rows)
    for done, rows in enumerate(due):
        fits = hull.fit([next(masks)[0] for _ in rows])
        for name, field in names.items():
            for row, value in zip(rows, getattr(fits, field).tolist(), strict=True):
                if row >= 0:
                    made[name][row] = value
        if tell is not None:
            tell(done + 1, len(due))
    _less_usual(frames, made["inside_hull"])
    return made


def _due(frames: QcFrames, hull: Hull, area_ratio: np.ndarray, every: int | None) -> list[list[int]]:
    """Return the instants whose hull is made, each as the rows of the hull's cameras, -1 where one has no frame."""
    due = []
    for table in tables_of(frames):
        for instant in chosen(table, area_ratio, every):
            rows = [_row_of(table, camera, instant) for camera in hull.cameras]
            if sum(row >= 0 for row in rows) >= FEWEST_CAMERAS:
                due.append(rows)
    return due


def chosen(table: Table, area_ratio: np.ndarray, every: int | None) -> list[int]:
    """Return the instants of a sequence, as columns of its table, whose hull is made."""
    n_instants = len(table.instants)
    step = every or max(1, -(-n_instants // MOST_INSTANTS))
    worst = np.nan_to_num(table.spread(area_ratio)).max(axis=0)
    suspects = np.argsort(-worst, kind="stable")[:SUSPECTS]
    return sorted({*range(0, n_instants, step), *suspects[worst[suspects] > SUSPICIOUS_RATIO].tolist()})


def measure_sets(
    frames: QcFrames, doubles: np.ndarray, unread: Mapping[str, str]
) -> dict[tuple[str, str], dict[str, float]]:
    """Return the measures of all frames of a camera together, by (sequence, camera) and name.

    A frame is wanted of a camera where at least half of the sequence's cameras have it.
    """
    found = {}
    without = (frames.status != "ok") | np.isin(frames.lowres_path, list(unread))
    for table in tables_of(frames):
        there = table.rows >= 0
        wanted = 2 * there.sum(axis=0) >= len(table.cameras)
        for number, camera in enumerate(table.cameras):
            rows = table.rows[number][there[number]]
            found[str(frames.sequence[rows[0]]), camera] = {
                "not_ok": float(without[rows].mean()),
                "frame_set": float((wanted & ~there[number]).sum()),
                "duplicates": float(doubles[rows].sum()),
            }
    return found


def _less_usual(frames: QcFrames, values: np.ndarray) -> None:
    """Take each camera's own median from its values: how large the hull looks to it is a matter of where it stands."""
    for span in stretches(frames.sequence, frames.camera):
        known = span.start + np.flatnonzero(np.isfinite(values[span]))
        if len(known):
            values[known] = np.maximum(values[known] - np.median(values[known]), 0.0)


def _all_changes(frames: QcFrames, follows: np.ndarray, pictures: Sequence[str], reader: LowresReader) -> Changes:
    """Measure all streams of a subject, one after the other."""
    parts = []
    for span in stretches(frames.sequence, frames.camera):
        shown = pictures[span] if reader.has_picture(pictures[span.start]) else [""] * (span.stop - span.start)
        pairs = reader.read_ahead(zip(frames.lowres_path[span].tolist(), shown, strict=True))
        follow = follows[span].tolist()
        parts.append(measure_changes((*pair, follow[number]) for number, pair in enumerate(pairs)))
    names = Changes.__slots__
    return Changes(*(np.concatenate([np.zeros(0), *(getattr(part, name) for part in parts)]) for name in names))


def _follows(frames: QcFrames) -> np.ndarray:
    """Tell which frames come one usual step after the one before in their stream, (n,) bool."""
    follows = np.zeros(len(frames), dtype=bool)
    for span in stretches(frames.sequence, frames.camera):
        steps = np.diff(frames.frame[span])
        if len(steps):
            follows[span.start + 1 : span.stop] = steps == np.median(steps)
    return follows


def _row_of(table: Table, camera: str, instant: int) -> int:
    return int(table.rows[table.cameras.index(camera), instant]) if camera in table.cameras else -1
