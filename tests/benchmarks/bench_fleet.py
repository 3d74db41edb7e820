"""Measure what one driver spends on a shard when it has hundreds of workers: the real pool over real Ray calls.

Run: python tests/benchmarks/bench_fleet.py [--posts 2,8,64,512] [--beside 0,1,2] [--json FILE]

Hundreds of worker processes do not fit on a small machine, so many posts of the pool share a few of them; each post
still has its own calls, and the pool cannot tell. Shards sleep so shortly that the driver is what limits. `--beside`
threads compute in Python in the driver's process meanwhile, as planning and QC do while shards go out.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import ray
from benchmarks.bench_pool import shards
from benchmarks.machine import Report, Table, finish

from manifests.records import Shard, ShardSummary
from matting_tasks import pool as pool_module
from matting_tasks.cluster import start_ray, stop_ray
from matting_tasks.pool import IN_FLIGHT, RayPool

N_PROCESSES = 2
SHORTEST_S = 0.01
"""Of a shard, where there are few posts."""
MOST_PER_S = 4000
"""Shards that are offered: more than any driver was seen to take."""


class SharedActor:
    """Stands for many workers at once: nobody holds a device."""

    def __init__(self, sleep_s: float) -> None:
        self._sleep_s = sleep_s

    def prepare(self) -> None:
        """Be ready."""

    def matte(self, asked: Sequence[Shard]) -> list[ShardSummary]:
        """Sleep."""
        time.sleep(self._sleep_s)
        places = ((one.shard_id, one.subject, one.sequence, one.camera, one.recipe_id, one.n_frames) for one in asked)
        return [ShardSummary(*place, {"ok": place[-1]}, None, self._sleep_s, 1, "worker") for place in places]

    def stop(self) -> dict[str, Any]:
        """Have nothing to drop, and no traffic to tell of."""
        return {}


class Shared:
    """Stands for the remote class: each new actor is one of the few that there are."""

    def __init__(self, actors: Sequence[Any]) -> None:
        self._turns = itertools.cycle(actors)

    def options(self, **_: Any) -> SimpleNamespace:
        return SimpleNamespace(remote=self._next)

    def _next(self, _settings: Any, **_: Any) -> SimpleNamespace:
        actor = next(self._turns)
        return SimpleNamespace(prepare=actor.prepare, matte=actor.matte, stop=actor.stop)


@contextmanager
def shared_actors(n_posts: int, sleep_s: float) -> Iterator[None]:
    """Give the pool actors of which many are one, and that it cannot kill."""
    at_once = max(2, -(-IN_FLIGHT * n_posts // N_PROCESSES))
    remote = ray.remote(max_restarts=0, max_task_retries=0, max_concurrency=at_once)(SharedActor)
    actors = [remote.options(num_cpus=0).remote(sleep_s) for _ in range(N_PROCESSES)]
    ray.get([actor.prepare.remote() for actor in actors])
    kept = pool_module.MattingActor, pool_module.ray
    names = ("wait", "get", "cluster_resources", "nodes")
    pool_module.MattingActor = Shared(actors)
    pool_module.ray = SimpleNamespace(kill=lambda actor: None, **{name: getattr(ray, name) for name in names})  # type: ignore[assignment]
    try:
        yield
    finally:
        pool_module.MattingActor, pool_module.ray = kept
        for actor in actors:
            ray.kill(actor)


@contextmanager
def computing(n_threads: int) -> Iterator[None]:
    """Have threads of this process compute in Python."""
    stop = threading.Event()

    def compute() -> None:
        while not stop.is_set():
            sum(range(10_000))

    threads = [threading.Thread(target=compute, daemon=True) for _ in range(n_threads)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def measure(n_posts: int, n_beside: int, n_shards: int) -> dict[str, float]:
    """Send shards through a pool of so many posts as fast as the driver takes them."""
    sleep_s = max(SHORTEST_S, IN_FLIGHT * n_posts / MOST_PER_S)
    ready = list(shards(n_shards))
    with shared_actors(n_posts, sleep_s):
        pool = RayPool(None, n_posts, 0, 0)  # type: ignore[arg-type]
        try:
            while not all(post.ready for post in pool._posts):
                time.sleep(0.05)
            with computing(n_beside):
                started = time.perf_counter()
                done_at = [time.perf_counter() - started for _ in pool.matte(ready)]
        finally:
            pool.close()
    first, last = n_shards // 4, 3 * n_shards // 4  # filling and draining are no part of it
    rate = (last - first) / (done_at[last] - done_at[first])
    return {
        "n_posts": n_posts,
        "n_beside": n_beside,
        "n_shards": n_shards,
        "sleep_s": sleep_s,
        "shards_per_s": rate,
        "ms_per_shard": 1e3 / rate,
        "offered_per_s": IN_FLIGHT * n_posts / sleep_s,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--posts", default="2,8,64,512")
    parser.add_argument("--beside", default="0,1,2")
    parser.add_argument("--shards", type=int, default=4000)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    start_ray(None, 4)
    try:
        found = [
            measure(int(n_posts), int(n_beside), args.shards)
            for n_posts in args.posts.split(",")
            for n_beside in args.beside.split(",")
        ]
    finally:
        stop_ray()
    columns = ("workers", "threads beside", "shards/s", "ms a shard", "offered/s")
    names = ("n_posts", "n_beside", "shards_per_s", "ms_per_shard", "offered_per_s")
    rows = [[run[name] for name in names] for run in found]
    note = "Shards a second that one driver gives out and takes back; offered: what the workers could take."
    table = Table("The driver with many workers", columns, rows, note)
    finish(Report("fleet", vars(args), {"found": found}, [table]), args.json)


if __name__ == "__main__":
    main()
