"""Our frame path against the naive loop, in turns: frames a second, seconds by phase, and how the masks differ.

Run: python tests/benchmarks/naive.py --frames 48 --size 2048 --whole-process --json bench/naive.json
     python tests/benchmarks/naive.py --frames 200 --prefect-ray --json bench/naive-ray.json
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.drawn_capture import Drawn, cached_capture
from benchmarks.machine import ROOT, Report, Table, finish, gpu_name, run_child
from benchmarks.mask_columns import as_rows, columns
from benchmarks.recipes import choose_recipe, has_command_line, matte_command, write_recipe

N_COMPARED = 4
"""Frames whose masks are compared."""


def main() -> None:
    words = parse()
    words.work.mkdir(parents=True, exist_ok=True)
    capture = cached_capture(words.work, Drawn(words.cameras, words.frames // words.cameras, words.size, words.size))
    weights = words.weights or reference_weights(words.work, words.model)
    size = (words.size, words.size)
    recipe = choose_recipe(words.model, weights, size, words.device, words.precision, words.batch_size)
    write_recipe(recipe, words.work / "recipe.json")
    rounds = [run_round(number, words, capture, weights) for number in range(words.rounds)]
    on = "cuda" if recipe.numerics.device_class != "cpu" else "cpu"
    compared = run_child(
        "mask_differences.py",
        [capture, words.work / "naive", words.work / "ours", words.work / "recipe.json", weights, on, N_COMPARED],
    )
    settings = {name: value for name, value in vars(words).items() if name not in ("json", "work")}
    results = {"rounds": rounds, "medians": medians(rounds), "masks": compared, "recipe": json.loads(recipe.to_json())}
    finish(Report("naive", settings, results, tables_of(results)), words.json)


def parse() -> argparse.Namespace:
    """Read the command line; frames are shared out to the cameras evenly."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=48, help="of all cameras together")
    parser.add_argument("--size", type=int, default=2048, help="width and height in pixels")
    parser.add_argument("--cameras", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", default="mattingrefine-resnet101")
    parser.add_argument("--weights", type=Path, help="a checkpoint; made-up weights if not given")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--precision", default="auto", help="of our path: auto, fp32, bf16, fp16")
    parser.add_argument("--batch-size", type=int, help="of our path")
    parser.add_argument("--whole-process", action="store_true", help="also time `cleanplate matte --executor local`")
    parser.add_argument("--prefect-ray", action="store_true", help="also time `cleanplate matte` on Prefect and Ray")
    parser.add_argument("--work", type=Path, default=ROOT / "bench" / "work", help="folder for captures and masks")
    parser.add_argument("--json", type=Path)
    words = parser.parse_args()
    words.cameras, words.work = min(words.cameras, words.frames), words.work.resolve()
    if words.frames % words.cameras:
        parser.error(f"--frames {words.frames} is no multiple of --cameras {words.cameras}")
    if (words.whole_process or words.prefect_ray) and not has_command_line():
        parser.error("--whole-process and --prefect-ray need the whole of cleanplate: pip install -e .")
    return words


def reference_weights(work: Path, model: str) -> Path:
    """Return a checkpoint with made-up weights, written once: speed does not depend on what they are."""
    path = work / "weights" / f"{model}.pth"
    if not path.is_file():
        from reference_weights import write_reference_checkpoint

        write_reference_checkpoint(model, path)
    return path


def run_round(number: int, words: argparse.Namespace, capture: Path, weights: Path) -> dict[str, Any]:
    """Run the naive loop and ours once, each in processes of its own."""
    on = "cpu" if words.device == "cpu" or gpu_name() is None else "cuda"
    found: dict[str, Any] = {}
    out = fresh(words.work / "naive")
    started = time.perf_counter()
    found["naive"] = run_child("naive_loop.py", [capture, out, words.model, weights, on])
    found["naive"]["process_s"] = time.perf_counter() - started
    out = fresh(words.work / "ours")
    device = ["--device", words.device, "--warm-up"]
    found["ours"] = run_child("our_path.py", [capture, out, words.work / "recipe.json", weights, *device])
    options = ["--device", words.device, "--precision", words.precision, "--quiet"]
    if words.batch_size is not None:
        options += ["--batch-size", str(words.batch_size)]
    for executor, wanted in (("local", words.whole_process), ("ray", words.prefect_ray)):
        if wanted:
            command = matte_command(capture, fresh(words.work / executor), words.model, weights, *options)
            found[executor] = {"process_s": time_command([*command, "--executor", executor])}
    ratio = found["ours"]["frames_per_s"] / found["naive"]["frames_per_s"]
    print(f"round {number + 1} of {words.rounds}: {ratio:.2f} times the frames a second", flush=True)
    return found


def time_command(command: Sequence[str]) -> float:
    """Return the seconds that a command takes; raises RuntimeError where it fails."""
    started = time.perf_counter()
    ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    took_s = time.perf_counter() - started
    if ended.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {ended.returncode}:\n{ended.stdout}\n{ended.stderr}")
    return took_s


def fresh(folder: Path) -> Path:
    """Return an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def medians(rounds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the medians over rounds, and the ratios of medians."""
    n_frames = rounds[0]["naive"]["n_frames"]

    def median(who: str, what: str) -> float:
        return statistics.median(one[who][what] for one in rounds)

    found: dict[str, Any] = {"steady": _ratio(median("naive", "frames_per_s"), median("ours", "frames_per_s"))}
    naive_rate = n_frames / median("naive", "process_s")
    for executor in ("local", "ray"):
        if executor in rounds[0]:
            found[executor] = _ratio(naive_rate, n_frames / median(executor, "process_s"))
    for who in ("naive", "ours"):
        phases = rounds[0][who]["phases_s"]
        found[f"{who}_phases_s"] = {
            phase: statistics.median(one[who]["phases_s"].get(phase, 0.0) for one in rounds) for phase in phases
        }
    return found


def tables_of(results: dict[str, Any]) -> list[Table]:
    """Return the tables of a run."""
    found, rounds = results["medians"], results["rounds"]
    what = {
        "steady": "steady state, one process each, start and first frames left out",
        "local": "whole process, imports and model loading included, --executor local",
        "ray": "whole command with Prefect and Ray",
    }
    speed = [
        [text, *(found[key][name] for name in ("naive", "ours", "ratio"))] for key, text in what.items() if key in found
    ]
    n_frames = rounds[0]["naive"]["n_frames"]
    numerics = results["recipe"]["numerics"]
    ours = ", ".join(f"{name} {value}" for name, value in numerics.items())
    made = [
        Table(
            f"Frames a second, {n_frames} frames, medians of {len(rounds)} rounds in turns",
            ("comparison", "naive", "ours", "ours / naive"),
            speed,
            f"Naive: float32, a batch of one, {rounds[0]['naive']['threads']} threads, pictures by "
            f"{rounds[0]['naive']['pictures_by']}. Ours: {ours}.",
        )
    ]
    for who, note in (("naive", NAIVE_PHASES), ("ours", our_phases_note(rounds))):
        phases = [[phase, 1000 * seconds] for phase, seconds in found[f"{who}_phases_s"].items()]
        made.append(Table(f"Milliseconds a frame by phase, {who}", ("phase", "ms"), phases, note))
    for source, text in (("network", "of the network's alphas"), ("drawn", "of a drawn alpha with hair")):
        for size in ("full", "lowres"):
            rows = as_rows(results["masks"][source][size])
            made.append(Table(f"From the naive {size} masks to ours, {text}", columns(), rows, NOTE))
    return made


def our_phases_note(rounds: Sequence[dict[str, Any]]) -> str:
    """Return what our phases are, and which of them nobody sees any more."""
    missing = rounds[0]["ours"]["probes_missing"]
    return OUR_PHASES + (f" Not seen, for it has another name now: {', '.join(missing)}." if missing else "")


NAIVE_PHASES = "One after the other: they add up to the frame."
OUR_PHASES = (
    "Reading, decoding, encoding, writing and shape measures happen on threads beside the network; waiting is the time "
    "in which the device's line (gather, to device, network, masks, lowres, QC) did nothing. On a CPU two batches are "
    "computed at once: their lines add up to twice the time of a frame."
)
NOTE = (
    "Mean |difference| in levels of 255 and shares of pixels within 1, 2 and 4 levels; first what this change alone "
    "does, then the distance from the naive masks after it. Only pixels inside the sensor: ours are 0 outside of it."
)


def _ratio(naive: float, ours: float) -> dict[str, float]:
    return {"naive": naive, "ours": ours, "ratio": ours / naive}


if __name__ == "__main__":
    main()
