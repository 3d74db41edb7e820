"""Measure what the numbers of a worker cost: shards matted with meters that are told to Ray, and without any.

Run: python tests/benchmarks/bench_meters.py [--sizes 64,1024] [--frames 64] [--rounds 15] [--json FILE]

Rounds with and without alternate, on one worker in this process; masks stay in memory, so that no disk is measured.
The model is a difference from the plate, the cheapest there is. Small pictures show the cost, large ones its share.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import cv2
import numpy as np
import torch
from fakes import DifferenceModel
from machine import Report, Table, finish
from shards import recipe_for, shards_of

from manifests.records import Frame
from manifests.storage import open_folder
from manifests.storage_memory import MemoryFolder
from manifests.traffic import Traffic, traffic_of
from matting_tasks.actor import ray_exporter
from matting_tasks.batches import Matted
from matting_tasks.cluster import start_ray, stop_ray
from matting_tasks.exporting import EVERY_S, Sample, worker_samples
from matting_tasks.frames import ReadFrame
from matting_tasks.meters import Meters
from matting_tasks.plates import Plates
from matting_tasks.shard import Station, matte_shard

MODEL = "plate-difference"


class NoMeters(Meters):
    """Meters that frames pass by."""

    @contextmanager
    def take(self, n_shards: int) -> Iterator[Any]:
        """Give what returns all that it is given."""
        yield self

    def _same(self, passed: Any) -> Any:
        return passed

    reading = writing = read = matted = written = _same


def make_capture(root: Path, size: int, n_frames: int) -> Path:
    """Write a capture of one camera: noise, and a square that moves over it."""
    plate = np.random.default_rng(7).integers(60, 120, (size, size, 3), dtype=np.uint8)
    for folder in ("031/background", *(f"031/images/{frame:04d}" for frame in range(n_frames))):
        picture = plate.copy()
        if "images" in folder:
            left = int(folder[-4:]) % (size // 2)
            picture[size // 3 :, left : left + size // 3] = (40, 200, 230)
        (root / folder).mkdir(parents=True)
        cv2.imwrite(str(root / folder / "image_cam0.jpg"), picture)
    return root


def measure(size: int, n_frames: int, n_rounds: int) -> dict[str, Any]:
    """Return the medians of the seconds a frame with and without meters, by clock and CPU, and of telling Ray once."""
    meters, recipe, out = Meters(), recipe_for(MODEL), MemoryFolder()
    with tempfile.TemporaryDirectory() as home:
        capture = open_folder(str(make_capture(Path(home), size, n_frames)))
        (shard,) = shards_of(capture, recipe)
        plates = Plates(capture, torch.device("cpu"), torch.float32, "error")

        def seconds_a_frame(meters: Meters) -> tuple[float, float]:
            started = time.perf_counter(), time.process_time()
            matte_shard(shard, DifferenceModel(), plates, out, recipe, Station(meters=meters))
            ended = time.perf_counter(), time.process_time()
            return (ended[0] - started[0]) / n_frames, (ended[1] - started[1]) / n_frames

        def read() -> Iterator[Sample]:
            stores = {"capture": traffic_of(capture)[capture.url], "out": Traffic({"put": 2 * n_frames})}
            return worker_samples(meters, stores, MODEL)

        seconds_a_frame(meters)  # threads, caches and plate are there from here on
        found: dict[str, list[float]] = {name: [] for name in ("metered", "metered_cpu", "bare", "bare_cpu", "told")}
        for _ in range(n_rounds):
            exporter = ray_exporter(read).start()
            metered = seconds_a_frame(meters)
            started = time.perf_counter()
            exporter.stop()
            found["told"].append(time.perf_counter() - started)
            bare = seconds_a_frame(NoMeters())
            for name, value in zip(found, (*metered, *bare), strict=False):
                found[name].append(value)
    return {"size": size} | {name: statistics.median(values) for name, values in found.items()}


def alone(n_frames: int = 20_000, n_rounds: int = 15) -> float:
    """Return the seconds that a frame takes through the meters and through nothing else, at best."""
    matted = Matted(ReadFrame(Frame(0, 0, "a.jpg", "image", 1, "f")), measures={"device_s": 0.0})

    def seconds(meters: Meters) -> float:
        with meters.take(1) as hand:
            read = hand.read(map(hand.reading(lambda frame: frame), range(n_frames)))
            rows = hand.written(map(hand.writing(lambda frame: frame), hand.matted((0, matted) for _ in read)))
            started = time.perf_counter()
            for _ in rows:
                pass
            return (time.perf_counter() - started) / n_frames

    return min(seconds(Meters()) for _ in range(n_rounds)) - min(seconds(NoMeters()) for _ in range(n_rounds))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="64,1024")
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    start_ray(None, 1)
    try:
        runs = [measure(int(size), args.frames, args.rounds) for size in args.sizes.split(",")]
    finally:
        stop_ray()
    rows = []
    for run in runs:
        more = run["metered_cpu"] - run["bare_cpu"]
        clock = (run["metered"] * 1e3, run["bare"] * 1e3, run["metered_cpu"] * 1e3, run["bare_cpu"] * 1e3)
        rows.append((f"{run['size']}x{run['size']}", *clock, f"{more / run['bare_cpu']:+.1%}", run["told"] * 1e3))
    columns = ("picture", "ms/frame metered", "bare", "CPU ms/frame metered", "bare", "CPU more", "ms to tell Ray once")
    note = f"{args.frames} frames a shard, medians of {args.rounds} rounds each; Ray is told every {EVERY_S:g} s."
    by_itself = alone()
    note += f" The meters by themselves: {by_itself * 1e6:.2f} us a frame."
    results = {"runs": runs, "alone_s": by_itself}
    finish(Report("meters", vars(args), results, [Table("Numbers of a worker", columns, rows, note)]), args.json)


if __name__ == "__main__":
    main()
