"""Sharding: frames and decisions in, shards out; pure, on columns, and the same on every machine."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from manifests.records import CalibrationFile, Frame, Plate, Shard

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
    """A shard of today's plan, light enough to hold by the million; `rows` are those that its decision decides.

    `through` are the rows that a temporal model has to see for them, in order; for others it is `rows`. Shards of one
    `lockstep` may be matted as one batch of streams, each in its `slot`.
    """

    shard_id: str
    subject: str
    sequence: str
    camera: str
    decision: int
    recipe: Recipe
    rows: np.ndarray
    through: np.ndarray
    slot: int = 0
    lockstep: tuple[object, ...] | None = None

    def to_shard(
        self,
        table: FrameTable,
        plates: Mapping[str, Plate],
        fingerprint_rule: str,
        calibration: CalibrationFile | None = None,
    ) -> Shard:
        """Return the record that goes to a worker."""
        passing = np.setdiff1d(self.through, self.rows, assume_unique=True)
        return Shard(
            shard_id=self.shard_id,
            subject=self.subject,
            sequence=self.sequence,
            camera=self.camera,
            decision=self.decision,
            recipe_id=self.recipe.recipe_id,
            fingerprint_rule=fingerprint_rule,
            frames=table.frames(self.through),
            plate=plate_of(plates, self.subject, self.camera),
            passing=frozenset(table.frame[passing].tolist()),
            slot=self.slot,
            calibration=calibration if self.recipe.write_frames else None,
        )


def plate_of(plates: Mapping[str, Plate], subject: str, camera: str) -> Plate:
    """Return the plate of a camera; one of status `missing` where there is none."""
    return plates.get(camera) or Plate(subject, camera, None, "", "missing")


def plan_subject(
    table: FrameTable,
    plates: Mapping[str, Plate],
    decisions: Sequence[Decision],
    grid: int = GRID,
    calibration: CalibrationFile | None = None,
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
    for stream in _streams(table):
        for index, decision in enumerate(decisions):
            if not (decider[stream.rows] == index).any():
                continue
            chosen = stream.rows[selected[index][stream.rows]]
            plate = plate_of(plates, table.subject, stream.camera)
            recipe = decision.recipe.of_plate(plate)
            shared = list(_shared(recipe, plate, calibration, decision.number))
            for cell in _cells(table, stream, chosen, recipe, grid):
                decided = cell.rows[decider[cell.rows] == index]
                if len(decided):
                    planned.append(_planned(table, shared, decision, recipe, stream, cell, decided))
    return sorted(planned, key=lambda shard: int(shard.rows[0]))


def in_lockstep(shards: Iterable[PlannedShard]) -> list[list[PlannedShard]]:
    """Group shards that may be matted as one batch of streams, in the order of their first ones."""
    groups: dict[object, list[PlannedShard]] = {}
    for shard in shards:
        groups.setdefault(shard.lockstep or shard.shard_id, []).append(shard)
    return list(groups.values())


def encode_name(name: str) -> str:
    """Return `name` for a file name: bytes outside A-Za-z0-9._+- as %XX, cut to 60 characters (ids add a hash)."""
    return _percent(name)[:60]


def subject_folder(subject: str) -> str:
    """Return `subject` as one safe path component of its own: a long one is cut and ends in a hash, none is %."""
    encoded = _percent(subject) or "%"
    if len(encoded) <= 60:
        return encoded
    return f"{encoded[:49]}~{hashlib.sha256(subject.encode()).hexdigest()[:10]}"


def _percent(name: str) -> str:
    encoded = re.sub(rb"[^A-Za-z0-9._+-]", lambda found: b"%%%02X" % found.group()[0], name.encode()).decode()
    return encoded.replace(".", "%2E") if encoded in (".", "..") else encoded


@dataclass(frozen=True, slots=True)
class _Stream:
    """All rows of one (sequence, camera), and the camera's rank among those of the sequence."""

    sequence: str
    camera: str
    rank: int
    rows: np.ndarray


@dataclass(frozen=True, slots=True)
class _Cell:
    """The selected rows of one shard, the rows that lead to them, and which piece of its stream it is."""

    rows: np.ndarray
    through: np.ndarray
    piece: int


def _streams(table: FrameTable) -> Iterator[_Stream]:
    """Cut the rows of a table where the sequence or the camera changes."""
    if not len(table):
        return
    changes = (table.sequence[1:] != table.sequence[:-1]) | (table.camera[1:] != table.camera[:-1])
    last, rank = None, 0
    for rows in np.split(np.arange(len(table)), np.flatnonzero(changes.astype(bool)) + 1):
        sequence, camera = table.sequence[rows[0]], table.camera[rows[0]]
        rank = rank + 1 if sequence == last else 0
        last = sequence
        yield _Stream(sequence, camera, rank, rows)


def _cells(table: FrameTable, stream: _Stream, chosen: np.ndarray, recipe: Recipe, grid: int) -> Iterator[_Cell]:
    """Cut the chosen rows of a stream by the grid or, for a temporal model, into the pieces of `split`.

    A temporal model sees all frames of its piece up to the last chosen one, and `lead_in` frames before.
    """
    if not recipe.temporal:
        number = table.frame[chosen] // grid
        for rows in np.split(chosen, np.flatnonzero(number[1:] != number[:-1]) + 1):
            yield _Cell(rows, rows, 0)
        return
    length = recipe.split or len(stream.rows)
    for piece, start in enumerate(range(0, len(stream.rows), length)):
        rows = np.intersect1d(chosen, stream.rows[start : start + length], assume_unique=True)
        if len(rows):
            first = stream.rows[max(0, start - recipe.lead_in)] if piece else stream.rows[0]
            yield _Cell(rows, np.arange(first, rows[-1] + 1), piece)


def _shared(
    recipe: Recipe, plate: Plate, calibration: CalibrationFile | None, decision: int
) -> Iterator[list[str | int | None]]:
    """Yield what identifies all shards of a camera: the files that its frames share and are read, and the recipe."""
    yield [plate.path, plate.fingerprint] if recipe.uses_plate or recipe.write_frames else []
    if recipe.write_frames and calibration is not None:
        yield [calibration.path, calibration.fingerprint]
    yield [recipe.recipe_id, decision]


def _planned(
    table: FrameTable,
    shared: list[list[str | int | None]],
    decision: Decision,
    recipe: Recipe,
    stream: _Stream,
    cell: _Cell,
    decided: np.ndarray,
) -> PlannedShard:
    shard_id = _shard_id(table, shared, recipe, stream, cell)
    names = shard_id, table.subject, stream.sequence, stream.camera, decision.number, recipe, decided
    if not recipe.temporal:
        return PlannedShard(*names, through=decided)
    batch, slot = divmod(stream.rank, recipe.numerics.batch)
    lockstep = decision.number, recipe, stream.sequence, cell.piece, batch
    through = cell.through[cell.through <= decided[-1]]
    return PlannedShard(*names, through=through, slot=slot, lockstep=lockstep)


def _shard_id(
    table: FrameTable,
    shared: list[list[str | int | None]],
    recipe: Recipe,
    stream: _Stream,
    cell: _Cell,
) -> str:
    identity = [
        [table.subject, stream.sequence, stream.camera],
        table.frame[cell.rows].tolist(),
        table.fingerprint[cell.through].tolist(),
        table.visible_fingerprint[cell.through].tolist() if recipe.visible else [],
        *shared,
    ]
    if recipe.temporal:
        identity.append(table.frame[cell.through].tolist())
    digest = hashlib.sha256(json.dumps(identity, separators=(",", ":")).encode()).hexdigest()[:10]
    first, last = int(table.frame[cell.rows[0]]), int(table.frame[cell.rows[-1]])
    return f"{encode_name(stream.sequence)}_{encode_name(stream.camera)}_{first}-{last}_{digest}"
