"""Compare a simulated run with a real one: the same shards, the product's own run on Ray, workers whose GPU is a sleep.

Run: python tests/benchmarks/bench_simulated.py [--workers 4] [--rate 10] [--no-qc] [--json FILE]

A real run of the product: listing, planning, plate checks, the pool, decoding, masks, receipts, QC, joining. Only the
model is another: it holds its device for as long as a GPU of the given rate would. What the simulation goes by are that
rate and the costs of docs/scale.md; nothing is fitted to the run that is predicted.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from benchmarks.drawn_capture import SUBJECT, Drawn, draw_capture
from benchmarks.machine import Report, Table, finish
from benchmarks.simulated.costs import Cluster, Costs, Policy, Setting, Store
from benchmarks.simulated.run import Run
from benchmarks.simulated.work import Work

from flows.books import Books, Pool, open_books
from flows.check_capture import check_plates
from flows.matte import list_capture, work
from flows.settings import MatteSettings
from flows.watch import QuietWatcher
from manifests.manifest import read_manifest
from manifests.recipe import Recipe
from manifests.records import ShardFailure, ShardSummary
from manifests.sharding import GRID
from manifests.storage import LocalFolder
from matting_tasks.cluster import start_ray, stop_ray
from matting_tasks.worker import WorkerSettings
from models.base import Matte

N_CAMERAS, N_CELLS, STEP = 16, 10, 8
SIZE_PX = 64
PLAN_S = 0.02
"""Of so small a subject."""


@dataclass(frozen=True)
class Pace:
    """A rate in frames/s, at which models are built."""

    rate: float

    def build(self, *_: Any) -> PacedModel:
        """Build the model in a worker, as the registry does."""
        return PacedModel(self.rate)


class PacedModel:
    """Calls the largest difference from the plate alpha, in the time of a GPU that does one thing at a time."""

    uses_plate, temporal = True, False

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._device = threading.Lock()

    def matte(
        self, frames: torch.Tensor, plates: torch.Tensor | None, state: object = None, want_foreground: bool = False
    ) -> Matte:
        """Hold the device, and return mattes."""
        with self._device:
            until = time.monotonic() + frames.shape[0] * frames.shape[1] / self._rate
            alpha = (frames - (0 if plates is None else plates[:, None])).abs().amax(dim=2)
            time.sleep(max(0.0, until - time.monotonic()))
        return Matte(alpha, None, None)


@dataclass(frozen=True)
class PacedBooks(Books):
    """The books of a run whose workers are paced."""

    pace: Pace | None = None
    n_workers: int = 1

    def open_pool(self, recipe: Recipe, weights: str | None) -> Pool:
        """Open a pool of workers on the Ray of this machine."""
        from matting_tasks.pool import RayPool

        if self.pace is None:
            raise RuntimeError("a pace is wanted")
        settings = WorkerSettings(recipe, weights, self.capture_url, self.out.url, "cpu", 2, build=self.pace.build)
        return RayPool(settings, self.n_workers, 0, 0)


class Stopwatch(QuietWatcher):
    """Notes when shards are answered."""

    def __init__(self) -> None:
        self.came: list[float] = []

    def settled(self, outcome: ShardSummary | ShardFailure) -> None:
        """Note it."""
        self.came.append(time.perf_counter())


def draw(root: Path, n_subjects: int) -> None:
    """Draw equal subjects with some frames in each cell of the grid, so that shards are short."""
    draw_capture(root, Drawn(N_CAMERAS, N_CELLS * GRID // STEP, SIZE_PX, SIZE_PX, pads=False))
    images = root / SUBJECT / "images"
    for folder in sorted(images.iterdir(), reverse=True):
        folder.rename(images / f"{int(folder.name) * STEP:04d}")
    for number in range(1, n_subjects):
        shutil.copytree(root / SUBJECT, root / f"{100 + number:03d}")


def two_at_once(subjects: Sequence[str], work_on: Callable[[str], None]) -> None:
    """Work on subjects as the Prefect flow does."""
    with ThreadPoolExecutor(Policy().subjects_at_once) as threads:
        list(threads.map(work_on, subjects))


def really(capture: Path, out: Path, pace: Pace, n_workers: int, qc: bool) -> tuple[list[float], float]:
    """Matte a capture as `cleanplate matte` does, with paced workers; return when shards were answered, and the end."""
    source, target, watcher = LocalFolder(capture), LocalFolder(out), Stopwatch()
    settings = MatteSettings(model="plate-difference", executor="local", device="cpu", qc=qc)
    list_capture(source, target, settings, watcher)
    with open_books(target, source.url, settings, settings.selection, watcher) as books:
        known = {one.name: getattr(books, one.name) for one in fields(Books)}
        start_ray(None, n_workers)
        try:
            work(PacedBooks(**known, pace=pace, n_workers=n_workers), watcher, two_at_once)
        finally:
            stop_ray()
    return watcher.came, time.perf_counter()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--rate", type=float, default=10.0, help="frames/s of a worker's device")
    parser.add_argument("--subjects", type=int, default=3)
    parser.add_argument("--no-qc", action="store_true")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    logging.disable(logging.WARNING)  # verdicts of so small mattes
    with tempfile.TemporaryDirectory() as folder:
        capture, out = Path(folder) / "capture", Path(folder) / "out"
        draw(capture, args.subjects)
        came, ended = really(capture, out, Pace(args.rate), args.workers, not args.no_qc)
        manifest = read_manifest(LocalFolder(out), SUBJECT)
        started = time.perf_counter()
        if manifest is not None:
            check_plates(LocalFolder(capture), manifest)
        check_s = time.perf_counter() - started
    costs = Costs(args.rate, 0.0, set_up_s=0.0, look_s=PLAN_S, plan_s=PLAN_S, check_s=check_s, qc_instant_s=0.0)
    shards = Work(args.subjects, N_CAMERAS, 1, N_CELLS * GRID, STEP, from_video=False, grid=GRID // STEP)
    store = Store(float("inf"), float("inf"), put_s=0.0, get_s=0.0)
    policy = Policy(qc="off" if args.no_qc else "turn")
    told = Run(shards, Setting(Cluster(args.workers), costs, store, policy=policy)).play()
    pairs = {
        f"first to last of {len(came)} answers": (told.matted_s - told.answered_s, came[-1] - came[0]),
        "first answer to the end": (told.finished_s - told.answered_s, ended - came[0]),
    }
    rows = [[name, said, real, f"{said / real - 1:+.1%}"] for name, (said, real) in pairs.items()]
    n_frames = shards.load().n_frames
    note = f"{n_frames:,} frames in {told.n_shards:,} shards, {args.workers} workers of {args.rate:g} frames/s."
    table = Table("Simulated against real", ("what", "predicted s", "measured s", "error"), rows, note)
    finish(Report("simulated", vars(args), {"pairs": pairs}, [table]), args.json)


if __name__ == "__main__":
    main()
