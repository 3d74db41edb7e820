"""The whole life of the frames of a shard, top to bottom."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from manifests.errors import InputFault
from manifests.layouts.outputs import SUFFIXES, mask_paths
from manifests.ledger import commit as commit_receipt
from manifests.packs import Masks, PackWriter
from manifests.recipe import FALLBACK, Recipe
from manifests.records import Frame, FrameRow, Shard, ShardSummary
from manifests.storage import Folder
from matting_tasks.batches import MEASURE_DIGITS, Matted, Stream, matte_streams
from matting_tasks.dataset import Dataset
from matting_tasks.frames import FrameReader, ReadFrame, open_reader
from matting_tasks.masks import encode_mask
from matting_tasks.meters import InHand, Meters
from matting_tasks.plate_measures import measure_plate
from matting_tasks.plates import Plates
from matting_tasks.qc import measure_shape
from matting_tasks.threads import map_ahead
from models.base import MattingModel

TAKEN_AHEAD = 2
"""Frames of a video that are decoded and wait for a thread, besides those that are made ready."""

Item = TypeVar("Item")
Commit = Callable[[Folder, Shard, Sequence[FrameRow], Mapping[str, Any]], None]
Ahead = Callable[[FrameReader, Sequence[Frame]], Generator[ReadFrame, None, None]]


@dataclass(frozen=True, slots=True)
class Station:
    """Where a shard is matted: the worker's name, versions, threads beside the device's, stop event and meters."""

    name: str = "in-process"
    n_threads: int = 2
    versions: Mapping[str, str] = field(default_factory=dict)
    stop: threading.Event = field(default_factory=threading.Event)
    commit: Commit = commit_receipt
    meters: Meters = field(default_factory=Meters)


def matte_shard(
    shard: Shard, model: MattingModel, plates: Plates, out: Folder, recipe: Recipe, station: Station | None = None
) -> ShardSummary:
    """Matte one shard and commit it; see `matte_shards`."""
    (summary,) = matte_shards([shard], model, plates, out, recipe, station)
    return summary


def matte_shards(
    shards: Sequence[Shard],
    model: MattingModel,
    plates: Plates,
    out: Folder,
    recipe: Recipe,
    station: Station | None = None,
) -> Iterator[ShardSummary]:
    """Matte shards and commit each: decode ahead, matte in batches, encode behind, receipt last.

    More than one shard are streams of a temporal model in lockstep, each with a state of its own. A frame that cannot
    be matted becomes a row with its status. Raises OSError for the stores and InputChanged for files that are no longer
    those of the manifest; what was not yielded is then not committed. May be repeated at any time, also by two workers
    at once: same inputs and recipe write the same bytes to the same names.
    """
    started = time.perf_counter()
    station = station or Station()
    rows: list[list[FrameRow]] = [[] for _ in shards]
    with ExitStack() as opened:
        packs = [opened.enter_context(PackWriter(out, shard)) for shard in shards] if recipe.pack else None
        finished = opened.enter_context(closing(_matted_rows(shards, model, plates, out, recipe, station)))
        for number, row, masks in finished:
            rows[number].append(row)
            if packs is not None and masks is not None:
                packs[number].add(row, masks)
            if len(rows[number]) == shards[number].n_frames:
                done = rows[number] if packs is None else packs[number].write(rows[number])
                meta = {"worker": station.name, "versions": dict(station.versions)}
                station.commit(out, shards[number], done, meta)
                yield _summary(shards[number], done, time.perf_counter() - started, station)


def _matted_rows(
    shards: Sequence[Shard], model: MattingModel, plates: Plates, out: Folder, recipe: Recipe, station: Station
) -> Generator[tuple[int, FrameRow, Masks | None], None, None]:
    """Send all frames through the stages: read ahead, matted in batches, written behind."""
    n_threads, n_ahead = station.n_threads, 2 * station.n_threads + recipe.numerics.batch * recipe.numerics.chunk
    with ExitStack() as opened:
        hand = opened.enter_context(station.meters.take(len(shards)))
        ahead = partial(_read_ahead, hand, max(1, n_threads // len(shards)), max(2, n_ahead // len(shards)))
        streams = [_open_stream(opened, shard, plates, recipe, ahead) for shard in shards]
        # a temporal model can be shown many frames before one comes out of it
        streams = [replace(stream, read=hand.read(_until(station.stop, stream.read))) for stream in streams]
        matted = hand.matted(_until(station.stop, matte_streams(streams, model, plates, recipe)))
        dataset = Dataset(plates.capture, out, recipe.geometry) if recipe.write_frames else None
        writer = hand.writing(partial(_write_one, shards, out, recipe, dataset))
        yield from hand.written(opened.enter_context(closing(map_ahead(writer, matted, n_threads, n_ahead))))


def _read_ahead(
    hand: InHand, n_threads: int, n_ahead: int, reader: FrameReader, frames: Sequence[Frame]
) -> Generator[ReadFrame, None, None]:
    """Read frames ahead on threads; those of a video are decoded by one, and made ready by all."""
    if not reader.sequential:
        return map_ahead(hand.reading(reader), frames, n_threads, n_ahead)
    taken = map_ahead(reader.take, frames, 1, TAKEN_AHEAD)
    return map_ahead(hand.reading(reader.finish), taken, n_threads, n_ahead)


def _open_stream(opened: ExitStack, shard: Shard, plates: Plates, recipe: Recipe, ahead: Ahead) -> Stream:
    """Read the frames of a shard `ahead` until `opened` closes; a plate that fails is the fault of all of them."""
    try:
        if shard.rejected is not None:
            raise InputFault("plate_rejected", shard.rejected)
        plate = plates.of(shard) if recipe.uses_plate else None
    except InputFault as fault:
        faults = [ReadFrame(frame, fault=fault, looked_at=False) for frame in shard.frames]
        return Stream(iter(faults), None, shard.slot, shard.passing)
    size, pixels, small = (None, None, None) if plate is None else (plate.size, plate.pixels, plate.small)
    reader = opened.enter_context(closing(open_reader(shard, plates, size, recipe, small)))
    read = opened.enter_context(closing(ahead(reader, shard.frames)))
    return Stream(read, pixels, shard.slot, shard.passing)


def _write_one(
    shards: Sequence[Shard], out: Folder, recipe: Recipe, dataset: Dataset | None, matted: tuple[int, Matted]
) -> tuple[int, FrameRow, Masks | None]:
    """Write what is made of one frame, and return its row; with its masks where they go into a pack."""
    number, frame = matted
    row, masks = write_masks(shards[number], out, recipe, frame)
    if dataset is None:
        return number, row, masks
    if frame.read.fault is not None:
        if frame.read.looked_at:
            dataset.delete(shards[number], frame.read)
        return number, row, masks
    written, note = dataset.write(shards[number], frame.read)
    note = "; ".join(filter(None, (row.note, note))) or None
    return number, replace(row, note=note, frame_files=json.dumps(written)), masks


def write_masks(shard: Shard, out: Folder, recipe: Recipe, matted: Matted) -> tuple[FrameRow, Masks | None]:
    """Encode the two masks of a frame and write them, measure its shape, and return its row.

    Where masks go into a pack they are returned instead of written. A frame that could not be matted has no masks:
    those of an earlier picture of it are deleted. Where only its plate is at fault they stay, for nothing is wrong
    with them.
    """
    started = time.perf_counter()
    paths = mask_paths(recipe, shard.subject, shard.sequence, shard.camera, matted.read.frame)
    if matted.read.fault is not None:
        if matted.read.looked_at and not recipe.pack:
            out.delete(paths)
        return fault_row(shard, matted.read, matted.read.fault), None
    written_as = recipe.mask_format, recipe.mask_quality, recipe.numerics.decoder
    full, lowres = encode_mask(matted.mask, *written_as), encode_mask(matted.lowres, *written_as)
    measures = {**matted.measures, **_measure_lowres(matted)}
    row = replace(
        _row(shard, matted.read),
        note=_note(shard, matted, recipe),
        mask_bytes=len(full),
        mask_sha256=hashlib.sha256(full).hexdigest(),
        lowres_bytes=len(lowres),
        lowres_sha256=hashlib.sha256(lowres).hexdigest(),
        **measures,
    )
    if recipe.pack:
        masks = Masks(full, lowres, SUFFIXES[recipe.mask_format])
        return replace(row, encode_s=time.perf_counter() - started), masks
    out.write_atomic(paths.full, full)
    out.write_atomic(paths.lowres, lowres)
    placed = replace(row, mask_path=paths.full, lowres_path=paths.lowres, encode_s=time.perf_counter() - started)
    return placed, None


def fault_row(shard: Shard, read: ReadFrame, fault: InputFault) -> FrameRow:
    """Return the row of a frame that could not be matted."""
    return replace(_row(shard, read), status=fault.status, error=fault.message)


def _measure_lowres(matted: Matted) -> dict[str, Any]:
    """Return what is measured on the lowres mask: its shape, and the background beside the plate where there is one."""
    visible = None if matted.read.visible is None else matted.read.visible.lowres
    measures = asdict(measure_shape(matted.lowres, visible))
    beside = matted.read.beside
    if beside is not None:
        measures |= asdict(measure_plate(beside, matted.lowres, visible))
    return {name: round(value, MEASURE_DIGITS) for name, value in measures.items() if value is not None}


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


def _until(stop: threading.Event, items: Iterator[Item]) -> Iterator[Item]:
    """Pass items on until the worker is told to stop; the shards in hand are then dropped, uncommitted."""
    for item in items:
        if stop.is_set():
            raise InterruptedError("told to stop")
        yield item


def _note(shard: Shard, matted: Matted, recipe: Recipe) -> str | None:
    over_black = "matted over a black plate" if recipe.uses_plate and shard.plate.path is None else None
    without = f"no plate: matted by {recipe.model}" if recipe.missing_plate == FALLBACK else None
    degraded = "degraded: the device's memory ran out, matted in smaller batches" if matted.is_degraded else None
    return "; ".join(filter(None, (matted.read.note, over_black, without, degraded))) or None


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
        device_s=sum(row.device_s or 0.0 for row in rows),
    )
