"""Planning: what a run over a capture would take on so many GPUs, from its listing and measured rates, printed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median

import numpy as np
from rich.console import Console
from rich.table import Table

from flows.enumerate import enumerate_capture
from flows.matte import BYTES_PER_FRAME, BYTES_PER_PIXEL, SHRUNK_TO
from flows.settings import EnumerateSettings
from flows.show import plain_console
from flows.telling import count
from manifests.errors import UsageError
from manifests.estimate import HOUR_S, Estimate, Load, Rates, estimate
from manifests.ledger import read_receipts
from manifests.manifest import Manifest, listed_subjects, read_manifest
from manifests.rows import streams
from manifests.sharding import GRID
from manifests.storage import Folder, open_folder
from manifests.storage_memory import MemoryFolder

MOST_SUBJECTS = 4
"""Whose receipts are read for rates: enough for medians."""
CORES_PER_WORKER = 8


@dataclass(frozen=True, slots=True)
class Cluster:
    """What was said of the machines; None where the receipts of a run, or nothing, must tell it.

    `rate` frames/s of one GPU, `cpu_s` of one core for a frame, `store_gbit` of the store's line in Gbit/s.
    """

    n_gpus: int
    rate: float | None
    cpu_s: float | None
    n_cores: int | None
    store_gbit: float
    gpu_price: float


def print_plan(
    capture_url: str, out_url: str | None, settings: EnumerateSettings, cluster: Cluster, as_json: bool
) -> None:
    """Print what a run over the selected frames of a capture would take; nothing is written.

    Rates that were not said are the medians of the receipts under `out_url`. Raises UsageError where they are unknown.
    """
    capture = open_folder(capture_url, settings.store_options)
    out = None if out_url is None else open_folder(out_url, settings.store_options)
    rates = _rates(cluster, out)
    console = plain_console(stderr=as_json)
    with console.status(f"Listing {capture.url}"):
        load = _load_of(capture, settings)
    found = estimate(load, rates)
    if as_json:
        print(json.dumps({"load": asdict(load), "rates": asdict(rates), **_record(found)}, indent=1))
        return
    _show(console, capture.url, load, rates, found)


def _load_of(capture: Folder, settings: EnumerateSettings) -> Load:
    listed = MemoryFolder()
    load = Load()
    for enumerated in enumerate_capture(capture, listed, settings):
        manifest = read_manifest(listed, enumerated.subject)
        if manifest is not None:
            load += _subject_load(manifest, settings)
    return load


def _subject_load(manifest: Manifest, settings: EnumerateSettings) -> Load:
    frames = manifest.frames
    chosen = settings.selection.rows(frames)
    if not chosen.any():
        return Load()
    is_video = chosen & (frames.kind == "video")
    files = {path: int(size) for path, size in zip(frames.path[chosen], frames.size_bytes[chosen], strict=True)}
    n_streams = n_shards = 0
    for rows in streams(frames).values():
        numbers = frames.frame[rows][chosen[rows]]
        n_streams += bool(len(numbers))
        n_shards += len(np.unique(numbers // GRID))
    pixels = frames.width[chosen].astype(np.int64) * frames.height[chosen]
    plates = [plate for plate in manifest.plates.values() if plate.path is not None]
    frame_bytes = float(pixels.mean()) * SHRUNK_TO[settings.geometry or "native"] * BYTES_PER_PIXEL["jpg"]
    return Load(
        n_frames=int(chosen.sum()),
        n_shards=n_shards,
        n_streams=n_streams,
        n_pictures=int((chosen & ~is_video).sum()),
        n_visible=int((chosen & (frames.visible_path != "")).sum()),
        n_videos=len(set(frames.path[is_video])),
        n_plates=len(plates),
        bytes_in=sum(files.values()) + sum(plate.size_bytes for plate in plates),
        bytes_out=int(chosen.sum() * (frame_bytes + BYTES_PER_FRAME)),
    )


def _rates(cluster: Cluster, out: Folder | None) -> Rates:
    """Return what was said, and of the rest what the receipts of an output root tell."""
    rate, cpu_s = cluster.rate, cluster.cpu_s
    if (rate is None or cpu_s is None) and out is not None:
        measured = _measured(out)
        if measured is not None:
            rate, cpu_s = rate or measured[0], cpu_s or measured[1]
    if rate is None or cpu_s is None:
        raise UsageError(
            "How fast is one GPU, and what does a frame cost beside it? Say --rate FRAMES_PER_SECOND and --cpu "
            "SECONDS, or matte a few frames on such a machine (cleanplate matte CAPTURE --out TRY --frames 0:64) "
            "and name them: cleanplate plan CAPTURE --out TRY."
        )
    n_cores = cluster.n_cores or CORES_PER_WORKER * cluster.n_gpus
    return Rates(cluster.n_gpus, rate, n_cores, cpu_s, cluster.store_gbit * 1e9 / 8, gpu_price=cluster.gpu_price)


def _measured(out: Folder) -> tuple[float, float] | None:
    """Return frames/s of a device and seconds of a core for a frame, medians over receipts; None without any."""
    rows = [
        row
        for subject in listed_subjects(out)[:MOST_SUBJECTS]
        for row in read_receipts(out, subject)
        if row.status == "ok" and row.device_s and row.decode_s is not None and row.encode_s is not None
    ]
    if not rows:
        return None
    device_s = median(row.device_s or 0.0 for row in rows)
    return 1 / device_s, median((row.decode_s or 0.0) + (row.encode_s or 0.0) for row in rows)


def _record(found: Estimate) -> dict[str, object]:
    told = {key: value for key, value in asdict(found).items() if key != "hours"}
    return {**told, "hours": dict(found.hours), "bottleneck": found.bottleneck, "wall_hours": found.wall_hours}


def _show(console: Console, url: str, load: Load, rates: Rates, found: Estimate) -> None:
    console.print(f"Capture {url}", soft_wrap=True)
    _table(
        console,
        "To do",
        [
            ("frames", f"{load.n_frames:,} in {load.n_streams:,} streams"),
            ("shards", f"{load.n_shards:,}"),
            ("read", _bytes(load.bytes_in)),
            ("written", f"about {_bytes(load.bytes_out)} in {2 * load.n_frames:,} masks"),
            ("requests, on S3", _requests(found)),
        ],
    )
    _table(
        console,
        f"On {count(rates.n_workers, 'GPU')} and {count(rates.n_cores, 'core')}",
        [
            *((name, f"{_hours(hours)} if nothing else were slower") for name, hours in found.hours),
        ],
    )
    console.print(
        f"Slowest: {found.bottleneck}. About {_hours(found.wall_hours)}, {found.gpu_hours:,.2f} GPU-hours at "
        f"{rates.frames_per_s:.1f} frames/s a GPU and {rates.cpu_s * 1000:.0f} ms of a core a frame.",
        soft_wrap=True,
    )
    gpus = f", GPUs {found.gpu_price:,.2f}" if rates.gpu_price else ""
    console.print(
        f"Dollars, on S3 at list prices: requests {found.requests_price:,.2f}, a month of masks "
        f"{found.month_price:,.2f}{gpus}.",
        soft_wrap=True,
    )


def _bytes(number: float) -> str:
    """Return a number of bytes with a unit that suits it."""
    for unit, size in (("TB", 1e12), ("GB", 1e9)):
        if number >= size:
            return f"{number / size:,.1f} {unit}"
    return f"{number / 1e6:,.1f} MB"


def _hours(hours: float) -> str:
    """Return a time with a unit that suits it."""
    for unit, length in (("days", 48.0), ("h", 1.0), ("min", 1 / 60)):
        if hours >= length:
            return f"{hours / (24.0 if unit == 'days' else length):,.1f} {unit}"
    return f"{hours * HOUR_S:.1f} s"


def _requests(found: Estimate) -> str:
    asked = found.requests
    return f"{asked.n_gets:,} reads, {asked.n_puts:,} writes, {asked.n_lists:,} pages of listings"


def _table(console: Console, title: str, rows: Sequence[tuple[str, str]]) -> None:
    table = Table(title=title, title_justify="left", show_header=False, box=None, padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(*row)
    console.print(table)
