"""A fleet: a run over more than 200 shards on three nodes with GPUs by name, while nodes are lost and added.

Run: python -m tests.chaos.fleet
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parents[1])]

from captures import make_tiny, masks_below
from chaos.ray_stage import Pace, PacedModel, RayStage, size

from flows.books import Books, Pool, open_books
from flows.matte import in_turn, list_capture, work
from flows.settings import MatteSettings
from flows.summary import Summary
from flows.watch import QuietWatcher
from manifests.recipe import Recipe
from manifests.storage import LocalFolder
from manifests.verify import verify
from matting_tasks.preflight import Wanted, versions_here
from matting_tasks.worker import WorkerSettings

SUBJECTS, N_CAMERAS, N_FRAMES, GRID = ("031", "032"), 4, 112, 4
N_SHARDS = len(SUBJECTS) * N_CAMERAS * N_FRAMES // GRID
SECONDS_A_FRAME = 0.15
SETTINGS = MatteSettings(model="plate-difference", executor="local", device="cpu", qc=False, check="off")


@dataclass(frozen=True)
class SeenPace(Pace):
    """A pace whose workers note the devices that they see, in a file of their own in a folder."""

    devices: str = ""

    def build(self, *words: object) -> PacedModel:
        """Build the model, and note what CUDA would show to it."""
        Path(self.devices, str(os.getpid())).write_text(os.environ.get("CUDA_VISIBLE_DEVICES", "all"))
        return super().build(*words)


@dataclass(frozen=True)
class FleetBooks(Books):
    """Books whose pool follows the nodes of the cluster that was joined, a GPU a worker."""

    pace: Pace | None = None
    pools: tuple[list[Pool]] = ([],)

    def open_pool(self, recipe: Recipe, weights: str | None) -> Pool:
        """Open a pool that follows the nodes."""
        from matting_tasks.nodes import Nodes
        from matting_tasks.pool import RayPool

        assert self.pace is not None
        urls = self.capture_url, self.out.url
        nodes = Nodes(Wanted(recipe, weights, *urls, None, "fleet", versions_here()), 1, 1)
        nodes.check()
        settings = WorkerSettings(recipe, weights, *urls, "cpu", 1, build=self.pace.build)
        pool = RayPool(settings, None, 1, 1, nodes)
        self.pools[0].append(pool)
        return pool


@dataclass(frozen=True)
class Voyage:
    """How a run went: its summary, the seconds of its workers, and of their devices, and what each of them saw."""

    summary: Summary
    seconds: float
    held_s: float
    busy_s: float
    devices: tuple[str, ...]
    n_lost: int
    n_added: int
    most_workers: int

    @property
    def utilisation(self) -> float:
        """Return the share of the workers' time in which a device was at work."""
        return self.busy_s / self.held_s


def matte(capture: Path, out: Path, pace: Pace | None) -> tuple[Summary, list[Pool]]:
    """Matte a capture on the cluster that was joined, or in this process without a pace."""
    source, target, watcher = LocalFolder(capture), LocalFolder(out), QuietWatcher()
    list_capture(source, target, SETTINGS, watcher)
    pools: list[Pool] = []
    with open_books(target, source.url, SETTINGS, SETTINGS.selection, watcher) as books:
        books = replace(books, root=replace(books.root, grid=GRID))
        if pace is None:
            return work(books, watcher, in_turn), pools
        known = {one.name: getattr(books, one.name) for one in fields(Books)}
        return work(FleetBooks(**known, pace=pace, pools=(pools,)), watcher, in_turn), pools


def sail(stage: RayStage, capture: Path, out: Path, notes: Path) -> Voyage:
    """Run while two nodes are lost and two added, and wait for the end."""
    notes.mkdir()
    (notes / "devices").mkdir()
    pace = SeenPace(str(notes / "shown"), str(notes / "exits"), SECONDS_A_FRAME, devices=str(notes / "devices"))
    deeds = [stage_lose, stage_add, stage_lose, stage_add]
    n_frames = len(SUBJECTS) * N_CAMERAS * N_FRAMES
    started, most = time.monotonic(), 0
    with stage.joined(), ThreadPoolExecutor(1) as threads:
        under_way = threads.submit(matte, capture, out, pace)
        while not under_way.done():
            most = max(most, len(stage.workers()))
            if deeds and size(notes / "shown") > n_frames * (5 - len(deeds)) / 6:
                deeds.pop(0)(stage)
            time.sleep(0.3)
        summary, (pool,) = under_way.result()
    seconds, busy_s = time.monotonic() - started, size(notes / "shown") * SECONDS_A_FRAME
    devices = tuple(path.read_text() for path in sorted((notes / "devices").iterdir()))
    return Voyage(summary, seconds, pool.held_s, busy_s, devices, 2, 2, most)  # type: ignore[attr-defined]


def stage_lose(stage: RayStage) -> None:
    stage.lose_node(0)


def stage_add(stage: RayStage) -> None:
    stage.add_node(wait=False)


def main() -> None:
    """Play it once, and print how it went."""
    with tempfile.TemporaryDirectory(prefix="cleanplate-fleet-") as folder:
        home = Path(folder)
        capture = make_tiny(home / "capture", SUBJECTS, N_CAMERAS, N_FRAMES)
        matte(capture, home / "undisturbed", None)
        stage = RayStage(3, num_cpus=3, num_gpus=2)
        try:
            voyage = sail(stage, capture, home / "out", home / "notes")
        finally:
            stage.close()
        is_same = masks_below(home / "out") == masks_below(home / "undisturbed")
        damages = verify(LocalFolder(home / "out"), deep=True).damages
    n_written, code = voyage.summary.n_written, voyage.summary.exit_code
    print(f"{N_SHARDS} shards, {n_written} frames in {voyage.seconds:.0f} s; exit code {code}")
    print(f"{voyage.n_lost} nodes lost, {voyage.n_added} added; {len(voyage.devices)} workers in all")
    print(f"at most {voyage.most_workers} workers at once")
    print(f"devices that each saw: {' '.join(voyage.devices)}")
    print(f"utilisation {voyage.utilisation:.0%}: {voyage.busy_s:.0f} s at work of {voyage.held_s:.0f} s held")
    print(f"masks as of an undisturbed run: {is_same}; damages: {len(damages)}")


if __name__ == "__main__":
    main()
