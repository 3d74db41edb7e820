"""Sharding: frames and decisions in, shards out; pure, on columns, and the same on every machine."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from manifests.records import Frame, Plate, Shard

if TYPE_CHECKING:
    from manifests.decisions import Decision
    from manifests.recipe import Recipe

GRID = 64
"""Frame numbers in a cell of the grid; pinned in root.json."""


@dataclass(frozen=True, slots=True)
class FrameTable:
    """The frames of one subject as columns of equal length n, sorted by (sequence, camera, frame).

    Text columns are object arrays; `frame`, `source_frame`, `width`, `height` int32 (0 = not probed),
    `size_bytes` int64. An empty `visible_path` means that there is none. `video_frames` int32 is how many frames the
    index of a video names, 0 for pictures.
    """

    subject: str
    sequence: np.ndarray
    camera: np.ndarray
    frame: np.ndarray
    source_frame: np.ndarray
    path: np.ndarray
    kind: np.ndarray
    size_bytes: np.ndarray
    mtime_ns: np.ndarray
    etag: np.ndarray
    fingerprint: np.ndarray
    visible_path: np.ndarray
    visible_fingerprint: np.ndarray
    width: np.ndarray
    height: np.ndarray
    video_frames: np.ndarray

    def __len__(self) -> int:
        """Count the frames."""
        return len(self.frame)

    def frames(self, rows: np.ndarray) -> tuple[Frame, ...]:
        """Return the given rows as records."""
        return tuple(
            Frame(
                frame=int(self.frame[i]),
                source_frame=int(self.source_frame[i]),
                path=self.path[i],
                kind=self.kind[i],
                size_bytes=int(self.size_bytes[i]),
                fingerprint=self.fingerprint[i],
                visible_path=self.visible_path[i] or None,
                visible_fingerprint=self.visible_fingerprint[i] or None,
            )
            for i in rows
        )


@dataclass(frozen=True, slots=True)
class PlannedShard:
    """A shard of today's plan, light enough to hold by the million; `rows` are those that its decision decides."""

    shard_id: str
    subject: str
    sequence: str
    camera: str
    decision: int
    recipe: Recipe
    rows: np.ndarray

    def to_shard(self, table: FrameTable, plates: Mapping[str, Plate], fingerprint_rule: str) -> Shard:
        """Return the record that goes to a worker."""
        return Shard(
            shard_id=self.shard_id,
            subject=self.subject,
            sequence=self.sequence,
            camera=self.camera,
            decision=self.decision,
            recipe_id=self.recipe.recipe_id,
            fingerprint_rule=fingerprint_rule,
            frames=table.frames(self.rows),
            plate=plate_of(plates, self.subject, self.camera),
        )


def plate_of(plates: Mapping[str, Plate], subject: str, camera: str) -> Plate:
    """Return the plate of a camera; one of status `missing` where there is none."""
    return plates.get(camera) or Plate(subject, camera, None, "", "missing")


def plan_subject(
    table: FrameTable, plates: Mapping[str, Plate], decisions: Sequence[Decision], grid: int = GRID
) -> list[PlannedShard]:
    """Return the shards of a subject: for each decision, its cells that still decide a frame.

    A shard's identity is made from all frames of the cell that its decision selects, so that later decisions
    do not change it; its work is only those frames that no later decision selects.
    """
    selected = [decision.selection.rows(table) for decision in decisions]
    decider = np.zeros(len(table), dtype=np.int32)
    for index, rows in enumerate(selected):
        decider[rows] = index
    planned: list[PlannedShard] = []
    for index, decision in enumerate(decisions):
        if not (decider == index).any():
            continue
        recipe_id = decision.recipe.recipe_id
        for cell in _cells(table, np.flatnonzero(selected[index]), decision.recipe, grid):
            decided = cell[decider[cell] == index]
            if len(decided):
                shard_id = _shard_id(table, plates, decision, cell, recipe_id)
                sequence, camera = table.sequence[cell[0]], table.camera[cell[0]]
                planned.append(
                    PlannedShard(shard_id, table.subject, sequence, camera, decision.number, decision.recipe, decided)
                )
    return sorted(planned, key=lambda shard: int(shard.rows[0]))


def encode_name(name: str) -> str:
    """Return `name` for a file name: bytes outside A-Za-z0-9._+- as %XX, cut to 60 characters (ids add a hash)."""
    return _percent(name)[:60]


def subject_folder(subject: str) -> str:
    """Return `subject` as one safe path component of its own; a long one is cut and ends in a hash."""
    encoded = _percent(subject)
    if len(encoded) <= 60:
        return encoded
    return f"{encoded[:49]}~{hashlib.sha256(subject.encode()).hexdigest()[:10]}"


def _percent(name: str) -> str:
    encoded = re.sub(rb"[^A-Za-z0-9._+-]", lambda found: b"%%%02X" % found.group()[0], name.encode()).decode()
    return encoded.replace(".", "%2E") if encoded in (".", "..") else encoded


def _cells(table: FrameTable, rows: np.ndarray, recipe: Recipe, grid: int) -> Iterator[np.ndarray]:
    """Cut sorted row numbers where the sequence, the camera or the cell of the grid changes."""
    if not len(rows):
        return
    cell = np.zeros(len(rows), dtype=np.int32) if recipe.temporal else table.frame[rows] // grid
    sequence, camera = table.sequence[rows], table.camera[rows]
    changes = (sequence[1:] != sequence[:-1]) | (camera[1:] != camera[:-1]) | (cell[1:] != cell[:-1])
    yield from np.split(rows, np.flatnonzero(changes.astype(bool)) + 1)


def _shard_id(
    table: FrameTable, plates: Mapping[str, Plate], decision: Decision, cell: np.ndarray, recipe_id: str
) -> str:
    sequence, camera = table.sequence[cell[0]], table.camera[cell[0]]
    plate = plate_of(plates, table.subject, camera)
    identity = [
        [table.subject, sequence, camera],
        table.frame[cell].tolist(),
        table.fingerprint[cell].tolist(),
        table.visible_fingerprint[cell].tolist() if decision.recipe.visible else [],
        [plate.path, plate.fingerprint] if decision.recipe.uses_plate else [],
        [recipe_id, decision.number],
    ]
    digest = hashlib.sha256(json.dumps(identity, separators=(",", ":")).encode()).hexdigest()[:10]
    first, last = int(table.frame[cell[0]]), int(table.frame[cell[-1]])
    return f"{encode_name(sequence)}_{encode_name(camera)}_{first}-{last}_{digest}"
