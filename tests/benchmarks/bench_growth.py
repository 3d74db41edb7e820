"""Measure what a run costs as the work grows: 100, 1,000 and 10,000 tiny frames, in a process of their own each.

Run: python tests/benchmarks/bench_growth.py [--frames 100,1000,10000] [--folder /dev/shm] [--json FILE]

The pictures are 64 x 64 and the model is one subtraction, so that what is left is all that surrounds a network:
listing, planning, decoding, encoding, files, receipts, summary. `again` is the same once more, with nothing to do.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from fakes import DifferenceModel, draw_picture, to_jpeg
from machine import Report, Table, finish, run_child

from flows.books import Books, open_books
from flows.matte import in_turn, list_capture, work
from flows.settings import MatteSettings
from flows.watch import QuietWatcher
from manifests.decisions import Selection
from manifests.recipe import Recipe
from manifests.storage import LocalFolder
from matting_tasks.in_process import InProcessPool
from matting_tasks.worker import WorkerSettings

CAMERAS = tuple(f"2222000{number:02d}" for number in range(4))
SIZE = 64
COLUMNS = {
    "n_frames": "frames",
    "seconds": "wall s",
    "cpu_s": "CPU s",
    "ms_per_frame": "wall ms/frame",
    "cpu_ms_per_frame": "CPU ms/frame",
    "again_s": "again, wall s",
    "again_cpu_s": "again, CPU s",
    "peak_mb": "peak MB",
}


class FakeBooks(Books):
    """Books whose pool has a model of one line."""

    def open_pool(self, recipe: Recipe, weights: str | None) -> InProcessPool:
        """Open a pool in this process."""
        where = self.capture_url, self.out.url, self.machine.device, self.workforce.n_threads
        return InProcessPool(WorkerSettings(recipe, weights, *where, build=lambda *_: DifferenceModel()))


def draw_capture(root: Path, n_frames: int) -> None:
    """Write a subject with so many frames over all cameras; all show one of eight pictures."""
    pictures = [to_jpeg(draw_picture(seed, SIZE, SIZE)) for seed in range(9)]
    for camera in CAMERAS:
        (root / "031/background").mkdir(parents=True, exist_ok=True)
        (root / f"031/background/image_{camera}.jpg").write_bytes(pictures[8])
    for number in range(n_frames):
        frame, camera = divmod(number, len(CAMERAS))
        folder = root / f"031/images/{frame:04d}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"image_{CAMERAS[camera]}.jpg").write_bytes(pictures[number % 8])


def run_once(capture: Path, out: Path) -> dict[str, float]:
    """Matte in this process; return seconds, and seconds on the processor of all threads."""
    settings = MatteSettings(model="plate-difference", executor="local", device="cpu")
    source, target, watcher = LocalFolder(capture), LocalFolder(out), QuietWatcher()
    started, cpu = time.perf_counter(), time.process_time()
    list_capture(source, target, settings, watcher)
    with open_books(target, source.url, settings, Selection(), watcher) as books:
        fake = FakeBooks(**{field.name: getattr(books, field.name) for field in fields(Books)})
        summary = work(fake, watcher, in_turn)
    if summary.exit_code:
        raise RuntimeError(f"exit code {summary.exit_code}: {summary.failures[:1]}")
    return {"seconds": time.perf_counter() - started, "cpu_s": time.process_time() - cpu}


def measure(folder: Path | None, n_frames: int) -> dict[str, float]:
    """Matte so many frames, and then nothing, in this process."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        capture, out = Path(place, "capture"), Path(place, "out")
        draw_capture(capture, len(CAMERAS))
        run_once(capture, Path(place, "warm"))  # imports and the first call of everything are paid here
        draw_capture(capture, n_frames)
        first, again = run_once(capture, out), run_once(capture, out)
    return {
        "n_frames": n_frames,
        **first,
        "ms_per_frame": 1e3 * first["seconds"] / n_frames,
        "cpu_ms_per_frame": 1e3 * first["cpu_s"] / n_frames,
        "again_s": again["seconds"],
        "again_cpu_s": again["cpu_s"],
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def growth(runs: list[dict[str, Any]]) -> dict[str, float]:
    """Return what a frame more costs between the smallest and the largest run, and what is left at no frame."""
    small, large = runs[0], runs[-1]
    more = large["n_frames"] - small["n_frames"]
    found = {}
    for name in ("seconds", "cpu_s"):
        slope = (large[name] - small[name]) / more
        found[f"{name}_per_1000_frames"] = 1e3 * slope
        found[f"{name}_fixed"] = small[name] - slope * small["n_frames"]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", default="100,1000,10000")
    parser.add_argument("--folder", type=Path, help="where to write; the temporary folder if not given")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child is not None:
        print(json.dumps(measure(args.folder, args.child)))
        return
    where = ["--folder", args.folder] if args.folder else []
    counts = [int(word) for word in args.frames.split(",")]
    runs = [run_child("bench_growth.py", ["--child", count, *where]) for count in counts]
    slopes = growth(runs) if len(runs) > 1 else {}
    note = ", ".join(f"{name.replace('_', ' ')} {value:.3g}" for name, value in slopes.items())
    table = Table(
        "A whole run as the work grows", tuple(COLUMNS.values()), [[r[n] for n in COLUMNS] for r in runs], note
    )
    finish(Report("growth", {"size": SIZE, "cameras": len(CAMERAS)}, {"runs": runs, **slopes}, [table]), args.json)


if __name__ == "__main__":
    main()
