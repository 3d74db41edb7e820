"""Estimate: what a run will take, by what is to do and by measured rates, and what would be slowest."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

HOUR_S = 3600.0
PAGE = 1000
"""Names in one page of a listing."""
MASKS_PER_FRAME = 2
PART_BYTES = 32 << 20
"""Of an object that is written in parts; a smaller one is one request, of n parts n + 2."""
PROBE_READS = 2
"""Of a video that is listed for the first time: its index."""
CHECK_READS = 6
"""Of a camera whose plate is checked: the plate, four frames, a visible mask."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is to do. `bytes_in` and `bytes_out` are read and written by workers, `n_pictures` frames have a file of
    their own, `n_video_reads` is how often videos are fetched, once for each of their shards; `n_instants` are those
    whose visual hull quality control makes.
    """

    n_frames: int = 0
    n_shards: int = 0
    n_streams: int = 0
    n_pictures: int = 0
    n_visible: int = 0
    n_videos: int = 0
    n_video_reads: int = 0
    n_plates: int = 0
    n_instants: int = 0
    bytes_in: int = 0
    bytes_out: int = 0

    def __add__(self, other: Load) -> Load:
        """Return both together."""
        return Load(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(Load)))


@dataclass(frozen=True, slots=True)
class Rates:
    """What the machines and the store give.

    `frames_per_s` of one worker's device while it computes; `cpu_s` of one core for a frame beside the device, on
    `n_cores` in all; `bytes_per_s`, `puts_per_s` and `gets_per_s` of the store, for all workers together;
    `shards_per_s` that the driver gives out and takes back; `qc_frame_s` and `qc_instant_s` of quality control for a
    frame and for the visual hull of an instant, by `n_judges` at once, 0 to leave it out. Defaults are figures of
    docs/scale.md and of Amazon's own words on S3. `pack`: one object a shard. Prices in dollars: of 1,000 requests
    that write or list, of 1,000 that read, of one GPU's hour, of a GB stored for a month.
    """

    n_workers: int
    frames_per_s: float
    n_cores: int
    cpu_s: float
    bytes_per_s: float
    pack: bool = False
    puts_per_s: float = 3500.0
    gets_per_s: float = 5500.0
    shards_per_s: float = 900.0
    qc_frame_s: float = 0.0031
    qc_instant_s: float = 0.069
    n_judges: int = 1
    put_price: float = 0.005
    get_price: float = 0.0004
    gpu_price: float = 0.0
    month_price: float = 0.023


@dataclass(frozen=True, slots=True)
class Requests:
    """What is asked of the store, and the objects that are in it afterwards: masks or packs, and receipts."""

    n_puts: int
    n_gets: int
    n_lists: int
    n_objects: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run will take: `hours` by what would be the only limit, the longest first; prices in dollars."""

    requests: Requests
    hours: tuple[tuple[str, float], ...]
    gpu_hours: float
    requests_price: float
    gpu_price: float
    month_price: float

    @property
    def bottleneck(self) -> str:
        """Name what is slowest."""
        return self.hours[0][0]

    @property
    def wall_hours(self) -> float:
        """Return the hours of a run in which all else hides behind what is slowest."""
        return self.hours[0][1]


def estimate(load: Load, rates: Rates) -> Estimate:
    """Return what a load takes at given rates; what runs side by side is as slow as its slowest part."""
    requests = requests_of(load, rates.pack, bool(rates.n_judges))
    seconds = {
        "devices": load.n_frames / (rates.frames_per_s * rates.n_workers),
        "cores": load.n_frames * rates.cpu_s / rates.n_cores,
        "bytes of the store": (load.bytes_in + load.bytes_out) / rates.bytes_per_s,
        "writes to the store": requests.n_puts / rates.puts_per_s,
        "reads from the store": (requests.n_gets + requests.n_lists) / rates.gets_per_s,
        "the driver": load.n_shards / rates.shards_per_s,
    }
    if rates.n_judges:
        judging_s = load.n_frames * rates.qc_frame_s + load.n_instants * rates.qc_instant_s
        seconds["quality control"] = judging_s / rates.n_judges
    hours = sorted(((name, value / HOUR_S) for name, value in seconds.items()), key=lambda pair: -pair[1])
    gpu_hours = rates.n_workers * hours[0][1]
    price = (requests.n_puts + requests.n_lists) / 1000 * rates.put_price + requests.n_gets / 1000 * rates.get_price
    month = load.bytes_out / 1e9 * rates.month_price
    return Estimate(requests, tuple(hours), gpu_hours, price, gpu_hours * rates.gpu_price, month)


def requests_of(load: Load, pack: bool = False, qc: bool = True) -> Requests:
    """Count the requests of a run over objects, as it makes them where nothing is refused or tried again.

    Read: every picture and visible mask once, a video once for each of its shards, a few files of each camera for the
    check of its plate and the plate itself, each lowres mask for quality control, and again where a hull is made, and
    receipts twice, to judge and to join them. Written: two masks a frame or one pack a shard, and a receipt a shard.
    Listed: the capture, the masks and the ledger, in pages.
    """
    n_files = load.n_pictures + load.n_visible + load.n_videos + load.n_plates
    n_masks = MASKS_PER_FRAME * load.n_frames
    n_puts, n_kept = n_masks, n_masks
    if pack:
        n_puts, n_kept = load.n_shards * pack_puts(load.bytes_out / max(load.n_shards, 1)), load.n_shards
    of_capture = load.n_pictures + load.n_visible + load.n_video_reads + PROBE_READS * load.n_videos
    of_qc = qc * ((2 if load.n_instants else 1) * load.n_frames + load.n_shards)
    return Requests(
        n_puts=n_puts + load.n_shards,
        n_gets=of_capture + (1 + CHECK_READS) * load.n_plates + of_qc + load.n_shards,
        n_lists=sum(math.ceil(number / PAGE) for number in (n_files, n_kept, load.n_shards)),
        n_objects=n_kept + load.n_shards,
    )


def pack_puts(n_bytes: float) -> int:
    """Count the requests that write a pack: one, or for several parts one each and two around them."""
    n_parts = math.ceil(n_bytes / PART_BYTES)
    return 1 if n_parts <= 1 else n_parts + 2
