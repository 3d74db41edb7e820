"""Flagged frames: what QC finds bad, frame by frame, and their numbers as they were before they were matted again.

_cleanplate/qc/before/<decision>/<subject>.parquet    the rows of the frames of a decision with reason `flagged`
_cleanplate/qc/before/<decision>/asked.json           what was asked for, so that the same command goes on with it
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, NamedTuple, cast

import numpy as np

from manifests.ahead import map_ahead
from manifests.decisions import Selection
from manifests.errors import UsageError
from manifests.measures import FRAME_MEASURES, MEASURES, VERDICTS, Limits, default_limits
from manifests.qc import QC, QcFrames, cameras_path, listed_qc, read_listed_qc, read_qc_frames
from manifests.sharding import FrameTable, subject_folder
from manifests.storage import Folder
from manifests.verdicts import judge_frames

BEFORE = f"{QC}/before"
SUBJECTS_AHEAD = 4

Level = Literal["review", "fail"]
"""The verdict that a frame must have at least to be flagged."""


class Flagged(NamedTuple):
    """One flagged frame: the measure that decided, its value, and the limit that it passed."""

    subject: str
    sequence: str
    camera: str
    frame: int
    verdict: str
    measure: str
    value: float
    limit: float | None
    mask_path: str


@dataclass(frozen=True, slots=True, eq=False)
class FlaggedFrames:
    """The flagged frames of one subject, as rows of its QC table, and the limits that they were judged by."""

    frames: QcFrames
    limits: Limits

    def rows(self) -> Iterator[Flagged]:
        """Yield the frames one by one, in the order of the table."""
        frames = self.frames
        for row in range(len(frames)):
            verdict, measure = frames.verdict[row], frames.measure[row]
            review, fail = self.limits.of.get(measure, (None, None))
            yield Flagged(
                frames.subject,
                frames.sequence[row],
                frames.camera[row],
                int(frames.frame[row]),
                verdict,
                measure,
                float(frames.measures[measure][row]) if measure in frames.measures else float("nan"),
                fail if verdict == "fail" else review,
                frames.mask_path[row],
            )

    def triples(self) -> list[tuple[str, str, int]]:
        """Return (sequence, camera, frame) of each."""
        frames = self.frames
        return list(zip(frames.sequence, frames.camera, frames.frame.tolist(), strict=True))


def find_flagged(
    out: Folder, selection: Selection, level: Level, measure: str | None = None
) -> Iterator[FlaggedFrames]:
    """Yield the flagged frames of each subject that has any; with `measure`, those that this one flags by itself.

    Tables are read subject by subject, and only where the verdicts of the cameras say that frames are flagged. Raises
    UsageError where there are no tables, for a subject without one, or a measure that does not judge frames.
    """
    _check_measure(measure)
    paths = listed_qc(out)
    if not paths:
        raise UsageError(f"{out.url} has no QC tables: nothing of it is judged yet. Run cleanplate qc {out.url}")
    if selection.subjects is not None:
        unknown = [subject for subject in selection.subjects if cameras_path(subject) not in paths]
        if unknown:
            raise UsageError(f"{out.url} has no QC table of subject {', '.join(unknown)}: see cleanplate status.")
        paths = [cameras_path(subject) for subject in selection.subjects]
    for one in map_ahead(lambda path: _read(out, path, selection, level, measure), paths, SUBJECTS_AHEAD):
        if one is not None and len(one.frames):
            yield one


def take(frames: QcFrames, rows: np.ndarray) -> QcFrames:
    """Return some rows of a table, by a (n,) bool mask or by numbers."""
    columns = {field.name: getattr(frames, field.name)[rows] for field in fields(frames) if field.name not in _OTHER}
    return replace(frames, **columns, measures={name: values[rows] for name, values in frames.measures.items()})


def take_listed(found: FlaggedFrames, listed: Iterable[tuple[str, str, int]]) -> FlaggedFrames:
    """Return those of the flagged frames that are among (sequence, camera, frame) triples."""
    wanted = set(listed)
    rows = np.array([key in wanted for key in found.triples()], dtype=bool)
    return replace(found, frames=take(found.frames, rows))


def before_path(decision: int, subject: str) -> str:
    """Return where the rows of a subject lie as they were before a decision."""
    return f"{BEFORE}/{decision}/{subject_folder(subject)}.parquet"


def write_before(out: Folder, decision: int, found: Iterable[FlaggedFrames], asked: Mapping[str, Any]) -> None:
    """Keep the rows of flagged frames before the decision that redoes them is written; may be repeated."""
    from manifests.tables_qc import write_qc_frames

    out.delete([stat.path for stat in out.list(f"{BEFORE}/{decision}")])  # of a run that was refused
    for one in found:
        meta = {"limits": one.limits.to_record()}
        out.write_atomic(before_path(decision, one.frames.subject), write_qc_frames(one.frames, meta))
    out.write_atomic(_asked_path(decision), json.dumps(asked, indent=1, sort_keys=True).encode())


def read_before(out: Folder, decision: int) -> Iterator[QcFrames]:
    """Yield the rows of each subject as they were before a decision; nothing where none were kept."""
    from manifests.tables_qc import read_qc_frames as parse

    for path in sorted(stat.path for stat in out.list(f"{BEFORE}/{decision}") if stat.path.endswith(".parquet")):
        yield parse(out.read(path), path)


def read_asked(out: Folder, decision: int) -> Mapping[str, Any] | None:
    """Return what was asked for when a decision was made, None where it is not known."""
    try:
        asked = json.loads(out.read(_asked_path(decision)))
    except (FileNotFoundError, ValueError):
        return None
    return asked if isinstance(asked, dict) else None


_OTHER = ("subject", "measures")


def _asked_path(decision: int) -> str:
    return f"{BEFORE}/{decision}/asked.json"


def _check_measure(name: str | None) -> None:
    if name is None or (name in FRAME_MEASURES and MEASURES[name].bad is not None):
        return
    judging = ", ".join(one for one in FRAME_MEASURES if MEASURES[one].bad is not None)
    raise UsageError(f"--measure {name}: no measure of that name judges frames; there are {judging}.")


def _read(out: Folder, path: str, selection: Selection, level: Level, measure: str | None) -> FlaggedFrames | None:
    """Return the flagged frames of a subject by its table of cameras, None where there can be none."""
    told = read_listed_qc(out, path)
    n_flagged = sum(one.n_fail + (one.n_review if level == "review" else 0) for one in told.verdicts)
    frames = read_qc_frames(out, told.subject) if n_flagged and selection.has_subject(told.subject) else None
    if frames is None:
        return None
    stored = told.meta.get("limits")
    limits = default_limits() if stored is None else Limits({name: (pair[0], pair[1]) for name, pair in stored.items()})
    if measure is not None:
        frames = judge_frames(replace(frames, measures={measure: frames.measures[measure]}), limits)
    bad = np.isin(frames.verdict, VERDICTS[VERDICTS.index(level) :])
    chosen = selection.rows(cast("FrameTable", frames))  # it has the columns that a selection looks at
    return FlaggedFrames(take(frames, bad & chosen), limits)
