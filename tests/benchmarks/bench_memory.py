"""Memory over a long shard, and two workers on one host: what grows, what is shared, what is decoded twice.

Run: python tests/benchmarks/bench_memory.py [--lengths 100,1000] [--json FILE]
     python tests/benchmarks/bench_memory.py --workers --size 2048 [--rounds 5] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.drawn_capture import Drawn, cached_capture
from benchmarks.machine import ROOT, Report, Table, finish, run_child
from benchmarks.naive import fresh, reference_weights
from benchmarks.recipes import choose_recipe, write_recipe

from manifests.recipe import Recipe

SIBLINGS = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"


def main() -> None:
    words = parse()
    words.work.mkdir(parents=True, exist_ok=True)
    weights = reference_weights(words.work, words.model)
    recipe = choose_recipe(words.model, weights, (words.size,) * 2, words.device, words.precision, None)
    settings = {name: value for name, value in vars(words).items() if name not in ("json", "work")}
    if words.workers:
        results = two_workers(words, weights, recipe)
        tables = [table_of_workers(results)]
    else:
        results = {"lengths": [long_shard(words, weights, recipe, length) for length in words.lengths]}
        tables = [table_of_lengths(results["lengths"])]
    report = Report("workers" if words.workers else "memory", settings, results, tables)
    finish(report, words.json)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lengths", default="100,1000", type=_numbers, help="frames in one shard")
    parser.add_argument("--workers", action="store_true", help="two workers of one core each against one")
    parser.add_argument("--frames", type=int, default=24, help="with --workers: of each worker")
    parser.add_argument("--rounds", type=int, default=3, help="with --workers")
    parser.add_argument("--size", type=int, default=128, help="width and height in pixels")
    parser.add_argument("--model", default="mattingrefine-mobilenetv2")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--work", type=Path, default=ROOT / "bench" / "work", help="folder for captures and masks")
    parser.add_argument("--json", type=Path)
    words = parser.parse_args()
    words.work = words.work.resolve()
    return words


def long_shard(words: argparse.Namespace, weights: Path, recipe: Recipe, length: int) -> dict[str, Any]:
    """Matte one shard of so many frames in a process of its own; return its rate and peaks of memory."""
    capture = cached_capture(words.work, Drawn(1, length, words.size, words.size))
    record = write_recipe(recipe, words.work / "recipe.json")
    out = fresh(words.work / "memory")
    device = ["--device", words.device, "--grid", 1 << 20]
    found = run_child("our_path.py", [capture, out, record, weights, *device])
    shutil.rmtree(out)
    return found


def two_workers(words: argparse.Namespace, weights: Path, recipe: Recipe) -> dict[str, Any]:
    """Let one worker with one core matte a capture, then two at once one each, in turns; return medians."""
    cores = two_cores()
    captures = [
        cached_capture(words.work / f"worker-{number}", Drawn(2, words.frames // 2, words.size, words.size))
        for number in range(len(cores))
    ]
    narrow = replace(recipe, numerics=replace(recipe.numerics, intra_op_threads=1))
    record = write_recipe(narrow, words.work / "recipe.json")
    rounds = []
    for _ in range(words.rounds):
        alone = run_worker(captures[0], cores[0], words, record, weights)
        with ThreadPoolExecutor(len(cores)) as threads:
            started = [
                threads.submit(run_worker, capture, core, words, record, weights)
                for capture, core in zip(captures, cores, strict=True)
            ]
            rounds.append({"alone": alone, "together": [one.result() for one in started]})
    alone = statistics.median(one["alone"]["frames_per_s"] for one in rounds)
    together = statistics.median(sum(worker["frames_per_s"] for worker in one["together"]) for one in rounds)
    return {
        "rounds": rounds,
        "alone": alone,
        "together": together,
        "ratio": together / alone,
        "cores": cores,
        "share_a_core": _siblings(cores[0]) == _siblings(cores[1]),
        "recipe": json.loads(narrow.to_json()),
    }


def run_worker(capture: Path, core: int, words: argparse.Namespace, record: Path, weights: Path) -> dict[str, Any]:
    """Run one worker on one core."""
    out = fresh(words.work / f"out-{core}")
    options = ["--device", words.device, "--warm-up", "--core", core, "--threads", 1]
    return run_child("our_path.py", [capture, out, record, weights, *options])


def two_cores() -> list[int]:
    """Return two processors that this process may use, of different cores if there are such."""
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        raise SystemExit("Two workers with one core each need two cores: this process may use one.")
    others = [core for core in usable[1:] if _siblings(core) != _siblings(usable[0])]
    return [usable[0], (others or usable[1:])[0]]


def table_of_lengths(found: Sequence[dict[str, Any]]) -> Table:
    """Return the table of memory by the length of a shard; the first length is what the others are compared with."""
    first = found[0]
    rows = [
        [
            one["n_frames"],
            one["frames_per_s"],
            one["host_peak_mb"],
            one["host_peak_mb"] / first["host_peak_mb"] - 1,
            one.get("device_peak_mb"),
            one["device_peak_mb"] / first["device_peak_mb"] - 1 if "device_peak_mb" in one else None,
        ]
        for one in found
    ]
    columns = ("frames in the shard", "frames/s", "host peak MB", "growth", "device peak MB", "growth")
    return Table("Memory over one shard", columns, rows, f"Growth is against the shard of {first['n_frames']} frames.")


def table_of_workers(found: dict[str, Any]) -> Table:
    """Return the table of one worker against two."""
    workers = [worker for one in found["rounds"] for worker in (one["alone"], *one["together"])]
    decoded = {(worker["plates_decoded"], worker["n_cameras"]) for worker in workers}
    note = (
        f"Frames a second, one core a worker, medians of {len(found['rounds'])} rounds in turns. "
        f"The two processors {'share one core' if found['share_a_core'] else 'are two cores'}. "
        f"Plates decoded by a worker for its cameras: {', '.join(f'{n} for {of}' for n, of in sorted(decoded))}."
    )
    rows = [[found["recipe"]["model"], found["alone"], found["together"], found["ratio"]]]
    return Table("Two workers on one host", ("model", "one worker", "two workers", "two / one"), rows, note)


def _siblings(core: int) -> str:
    try:
        return Path(SIBLINGS.format(core)).read_text().strip()
    except OSError:
        return f"{core}"


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


if __name__ == "__main__":
    main()
