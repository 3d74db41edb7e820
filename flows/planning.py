"""Planning: what a run over a capture would take on so many GPUs, from its listing and measured rates, printed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
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
from manifests.layouts.gha import NAME as GHA
from manifests.ledger import read_receipts
from manifests.manifest import Manifest, listed_subjects, read_manifest
from manifests.rows import streams
from manifests.sharding import GRID
from manifests.storage import Folder, open_folder
from manifests.storage_memory import MemoryFolder
from matting_tasks.hull import FEWEST_CAMERAS
from matting_tasks.judging import MOST_INSTANTS

MOST_SUBJECTS = 4
"""Whose receipts are read for rates: enough for medians."""
CORES_PER_WORKER = 8
RECEIPT_BYTES = 500
"""Of a frame's row in a receipt."""
ADVICE = {
    "devices": "more GPUs",
    "cores": "more cores for each GPU",
    "bytes of the store": "a wider line to the store, or machines nearer to it",
    "writes to the store": "--pack, one object a shard",
    "reads from the store": "captures of videos, or subjects that lie under prefixes of their own",
    "the driver": "several runs side by side, each with its --subjects",
    "quality control": "--no-qc, and cleanplate qc OUT on machines without GPUs, some --subjects each",
}
"""What makes each limit wider; docs/scale.md says how much."""
PACKED = {"writes to the store": "several runs side by side, each with its --subjects: other prefixes"}
"""The same where masks are packed already."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """What was said of the machines; None where the receipts of a run, or nothing, must tell it.

    `rate` frames/s of one GPU, `cpu_s` of one core for a frame, `store_gbit` of the store's line in Gbit/s; whether
    masks are packed, and judged while the run goes on.
    """

    n_gpus: int
    rate: float | None
    cpu_s: float | None
    n_cores: int | None
    store_gbit: float
    gpu_price: float
    pack: bool = False
    qc: bool = True


@dataclass(frozen=True, slots=True)
class Measured:
    """Of a frame, by the receipts of a run: seconds of its device and of a core beside it, bytes that were written."""

    device_s: float
    cpu_s: float
    frame_bytes: float


def print_plan(
    capture_url: str, out_url: str | None, settings: EnumerateSettings, cluster: Cluster, as_json: bool
) -> None:
    """Print what a run over the selected frames of a capture would take; nothing is written.

    Rates that were not said, and the size of masks, are the medians of the receipts under `out_url`. Raises UsageError
    where rates are unknown.
    """
    capture = open_folder(capture_url, settings.store_options)
    out = None if out_url is None else open_folder(out_url, settings.store_options)
    measured = None if out is None else _measured(out)
    rates = _rates(cluster, measured)
    console = plain_console(stderr=as_json)
    with console.status(f"Listing {capture.url}"):
        load = _load_of(capture, settings)
    if measured is not None:
        load = replace(load, bytes_out=int(load.n_frames * measured.frame_bytes))
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
            load += subject_load(manifest, settings, capture.local_path("") is not None)
    return load


def subject_load(manifest: Manifest, settings: EnumerateSettings, is_near: bool) -> Load:
    """Count what is selected of a subject; videos that are not on this machine are fetched by each shard."""
    frames = manifest.frames
    chosen = settings.selection.rows(frames)
    if not chosen.any():
        return Load()
    is_video = chosen & (frames.kind == "video")
    n_streams = n_shards = n_video_reads = bytes_in = 0
    instants: dict[str, list[np.ndarray]] = {}
    for (sequence, _), rows in streams(frames).items():
        numbers, fetched = frames.frame[rows][chosen[rows]], chosen[rows] & is_video[rows]
        cells = len(np.unique(numbers // GRID))
        n_streams += bool(len(numbers))
        n_shards += cells
        if fetched.any():
            n_reads = 1 if is_near else cells
            n_video_reads += n_reads
            bytes_in += n_reads * int(frames.size_bytes[rows][fetched][0])
        if len(numbers):
            instants.setdefault(sequence, []).append(numbers)
    pictures = chosen & ~is_video
    has_rig = manifest.calibration is not None or manifest.layout == GHA
    plates = [plate for plate in manifest.plates.values() if plate.path is not None]
    pixels = int((frames.width[chosen].astype(np.int64) * frames.height[chosen]).max())  # of those that were probed
    frame_bytes = pixels * SHRUNK_TO[settings.geometry or "native"] * BYTES_PER_PIXEL["jpg"]
    return Load(
        n_frames=int(chosen.sum()),
        n_shards=n_shards,
        n_streams=n_streams,
        n_pictures=int(pictures.sum()),
        n_visible=int((chosen & (frames.visible_path != "")).sum()),
        n_videos=len(set(frames.path[is_video])),
        n_video_reads=n_video_reads,
        n_plates=len(plates),
        n_instants=sum(_n_hulls(numbers) for numbers in instants.values()) if has_rig else 0,
        bytes_in=bytes_in + int(frames.size_bytes[pictures].sum()) + sum(plate.size_bytes for plate in plates),
        bytes_out=int(chosen.sum() * (frame_bytes + BYTES_PER_FRAME)),
    )


def _n_hulls(numbers: Sequence[np.ndarray]) -> int:
    """Count the instants of a sequence whose visual hull quality control makes, by the frame numbers of its cameras."""
    return min(MOST_INSTANTS, len(np.unique(np.concatenate(numbers)))) if len(numbers) >= FEWEST_CAMERAS else 0


def _rates(cluster: Cluster, measured: Measured | None) -> Rates:
    """Return what was said, and of the rest what was measured."""
    rate, cpu_s = cluster.rate, cluster.cpu_s
    if measured is not None:
        rate, cpu_s = rate or 1 / measured.device_s, measured.cpu_s if cpu_s is None else cpu_s
    if rate is None or cpu_s is None:
        raise UsageError(
            "How fast is one GPU, and what does a frame cost beside it? Say --rate FRAMES_PER_SECOND and --cpu "
            "SECONDS, or matte a few frames on such a machine (cleanplate matte CAPTURE --out TRY --frames 0:64) "
            "and name them: cleanplate plan CAPTURE --out TRY."
        )
    n_cores = cluster.n_cores or CORES_PER_WORKER * cluster.n_gpus
    return Rates(
        *(cluster.n_gpus, rate, n_cores, cpu_s, cluster.store_gbit * 1e9 / 8),
        pack=cluster.pack,
        n_judges=max(1, n_cores - cluster.n_gpus) if cluster.qc else 0,  # the cores that no worker takes
        gpu_price=cluster.gpu_price,
    )


def _measured(out: Folder) -> Measured | None:
    """Return the medians over the receipts of an output root, None without any."""
    rows = [
        row
        for subject in listed_subjects(out)[:MOST_SUBJECTS]
        for row in read_receipts(out, subject)
        if row.status == "ok" and row.device_s and row.decode_s is not None and row.encode_s is not None
    ]
    if not rows:
        return None
    return Measured(
        device_s=median(row.device_s or 0.0 for row in rows),
        cpu_s=median((row.decode_s or 0.0) + (row.encode_s or 0.0) for row in rows),
        frame_bytes=median((row.mask_bytes or 0) + (row.lowres_bytes or 0) for row in rows) + RECEIPT_BYTES,
    )


def _record(found: Estimate) -> dict[str, object]:
    told = {key: value for key, value in asdict(found).items() if key != "hours"}
    return {**told, "hours": dict(found.hours), "bottleneck": found.bottleneck, "wall_hours": found.wall_hours}


def _show(console: Console, url: str, load: Load, rates: Rates, found: Estimate) -> None:
    console.print(f"Capture {url}", soft_wrap=True)
    masks = f"{load.n_shards:,} packs" if rates.pack else f"{2 * load.n_frames:,} masks"
    _table(
        console,
        "To do",
        [
            ("frames", f"{load.n_frames:,} in {load.n_streams:,} streams"),
            ("shards", f"{load.n_shards:,}"),
            ("read", f"{_bytes(load.bytes_in)}{_fetched(load)}"),
            ("written", f"about {_bytes(load.bytes_out)}"),
            ("objects", f"{found.requests.n_objects:,}: {masks} and {load.n_shards:,} receipts"),
            ("requests, on S3", _requests(found)),
        ],
    )
    told = "if nothing else were slower"
    rows = [(name, f"{_hours(hours)} {told}") for name, hours in found.hours]
    _table(console, f"On {count(rates.n_workers, 'GPU')} and {count(rates.n_cores, 'core')}", rows)
    console.print(
        f"Slowest: {found.bottleneck}. About {_hours(found.wall_hours)}, {found.gpu_hours:,.2f} GPU-hours at "
        f"{rates.frames_per_s:.1f} frames/s a GPU and {rates.cpu_s * 1000:.0f} ms of a core a frame.",
        soft_wrap=True,
    )
    (slowest, longest), (second, next_hours), *_ = found.hours
    helps = PACKED.get(slowest, ADVICE[slowest]) if rates.pack else ADVICE[slowest]
    then = f" Up to {longest / next_hours:.1f} times as fast then; the next to be slowest: {second}."
    console.print(f"What helps: {helps}.{then if next_hours else ''}", soft_wrap=True)
    gpus = f", GPUs {found.gpu_price:,.2f}" if rates.gpu_price else ""
    console.print(
        f"Dollars, on S3 at list prices: requests {found.requests_price:,.2f}, a month of masks "
        f"{found.month_price:,.2f}{gpus}.",
        soft_wrap=True,
    )


def _fetched(load: Load) -> str:
    """Say that videos are read more often than once."""
    if load.n_video_reads <= load.n_videos:
        return ""
    return f", each video {load.n_video_reads / load.n_videos:.1f} times: once a shard"


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
