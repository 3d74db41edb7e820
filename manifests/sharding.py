"""Sharding: frames and decisions in, shards out; pure, on columns, and the same on every machine."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from manifests.cells import Cell, Shared, StreamRows, cell_digest, cells_of, shared_identity, streams_of
from manifests.records import CalibrationFile, Frame, Plate, Shard

if TYPE_CHECKING:
    from manifests.decisions import Decision
    from manifests.recipe import Recipe

GRID = 64
"""Frame numbers in a cell of the grid; pinned in root.json."""
NOT_PROBED = -1
"""`video_frames` of a video whose index the store did not give: the next listing asks again."""


@dataclass(frozen=True, slots=True)
class FrameTable:
    """The frames of one subject as columns of equal length n, sorted by (sequence, camera, frame).

    Text columns are object arrays; `frame`, `source_frame`, `width`, `height` int32 (0 = not probed),
    `size_bytes` int64. An empty `visible_path` means that there is none. `video_frames` int32 is how many frames the
    index of a video names, 0 for pictures and NOT_PROBED for a video that the store did not give.
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
    do not change it; its work is only those frames that no later decision selects. A camera's place in lockstep is
    its rank among the cameras of the sequence that its decision gives this recipe, whatever is matted now.
    """
    selected = [decision.selection.rows(table) for decision in decisions]
    decider = np.zeros(len(table), dtype=np.int32)
    for index, rows in enumerate(selected):
        decider[rows] = index
    planned: list[PlannedShard] = []
    ranks: Counter[tuple[int, str, bool]] = Counter()
    for stream in streams_of(table):
        plate = plate_of(plates, table.subject, stream.camera)
        for index, decision in enumerate(decisions):
            recipe = decision.recipe.of_plate(plate)
            place = index, stream.sequence, recipe is decision.recipe
            rank, ranks[place] = ranks[place], ranks[place] + 1
            if not (decider[stream.rows] == index).any():
                continue
            shared = shared_identity(recipe, plate, calibration, decision.number)
            name = f"{encode_name(stream.sequence)}_{encode_name(stream.camera)}"
            order = _Order(decision.number, recipe, shared, rank, name)
            for cell in cells_of(table, stream, stream.rows[selected[index][stream.rows]], recipe, grid):
                decided = cell.rows[decider[cell.rows] == index]
                if len(decided):
                    planned.append(_planned(table, stream, order, cell, decided))
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
class _Order:
    """What a decision wants of a camera; `rank` is the camera's among those of the sequence that get this recipe.

    `name` is what the ids of its shards begin with.
    """

    decision: int
    recipe: Recipe
    shared: Shared
    rank: int
    name: str


def _planned(table: FrameTable, stream: StreamRows, order: _Order, cell: Cell, decided: np.ndarray) -> PlannedShard:
    recipe = order.recipe
    first, last = int(table.frame[cell.rows[0]]), int(table.frame[cell.rows[-1]])
    digest = cell_digest(table, order.shared, recipe, stream, cell)
    shard_id = f"{order.name}_{first}-{last}_{digest}"
    names = shard_id, table.subject, stream.sequence, stream.camera, order.decision, recipe, decided
    if not recipe.temporal:
        return PlannedShard(*names, through=decided)
    batch, slot = divmod(order.rank, recipe.numerics.batch)
    lockstep = order.decision, recipe, stream.sequence, cell.piece, batch
    through = cell.through[cell.through <= decided[-1]]
    return PlannedShard(*names, through=through, slot=slot, lockstep=lockstep)
