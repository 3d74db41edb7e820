"""Costs: what a run held, used and asked for: GPU-seconds or core-seconds, frames an hour of them, requests, bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from manifests.traffic import KINDS, Traffic

if TYPE_CHECKING:
    from flows.books import Pool
    from flows.resolve import Machine, Workforce

HOUR_S = 3600.0


@runtime_checkable
class Timed(Protocol):
    """A pool whose workers come and go, and which knows for how long each was there."""

    @property
    def held_s(self) -> float:
        """Return the seconds of all workers, added up."""


@dataclass(frozen=True, slots=True)
class Hold:
    """What the workers of a run held: the seconds of all of them, and of each its cores and GPUs.

    `seconds` are those from before the first worker is started until the last is ended.
    """

    worker_s: float
    n_cores: float
    n_gpus: float
    seconds: float

    @staticmethod
    def of(machine: Machine, workforce: Workforce, worker_s: float, seconds: float) -> Hold:
        """Return what a workforce held; a worker that was given a GPU by number has the whole of it."""
        on_gpu = machine.device_class != "cpu"
        return Hold(worker_s, workforce.n_cpus, (workforce.n_gpus or 1.0) if on_gpu else 0.0, seconds)

    @property
    def n_workers(self) -> float:
        """Return how many workers there were on average."""
        return self.worker_s / self.seconds if self.seconds else 0.0

    @property
    def gpu_s(self) -> float:
        """Return GPU-seconds."""
        return self.n_gpus * self.worker_s

    @property
    def core_s(self) -> float:
        """Return the core-seconds that were asked for; threads that decode and encode may take more."""
        return self.n_cores * self.worker_s


def worker_seconds(pool: Pool, seconds: float) -> float:
    """Return the seconds of all workers of a pool that was open that long; what set-up took counts."""
    return pool.held_s if isinstance(pool, Timed) else pool.n_workers * seconds


def cost_record(hold: Hold, n_frames: int, device_s: float, traffic: Mapping[str, Traffic]) -> dict[str, Any]:
    """Return the cost of a run that made masks of so many frames, for JSON; `device_s` is the sum over all workers."""
    total = _total(traffic)
    record: dict[str, Any] = {
        "workers": round(hold.n_workers, 2),
        "held_s": round(hold.seconds, 3),
        "worker_s": round(hold.worker_s, 3),
        "gpu_s": round(hold.gpu_s, 3),
        "core_s": round(hold.core_s, 3),
        "device_s": round(device_s, 3),
        "requests": {kind: total.requests.get(kind, 0) for kind in KINDS},
        "retries": total.n_retries,
        "bytes_read": total.bytes_in,
        "bytes_written": total.bytes_out,
    }
    unit, seconds = ("gpu", hold.gpu_s) if hold.gpu_s else ("core", hold.core_s)
    return record | {f"frames_per_{unit}_hour": round(n_frames * HOUR_S / seconds, 1) if seconds else None}


def cost_words(hold: Hold, n_frames: int, device_s: float, traffic: Mapping[str, Traffic]) -> list[str]:
    """Return the same as lines for a person."""
    unit, seconds = ("GPU", hold.gpu_s) if hold.gpu_s else ("core", hold.core_s)
    rate = n_frames * HOUR_S / seconds if seconds else 0.0
    total = _total(traffic)
    kinds = ", ".join(f"{total.requests[kind]:,} {kind}" for kind in KINDS if total.requests.get(kind))
    return [
        f"Cost: {seconds:,.0f} {unit}-seconds ({hold.n_workers:.1f} workers on average for {hold.seconds:.1f} s), "
        f"{rate:,.0f} frames per {unit}-hour; {device_s:,.1f} s of computing on the device.",
        f"Stores: {total.n_requests:,} requests ({kinds or 'none'}), {total.n_retries:,} of them again; "
        f"{total.bytes_in / 1e6:,.1f} MB read, {total.bytes_out / 1e6:,.1f} MB written.",
    ]


def _total(traffic: Mapping[str, Traffic]) -> Traffic:
    return sum(traffic.values(), Traffic())
