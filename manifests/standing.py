"""Standing rows: what the receipts of today's plan say of a subject's frames, as the columns that QC is made of."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from manifests.capture import text_column
from manifests.ledger import read_receipts
from manifests.measures import FRAME_MEASURES
from manifests.plan import SubjectPlan
from manifests.qc import QcFrames
from manifests.records import FrameRow
from manifests.rows import streams
from manifests.sharding import FrameTable, PlannedShard
from manifests.storage import Folder
from manifests.stretches import stretches

LEAST_MATTE = 1e-4
"""Coverage of a matte that tells one picture from another; two empty masks are alike whatever was seen."""


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """The frames of a subject that have a row, with the measures of their receipts; each array (n,).

    `starts` bool: first of its shard. `doubles` bool: the same picture as the frame before. `taken` int64: its row in
    the manifest.
    """

    frames: QcFrames
    starts: np.ndarray
    doubles: np.ndarray
    taken: np.ndarray


def identity(plan: SubjectPlan) -> str:
    """Return a hash of the receipts that stand and the frames that there are; no receipt is read for it."""
    calibration, failed = plan.manifest.calibration, plan.ledger.failed
    told = [f"{shard.shard_id} {failed[shard.shard_id]} {len(shard.rows)}" for shard in _live(plan)]
    told += [f"{len(plan.manifest.frames)}", "" if calibration is None else calibration.fingerprint]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:32]


def read_standing(out: Folder, plan: SubjectPlan) -> Standing:
    """Read the rows of a subject that stand: of shards of the plan, without frames that a later decision has taken."""
    frames = plan.manifest.frames
    owner = np.full(len(frames), -1, dtype=np.int64)
    live = _live(plan)
    for number, shard in enumerate(live):
        owner[shard.rows] = number
    number_of = {shard.shard_id: number for number, shard in enumerate(live)}
    spans = streams(frames)
    rows, taken = [], []
    for row in read_receipts(out, plan.subject, plan.ledger):
        place = _place(frames, spans.get((row.sequence, row.camera)), row.frame)
        if place is not None and owner[place] == number_of.get(row.shard_id, -2):
            rows.append(row)
            taken.append(place)
    models = {shard.shard_id: shard.recipe.model for shard in live}
    table = columns_of(plan.subject, rows, [models[row.shard_id] for row in rows])
    places = np.array(taken, dtype=np.int64)
    shards = text_column(row.shard_id for row in rows)
    starts = np.zeros(len(rows), dtype=bool)
    starts[[stretch.start for stretch in stretches(table.sequence, table.camera, shards)]] = True
    return Standing(table, starts, _doubles(rows, table, frames, places), places)


def columns_of(subject: str, rows: Sequence[FrameRow], models: Sequence[str]) -> QcFrames:
    """Return rows, sorted by (sequence, camera, frame), as columns with those measures that receipts hold."""

    def number(name: str) -> np.ndarray:
        return np.array([getattr(row, name) for row in rows], dtype=np.int32)

    def text(name: str) -> np.ndarray:
        return text_column(getattr(row, name) or "" for row in rows)

    kept = [name for name in FRAME_MEASURES if name in FrameRow.__dataclass_fields__]
    return QcFrames(
        subject=subject,
        sequence=text("sequence"),
        camera=text("camera"),
        frame=number("frame"),
        source_frame=number("source_frame"),
        decision=number("decision"),
        status=text("status"),
        model=text_column(models),
        mask_path=text("mask_path"),
        lowres_path=text("lowres_path"),
        verdict=text_column("pass" for _ in rows),
        measure=text_column("" for _ in rows),
        measures={name: np.array([getattr(row, name) for row in rows], dtype=np.float64) for name in kept},
    )


def _live(plan: SubjectPlan) -> list[PlannedShard]:
    return [shard for shard in plan.planned if shard.shard_id in plan.ledger]


def _place(frames: FrameTable, span: slice | None, frame: int) -> int | None:
    """Return the row of the manifest with a frame of a stream, None where it is not there."""
    if span is None:
        return None
    place = span.start + int(np.searchsorted(frames.frame[span], frame))
    return place if place < span.stop and frames.frame[place] == frame else None


def _doubles(rows: Sequence[FrameRow], table: QcFrames, frames: FrameTable, taken: np.ndarray) -> np.ndarray:
    """Tell which frames have the very mask of the frame before, and as pictures as many bytes.

    Noise makes every picture and so every mask another one, to the byte.
    """
    masks = text_column(row.mask_sha256 or "" for row in rows)
    some = np.array([(row.coverage or 0.0) > LEAST_MATTE for row in rows], dtype=bool)
    found = np.zeros(len(rows), dtype=bool)
    if len(rows) > 1:
        alike = (masks[1:] == masks[:-1]) & (masks[1:] != "") & some[1:]
        alike &= (table.camera[1:] == table.camera[:-1]) & (table.sequence[1:] == table.sequence[:-1])
        size = frames.size_bytes[taken]
        found[1:] = alike & (size[1:] == size[:-1])
    return found
