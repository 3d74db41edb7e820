"""The whole life of the frames of a shard, top to bottom."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from torch import Tensor

from manifests.errors import InputFault
from manifests.ledger import commit as commit_receipt
from manifests.recipe import Recipe
from manifests.records import FrameRow, Shard, ShardSummary
from manifests.storage import Folder
from matting_tasks.batches import Matted, matte_frames
from matting_tasks.frames import FrameReader, ReadFrame
from matting_tasks.masks import encode_mask, mask_paths
from matting_tasks.plates import Plates
from matting_tasks.qc import measure_shape
from matting_tasks.threads import map_ahead
from models.base import MattingModel

Commit = Callable[[Folder, Shard, Sequence[FrameRow], Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Station:
    """Where a shard is matted: the worker's name and versions, the threads beside the device's, and its stop event."""

    name: str = "in-process"
    n_threads: int = 2
    versions: Mapping[str, str] = field(default_factory=dict)
    stop: threading.Event = field(default_factory=threading.Event)
    commit: Commit = commit_receipt


def matte_shard(
    shard: Shard, model: MattingModel, plates: Plates, out: Folder, recipe: Recipe, station: Station | None = None
) -> ShardSummary:
    """Matte the frames of a shard and commit it: decode ahead, matte in batches, encode behind, receipt last.

    A frame that cannot be matted becomes a row with its status. Raises OSError for the stores and InputChanged for
    files that are no longer those of the manifest; the shard is then not committed. May be repeated at any time, also
    by two workers at once: same inputs and recipe write the same bytes to the same names.
    """
    started = time.perf_counter()
    station = station or Station()
    try:
        plate = plates.of(shard) if recipe.uses_plate else None
    except InputFault as fault:
        rows = [fault_row(shard, ReadFrame(frame), fault) for frame in shard.frames]
    else:
        rows = _matte_in_stages(shard, model, plates, plate, out, recipe, station)
    station.commit(out, shard, rows, {"worker": station.name, "versions": dict(station.versions)})
    return _summary(shard, rows, time.perf_counter() - started, station)


def _matte_in_stages(
    shard: Shard,
    model: MattingModel,
    plates: Plates,
    plate: Tensor | None,
    out: Folder,
    recipe: Recipe,
    station: Station,
) -> list[FrameRow]:
    """Send all frames through the stages: read ahead, matted in batches, written behind."""
    n_threads, n_ahead = station.n_threads, 2 * station.n_threads + recipe.numerics.batch
    reader = FrameReader(shard, plates, _size(plate), recipe.visible)
    writer = partial(write_masks, shard, out, recipe)
    with closing(map_ahead(reader, shard.frames, n_threads, n_ahead)) as read:
        matted = _until(station.stop, matte_frames(read, model, plates, plate, recipe))
        with closing(map_ahead(writer, matted, n_threads, n_ahead)) as rows:
            return list(rows)


def write_masks(shard: Shard, out: Folder, recipe: Recipe, matted: Matted) -> FrameRow:
    """Encode and write the two masks of a frame, measure its shape, and return its row.

    A frame that could not be matted has no masks: those of an earlier picture of it are deleted.
    """
    started = time.perf_counter()
    mask_path, lowres_path = mask_paths(shard, matted.read.frame.frame, recipe)
    if matted.read.fault is not None:
        out.delete([mask_path, lowres_path])
        return fault_row(shard, matted.read, matted.read.fault)
    mask = encode_mask(matted.mask, recipe.mask_format, recipe.mask_quality)
    lowres = encode_mask(matted.lowres, recipe.mask_format, recipe.mask_quality)
    out.write_atomic(mask_path, mask)
    out.write_atomic(lowres_path, lowres)
    visible = matted.read.visible
    shape = measure_shape(matted.lowres, None if visible is None else visible.lowres)
    measures: dict[str, Any] = {**matted.measures, **{name: getattr(shape, name) for name in shape.__slots__}}
    return replace(
        _row(shard, matted.read),
        note=_note(shard, matted.read, recipe),
        mask_path=mask_path,
        mask_bytes=len(mask),
        mask_sha256=hashlib.sha256(mask).hexdigest(),
        lowres_path=lowres_path,
        lowres_bytes=len(lowres),
        lowres_sha256=hashlib.sha256(lowres).hexdigest(),
        encode_s=time.perf_counter() - started,
        **measures,
    )


def fault_row(shard: Shard, read: ReadFrame, fault: InputFault) -> FrameRow:
    """Return the row of a frame that could not be matted."""
    return replace(_row(shard, read), status=fault.status, error=fault.message)


def _row(shard: Shard, read: ReadFrame) -> FrameRow:
    return FrameRow(
        subject=shard.subject,
        sequence=shard.sequence,
        camera=shard.camera,
        frame=read.frame.frame,
        source_frame=read.frame.source_frame,
        shard_id=shard.shard_id,
        decision=shard.decision,
        status="ok",
        note=read.note,
        decode_s=read.decode_s,
    )


def _until(stop: threading.Event, matted: Iterator[Matted]) -> Iterator[Matted]:
    """Pass frames on until the worker is told to stop; the shard is then dropped, uncommitted."""
    for frame in matted:
        if stop.is_set():
            raise InterruptedError("told to stop")
        yield frame


def _note(shard: Shard, read: ReadFrame, recipe: Recipe) -> str | None:
    over_black = "matted over a black plate" if recipe.uses_plate and shard.plate.path is None else None
    return "; ".join(filter(None, (read.note, over_black))) or None


def _size(plate: Tensor | None) -> tuple[int, int] | None:
    return None if plate is None else (plate.shape[-1], plate.shape[-2])


def _summary(shard: Shard, rows: Sequence[FrameRow], seconds: float, station: Station) -> ShardSummary:
    return ShardSummary(
        shard_id=shard.shard_id,
        subject=shard.subject,
        sequence=shard.sequence,
        camera=shard.camera,
        recipe_id=shard.recipe_id,
        n_frames=len(rows),
        by_status=dict(Counter(row.status for row in rows)),
        first_error=next((row.error for row in rows if row.error), None),
        seconds=seconds,
        bytes_written=sum((row.mask_bytes or 0) + (row.lowres_bytes or 0) for row in rows),
        worker=station.name,
    )
