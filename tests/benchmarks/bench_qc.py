"""What the measures of QC cost: the frame path with them and without, in turns in one process, and each by itself.

Run: python tests/benchmarks/bench_qc.py [--size 2048x2048] [--frames 6] [--rounds 5] [--device auto] [--json FILE]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import cv2
import numpy as np
import torch
from benchmarks.drawn_capture import Drawn, cached_capture, draw_alpha
from benchmarks.machine import ROOT, Report, Table, finish
from benchmarks.naive import fresh, reference_weights
from benchmarks.our_path import plan_groups
from benchmarks.recipes import choose_recipe

from manifests.recipe import Recipe
from matting_tasks.masks import to_lowres
from matting_tasks.plate_measures import SMALL_PX, Beside, background_of, measure_plate, shift_of, to_gray, to_small
from matting_tasks.qc import measure_alpha, measure_error, measure_shape, measure_starvation
from matting_tasks.worker import Worker, WorkerSettings

SMALL = np.zeros((SMALL_PX, SMALL_PX, 3), np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="2048x2048")
    parser.add_argument("--frames", type=int, default=6, help="of each of two cameras, in each turn")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", default="mattingrefine-resnet101")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--work", type=Path, default=ROOT / "bench" / "work")
    parser.add_argument("--json", type=Path)
    words = parser.parse_args()
    words.work = words.work.resolve()
    words.work.mkdir(parents=True, exist_ok=True)
    width, height = (int(side) for side in words.size.split("x"))
    rounds = measure_path(words, (width, height))
    alone = measure_alone(width, height, words.device)
    settings = {name: value for name, value in vars(words).items() if name not in ("json", "work")}
    tables = [path_table(words.size, rounds), alone_table(words.size, alone)]
    finish(Report("qc", settings, {"rounds": rounds, "alone_ms": alone}, tables), words.json)


def measure_path(words: argparse.Namespace, size: tuple[int, int]) -> list[dict[str, float]]:
    """Return seconds a frame with and without the measures, a pair for each round."""
    weights = reference_weights(words.work, words.model)
    capture = cached_capture(words.work, Drawn(2, words.frames, *size, pads=size == (2048, 2048)))
    recipe: Recipe = choose_recipe(words.model, weights, size, words.device, words.precision, words.batch_size)
    out = fresh(words.work / "qc")
    worker = Worker(WorkerSettings(recipe, str(weights), str(capture), str(out), words.device))
    shards = [shard for group in plan_groups(capture, recipe) for shard in group]

    def run() -> float:
        started = time.perf_counter()
        for shard in shards:
            worker.matte([shard])
        return (time.perf_counter() - started) / sum(shard.n_frames for shard in shards)

    run()
    rounds = []
    for number in range(words.rounds):
        one: dict[str, float] = {}
        for way in ("with", "without") if number % 2 else ("without", "with"):
            with ExitStack() as opened:
                if way == "without":
                    opened.enter_context(no_measures())
                one[way] = run()
        rounds.append(one)
        print(f"round {number + 1}: {one['with']:.3f} s with, {one['without']:.3f} s without", flush=True)
    return rounds


@contextmanager
def no_measures() -> Iterator[None]:
    """Let every measure be a constant."""

    def zeros(pictures: torch.Tensor, *_: Any) -> torch.Tensor:
        return torch.zeros(len(pictures), device=pictures.device)

    constants: dict[str, Callable[..., Any]] = {
        "matting_tasks.batches.measure_alpha": lambda alpha, _: (zeros(alpha), zeros(alpha)),
        "matting_tasks.batches.measure_error": lambda error, _: (zeros(error), zeros(error)),
        "matting_tasks.batches.measure_starvation": zeros,
        "matting_tasks.shard._measure_lowres": lambda _: {},
        "matting_tasks.frames.to_small": lambda _: SMALL,
    }
    with ExitStack() as opened:
        for name, constant in constants.items():
            opened.enter_context(patch(name, constant))
        yield


def measure_alone(width: int, height: int, device: str) -> dict[str, float]:
    """Return milliseconds a frame of each measure, alone on one thread, medians."""
    rng = np.random.default_rng(0)
    where = torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")
    alpha = torch.from_numpy(draw_alpha(width, height, 0, rng))[None].to(where)
    visible, error = torch.ones_like(alpha, dtype=torch.bool), torch.rand((1, height // 4, width // 4), device=where)
    picture = cv2.resize(rng.integers(0, 255, (height // 8, width // 8, 3), dtype=np.uint8), (width, height))
    lowres, small = to_lowres(alpha, SMALL_PX)[0].cpu().numpy(), to_small(picture)
    seen, beside = np.ones((SMALL_PX, SMALL_PX), bool), Beside(small, small, 1.0)
    background = background_of(lowres, seen)[::2, ::2]
    half = cv2.resize(to_gray(small), (SMALL_PX // 2, SMALL_PX // 2), interpolation=cv2.INTER_AREA)
    cv2.setNumThreads(1)
    kept = visible[:, ::4, ::4]
    calls: dict[str, Callable[[], Any]] = {
        "coverage, soft fraction (device)": lambda: measure_alpha(alpha, visible),
        "error mean, p99 (device)": lambda: measure_error(error, kept),
        "starvation (device)": lambda: measure_starvation(error, kept, 5000, 0.0),
        "components, border, edge width, holes": lambda: measure_shape(lowres, seen),
        "small copy of the frame": lambda: to_small(picture),
        "plate: gain, shift, residual, shadow": lambda: measure_plate(beside, lowres, seen),
        "of that, the shift": lambda: shift_of(half, half, background),
    }
    return {name: 1000 * median_s(call, where) for name, call in calls.items()}


def median_s(call: Callable[[], Any], device: torch.device) -> float:
    """Return the median seconds of a call, all work of the device included."""
    seconds = []
    for _ in range(25):
        started = time.perf_counter()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def path_table(size: str, rounds: Sequence[dict[str, float]]) -> Table:
    with_s, without_s = (statistics.median(one[way] for one in rounds) for way in ("with", "without"))
    ratio = statistics.median(one["with"] / one["without"] for one in rounds)
    columns = ("size", "with QC, s a frame", "without", "median of the ratios", "share")
    note = "Medians of rounds in turns in one process; share: what the measures add to the path's time."
    return Table(
        "The frame path with and without measures", columns, [[size, with_s, without_s, ratio, ratio - 1]], note
    )


def alone_table(size: str, alone: dict[str, float]) -> Table:
    note = f"Milliseconds a frame of {size}, on one thread, medians of 25 calls."
    return Table("Each measure by itself", ("measure", "ms"), [[name, ms] for name, ms in alone.items()], note)


if __name__ == "__main__":
    main()
