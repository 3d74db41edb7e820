"""Cells: the rows of each stream cut into shards, by the grid or into pieces, and what identifies them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from manifests.records import CalibrationFile, Plate
from manifests.stretches import stretches

if TYPE_CHECKING:
    from manifests.recipe import Recipe
    from manifests.sharding import FrameTable

Shared = list[list[str | int | None]]

_to_json = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class StreamRows:
    """All rows of one (sequence, camera), (n,) int."""

    sequence: str
    camera: str
    rows: np.ndarray


@dataclass(frozen=True, slots=True)
class Cell:
    """The selected rows of one shard, the rows that lead to them, and which piece of its stream it is."""

    rows: np.ndarray
    through: np.ndarray
    piece: int


def streams_of(table: FrameTable) -> Iterator[StreamRows]:
    """Cut the rows of a table where the sequence or the camera changes."""
    every = np.arange(len(table))
    for rows in stretches(table.sequence, table.camera):
        yield StreamRows(table.sequence[rows.start], table.camera[rows.start], every[rows])


def cells_of(table: FrameTable, stream: StreamRows, chosen: np.ndarray, recipe: Recipe, grid: int) -> Iterator[Cell]:
    """Cut the chosen rows of a stream by the grid or, for a temporal model, into the pieces of `split`.

    A temporal model sees all frames of its piece up to the last chosen one, and `lead_in` frames before.
    """
    if not recipe.temporal:
        for part in stretches(table.frame[chosen] // grid):
            yield Cell(chosen[part], chosen[part], 0)
        return
    length = recipe.split or len(stream.rows)
    for piece, start in enumerate(range(0, len(stream.rows), length)):
        rows = np.intersect1d(chosen, stream.rows[start : start + length], assume_unique=True)
        if len(rows):
            first = stream.rows[max(0, start - recipe.lead_in)] if piece else stream.rows[0]
            yield Cell(rows, np.arange(first, rows[-1] + 1), piece)


def shared_identity(recipe: Recipe, plate: Plate, calibration: CalibrationFile | None, decision: int) -> Shared:
    """Return what identifies all shards of a camera: the files that its frames share and are read, and the recipe."""
    shared: Shared = [[plate.path, plate.fingerprint] if recipe.uses_plate or recipe.write_frames else []]
    if recipe.write_frames and calibration is not None:
        shared.append([calibration.path, calibration.fingerprint])
    return [*shared, [recipe.recipe_id, decision]]


def cell_digest(table: FrameTable, shared: Shared, recipe: Recipe, stream: StreamRows, cell: Cell) -> str:
    """Return 10 hex digits that differ where anything differs that a shard is made from.

    Numbers in the source count only where they are not those of the frames.
    """
    frames, source_frames = table.frame[cell.through].tolist(), table.source_frame[cell.through].tolist()
    identity = [
        _to_json([table.subject, stream.sequence, stream.camera]),
        _numbers(table.frame[cell.rows].astype(np.int64).tobytes()),
        _texts(table.fingerprint[cell.through].tolist()),
        _texts(table.visible_fingerprint[cell.through].tolist() if recipe.visible else []),
        *map(_to_json, shared),
    ]
    if recipe.temporal:
        identity.append(_to_json(frames))
    if frames != source_frames:
        identity.append(_to_json(source_frames))
    return hashlib.sha256(f"[{','.join(identity)}]".encode()).hexdigest()[:10]


@lru_cache(maxsize=4096)
def _numbers(numbers: bytes) -> str:
    """Return int64 numbers as JSON; all cameras and most subjects have the same in a cell."""
    return _to_json(np.frombuffer(numbers, dtype=np.int64).tolist())


def _texts(values: list[str]) -> str:
    """Return texts as JSON, joined at once where none of them has anything to escape: a plan has many millions."""
    joined = '","'.join(values)
    is_plain = joined.isascii() and joined.isprintable() and "\\" not in joined
    if is_plain and joined.count('"') == 2 * (len(values) - 1):
        return f'["{joined}"]'
    return _to_json(values)
