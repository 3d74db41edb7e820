"""The whole frame path on a drawn capture: seconds by phase, and its share of the bare network and of the codecs.

Needs neither ray nor prefect, nor pyarrow where the recipe is given by options.
Run: python tests/benchmarks/bench_path.py [--sizes 2048x2048,2200x3208] [--frames 48] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.drawn_capture import Drawn, cached_capture
from benchmarks.machine import ROOT, Report, Table, finish, gpu_name, run_child
from benchmarks.naive import fresh, our_phases_note, reference_weights
from benchmarks.recipes import choose_recipe, write_recipe

from manifests.recipe import Recipe

GHA_SIZE = (2048, 2048)


def main() -> None:
    words = parse()
    words.work.mkdir(parents=True, exist_ok=True)
    weights = words.weights or reference_weights(words.work, words.model)
    found = {}
    for text in words.sizes.split(","):
        width, height = (int(side) for side in text.split("x"))
        found[text] = measure_size(words, weights, (width, height))
    settings = {name: value for name, value in vars(words).items() if name not in ("json", "work")}
    finish(Report("path", settings, found, tables_of(found)), words.json)


def parse() -> argparse.Namespace:
    """Read the command line; a GPU gets more frames, so that it is busy for some seconds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="2048x2048,2200x3208", help="width x height, separated by commas")
    parser.add_argument("--frames", type=int, default=1024 if gpu_name() else 48, help="of all cameras together")
    parser.add_argument("--cameras", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", default="mattingrefine-resnet101")
    parser.add_argument("--weights", type=Path, help="a checkpoint; made-up weights if not given")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--precision", default="auto", help="auto, fp32, bf16, fp16")
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--io-threads", type=int)
    parser.add_argument("--profile", type=Path, help="write a torch profiler trace of the first round")
    parser.add_argument("--work", type=Path, default=ROOT / "bench" / "work", help="folder for captures and masks")
    parser.add_argument("--json", type=Path)
    words = parser.parse_args()
    words.work = words.work.resolve()
    if words.frames % words.cameras:
        parser.error(f"--frames {words.frames} is no multiple of --cameras {words.cameras}")
    return words


def measure_size(words: argparse.Namespace, weights: Path, size: tuple[int, int]) -> dict[str, Any]:
    """Run path, bare network and path without network in turns, each in processes of their own."""
    drawn = Drawn(words.cameras, words.frames // words.cameras, *size, pads=size == GHA_SIZE)
    capture = cached_capture(words.work, drawn)
    recipe = choose_recipe(words.model, weights, size, words.device, words.precision, words.batch_size)
    record = write_recipe(recipe, words.work / "recipe.json")
    options: list[object] = ["--device", words.device, "--warm-up"]
    options += ["--threads", words.io_threads] if words.io_threads else []
    rounds = []
    for number in range(words.rounds):
        common = [capture, fresh(words.work / "path"), record, weights, *options]
        traced = ["--profile", words.profile] if words.profile and number == 0 else []
        one = {"path": run_child("our_path.py", [*common, *traced]), "network": bare_network(words, recipe, size)}
        if recipe.uses_plate:
            one["codecs"] = run_child("our_path.py", [*common, "--without-network"])
        rounds.append(one)
        print(f"{size[0]}x{size[1]} round {number + 1}: {one['path']['frames_per_s']:.2f} frames/s", flush=True)
    return {"rounds": rounds, "medians": medians(rounds), "recipe": json.loads(recipe.to_json())}


def bare_network(words: argparse.Namespace, recipe: Recipe, size: tuple[int, int]) -> dict[str, Any]:
    """Return what bench_network.py measures for the numerics of a recipe."""
    numerics = recipe.numerics
    rows: Any = run_child(
        "bench_network.py",
        [
            *("--models", recipe.model, "--sizes", f"{size[0]}x{size[1]}", "--ways", "matte", "--device", words.device),
            *("--batches", numerics.batch, "--precisions", numerics.precision, "--threads", numerics.intra_op_threads),
            *("--repeat", 3, "--seconds", 2, "--last-line"),
        ],
    )
    row: dict[str, Any] = rows[0]
    return row


def medians(rounds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return medians over rounds, and what the path is of the bare network, of the codecs, and of the lesser."""
    rates = {who: statistics.median(one[who]["frames_per_s"] for one in rounds) for who in rounds[0]}
    limit = min(rate for who, rate in rates.items() if who != "path")
    paths = [one["path"] for one in rounds]
    return {
        "rates": rates,
        "path / network": rates["path"] / rates["network"],
        "path / limit": rates["path"] / limit,
        "phases_s": {
            phase: statistics.median(one["phases_s"].get(phase, 0.0) for one in paths) for phase in paths[0]["phases_s"]
        },
        "network_share": statistics.median(one["network_share"] for one in paths),
        "gpu_busy": statistics.median(one["gpu_busy"] for one in paths) if "gpu_busy" in paths[0] else None,
        "device_peak_mb": max(one.get("device_peak_mb", 0.0) for one in paths) or None,
        "host_peak_mb": max(one["host_peak_mb"] for one in paths),
        "plates_decoded": paths[0]["plates_decoded"],
        "n_cameras": paths[0]["n_cameras"],
    }


def tables_of(found: dict[str, Any]) -> list[Table]:
    """Return the tables of all sizes."""
    columns = ("size", "path", "bare network", "codecs", "path / network", "path / lesser", "network share", "GPU busy")
    columns += ("host peak MB", "device peak MB", "plates decoded", "cameras")
    rows = []
    for size, one in found.items():
        of = one["medians"]
        rates = [of["rates"].get(who) for who in ("path", "network", "codecs")]
        ratios = [of[name] for name in ("path / network", "path / limit", "network_share", "gpu_busy")]
        rows.append([size, *rates, *ratios, *(of[name] for name in ("host_peak_mb", "device_peak_mb"))])
        rows[-1] += [of["plates_decoded"], of["n_cameras"]]
    first = next(iter(found.values()))
    numerics = ", ".join(f"{name} {value}" for name, value in first["recipe"]["numerics"].items())
    note = (
        "Frames a second, medians of rounds in turns. Bare network: the same calls on pictures that lie on the device. "
        "Codecs: the same path with a network that costs nothing. Network share: of the time on the wall. "
        f"{first['recipe']['model']}, {numerics}."
    )
    phases = dict.fromkeys(phase for one in found.values() for phase in one["medians"]["phases_s"])
    spent = [
        [phase, *(1000 * one["medians"]["phases_s"].get(phase, 0.0) for one in found.values())] for phase in phases
    ]
    path_rounds = [{"ours": one["rounds"][0]["path"]} for one in found.values()]
    return [
        Table("The whole frame path", columns, rows, note),
        Table("Milliseconds a frame by phase", ("phase", *found), spent, our_phases_note(path_rounds)),
    ]


if __name__ == "__main__":
    main()
