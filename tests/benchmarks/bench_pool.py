"""Measure what the pool costs: the driver's loop alone, and Ray workers that only sleep.

Run: python tests/benchmarks/bench_pool.py [--workers 1,2,4,8,16,32,64] [--json FILE]

In the simulation Ray is replaced by workers that answer at once, so that the driver's own work is all there is. With
Ray each worker holds a lock while it sleeps, as a worker holds its device, and tells for how long it held it.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import ray
from machine import Report, Table, finish

from manifests.records import Frame, Plate, Shard, ShardFailure, ShardSummary
from matting_tasks import pool as pool_module
from matting_tasks.cluster import start_ray, stop_ray
from matting_tasks.pool import RayPool

N_FRAMES = 64
N_CAMERAS = 16
TINY_S = 0.01
"""A shard so short that what surrounds it shows."""


def shards(n_shards: int) -> Iterator[list[Shard]]:
    """Yield shards one by one, camera after camera, as a plan has them, each made when it is asked for."""
    for number in range(n_shards):
        camera, cell = f"2222000{number * N_CAMERAS // n_shards:02d}", number % (n_shards // N_CAMERAS or 1)
        frames = tuple(
            Frame(n, n, f"031/images/{n:04d}/image_{camera}.jpg", "image", 800_000, f"800000-17000000000000{n:05d}")
            for n in range(cell * N_FRAMES, (cell + 1) * N_FRAMES)
        )
        plate = Plate("031", camera, f"031/background/image_{camera}.jpg", "7-1", "ok", 7)
        shard_id = f"_{camera}_{frames[0].frame}-{frames[-1].frame}_{number:010x}"
        yield [Shard(shard_id, "031", "", camera, 0, "0" * 16, "stat", frames, plate)]


def summary_of(shard: Shard, seconds: float) -> ShardSummary:
    """Return what a worker answers when a shard is committed."""
    coordinates = shard.shard_id, shard.subject, shard.sequence, shard.camera, shard.recipe_id
    return ShardSummary(*coordinates, len(shard.frames), {"ok": len(shard.frames)}, None, seconds, 1, "worker")


class InstantCall:
    """A remote method that is done when it is called; what is returned stands for a reference to its answer."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def remote(self, *values: Any) -> SimpleNamespace:
        return Reference(answer=self._answer(*values))


class Reference(SimpleNamespace):
    """A reference that may be a key."""

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other


class InstantActor:
    """A worker that answers at once."""

    def __init__(self) -> None:
        self.prepare = InstantCall(lambda: None)
        self.matte = InstantCall(lambda asked: [summary_of(shard, 0.0) for shard in asked])
        self.stop = InstantCall(dict)


class InstantClass:
    """Stands for the remote class."""

    @staticmethod
    def options(**_: Any) -> SimpleNamespace:
        return SimpleNamespace(remote=lambda _settings: InstantActor())


INSTANT_RAY = SimpleNamespace(
    wait=lambda refs, num_returns, timeout: (refs[:num_returns], refs[num_returns:]),
    get=lambda ref: ref.answer,
    kill=lambda actor: None,
    cluster_resources=dict,
)


class SleepingActor:
    """A worker that holds its device for as long as its settings say, and says how long it truly was."""

    def __init__(self, sleep_s: float) -> None:
        self._sleep_s = sleep_s
        self._device = threading.Lock()

    def prepare(self) -> None:
        """Be ready."""

    def matte(self, asked: Sequence[Shard]) -> list[ShardSummary | ShardFailure]:
        """Hold the device and sleep."""
        with self._device:
            started = time.perf_counter()
            time.sleep(self._sleep_s)
            held_s = time.perf_counter() - started
        return [summary_of(shard, held_s) for shard in asked]

    def stop(self) -> dict[str, Any]:
        """Have nothing to drop, and no traffic to tell of."""
        return {}


def run_shards(settings: Any, n_workers: int, n_cpus: float, groups: Iterable[Sequence[Shard]]) -> dict[str, float]:
    """Matte shards on a pool; return the seconds from the first answer that the workers' set-up gave to the end."""
    pool = RayPool(settings, n_workers, n_cpus, 0)
    try:
        while not all(post.ready for post in pool._posts):
            time.sleep(0.01)
        cpu, started = time.process_time(), time.perf_counter()
        outcomes = list(pool.matte(groups))
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    finally:
        pool.close()
    failed = [outcome for outcome in outcomes if isinstance(outcome, ShardFailure)]
    if failed:
        raise RuntimeError(f"{len(failed)} shards failed, the first because: {failed[0].message}")
    return {"n": len(outcomes), "seconds": seconds, "cpu_s": cpu, "held_s": sum(o.seconds for o in outcomes)}


def simulate(n_shards: int, counts: Sequence[int]) -> list[dict[str, float]]:
    """Run the driver's loop over workers that answer at once."""
    found = []
    kept = pool_module.ray, pool_module.MattingActor
    pool_module.ray, pool_module.MattingActor = INSTANT_RAY, InstantClass  # type: ignore[assignment]
    try:
        for n_workers in counts:
            ready = list(shards(n_shards))
            run = run_shards(None, n_workers, 1, ready)
            found.append({"n_workers": n_workers, "receipts_per_s": run["n"] / run["seconds"], **run})
            found[-1]["receipts_per_cpu_s"] = run["n"] / run["cpu_s"]
    finally:
        pool_module.ray, pool_module.MattingActor = kept
    return found


def sleep_on_ray(n_workers: int, n_shards: int, sleep_s: float, n_cpus: float) -> dict[str, float]:
    """Run shards that sleep on real workers; overhead is the time in which a worker did not hold its device."""
    kept = pool_module.MattingActor
    pool_module.MattingActor = ray.remote(max_restarts=0, max_task_retries=0, max_concurrency=2)(SleepingActor)
    try:
        run = run_shards(sleep_s, n_workers, n_cpus, shards(n_shards))
    finally:
        pool_module.MattingActor = kept
    idle_s = n_workers * run["seconds"] - run["held_s"]
    return {
        "n_workers": n_workers,
        "n_shards": n_shards,
        "sleep_s": sleep_s,
        "seconds": run["seconds"],
        "overhead_ms_per_shard": 1e3 * idle_s / n_shards,
        "overhead_ms_per_frame": 1e3 * idle_s / n_shards / N_FRAMES,
        "overhead_share": idle_s / run["held_s"],
        "driver_ms_per_shard": 1e3 * run["cpu_s"] / n_shards,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", default="1,2,4,8,16,32,64")
    parser.add_argument("--simulated-shards", type=int, default=20_000)
    parser.add_argument("--tiny-shards", type=int, default=100, help="for each worker")
    parser.add_argument("--long-shards", type=int, default=30, help="of a second, on 2 workers")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    counts = [int(word) for word in args.workers.split(",")]
    simulated = simulate(args.simulated_shards, counts)
    table = Table(
        "The driver's loop alone, workers that answer at once",
        ("workers", "receipts/s", "receipts per CPU second"),
        [(run["n_workers"], round(run["receipts_per_s"]), round(run["receipts_per_cpu_s"])) for run in simulated],
        f"{args.simulated_shards} shards of {N_FRAMES} frames",
    )
    finish(Report("pool", {}, {}, [table]), None)
    start_ray(None, max(counts))
    try:
        slept = [sleep_on_ray(n, args.tiny_shards * n, TINY_S, 1) for n in counts]
        second = sleep_on_ray(2, args.long_shards, 1.0, 1)
    finally:
        stop_ray()
    names = ("n_workers", "n_shards", "sleep_s", "seconds", "overhead_ms_per_shard", "overhead_ms_per_frame")
    columns = ("workers", "shards", "sleep s", "wall s", "overhead ms/shard", "overhead ms/frame", "overhead share")
    rows = [[*(run[name] for name in names), f"{run['overhead_share']:.1%}"] for run in (*slept, second)]
    note = "Overhead: time in which a worker did not hold its device; its share is of the time in which it did."
    with_ray = Table("Ray workers that only sleep", columns, rows, note)
    print()
    results = {"simulated": simulated, "asleep": slept, "second": second}
    finish(Report("pool", vars(args), results, [with_ray]), args.json)


if __name__ == "__main__":
    main()
