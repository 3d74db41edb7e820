"""Estimate: what a run will take, by what is to do and by measured rates, and what would be slowest."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

HOUR_S = 3600.0
PAGE = 1000
"""Names in one page of a listing."""
MASKS_PER_FRAME = 2
READ_AHEAD_BYTES = 8 << 20
"""Of a video, for each request."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is to do. Bytes are those of files read and written, `n_pictures` frames that have a file of their own."""

    n_frames: int = 0
    n_shards: int = 0
    n_streams: int = 0
    n_pictures: int = 0
    n_visible: int = 0
    n_videos: int = 0
    n_plates: int = 0
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
    `receipts_per_s` that the driver takes (measured, docs/benchmarks.md). Prices in dollars: of 1,000 requests that
    write or list, of 1,000 that read, of one GPU's hour, of a GB stored for a month.
    """

    n_workers: int
    frames_per_s: float
    n_cores: int
    cpu_s: float
    bytes_per_s: float
    puts_per_s: float = 3500.0
    gets_per_s: float = 5500.0
    receipts_per_s: float = 47_500.0
    put_price: float = 0.005
    get_price: float = 0.0004
    gpu_price: float = 0.0
    month_price: float = 0.023


@dataclass(frozen=True, slots=True)
class Requests:
    """What is asked of the store."""

    n_puts: int
    n_gets: int
    n_lists: int


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
    requests = requests_of(load)
    seconds = {
        "devices": load.n_frames / (rates.frames_per_s * rates.n_workers),
        "cores": load.n_frames * rates.cpu_s / rates.n_cores,
        "bytes of the store": (load.bytes_in + load.bytes_out) / rates.bytes_per_s,
        "writes to the store": requests.n_puts / rates.puts_per_s,
        "reads from the store": (requests.n_gets + requests.n_lists) / rates.gets_per_s,
        "the driver": load.n_shards / rates.receipts_per_s,
    }
    hours = sorted(((name, value / HOUR_S) for name, value in seconds.items()), key=lambda pair: -pair[1])
    gpu_hours = rates.n_workers * hours[0][1]
    price = (requests.n_puts + requests.n_lists) / 1000 * rates.put_price + requests.n_gets / 1000 * rates.get_price
    month = load.bytes_out / 1e9 * rates.month_price
    return Estimate(requests, tuple(hours), gpu_hours, price, gpu_hours * rates.gpu_price, month)


def requests_of(load: Load) -> Requests:
    """Count the requests of a run over objects, as it makes them where each of its files is read or written once.

    Read: every picture, visible mask and plate once, videos in pieces, and each lowres mask again for QC. Written: two
    masks a frame, and a receipt a shard. Listed: the capture, the masks and the ledger, in pages.
    """
    pieces = math.ceil(load.bytes_in / READ_AHEAD_BYTES) if load.n_videos else 0
    n_files = load.n_pictures + load.n_visible + load.n_videos + load.n_plates
    n_masks = MASKS_PER_FRAME * load.n_frames
    return Requests(
        n_puts=n_masks + load.n_shards,
        n_gets=load.n_pictures + load.n_visible + load.n_plates + max(pieces, load.n_videos) + load.n_frames,
        n_lists=sum(math.ceil(number / PAGE) for number in (n_files, n_masks, load.n_shards)),
    )
