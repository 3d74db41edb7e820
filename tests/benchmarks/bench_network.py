"""The bare network: frames a second by model, size, batch, precision and way in, and how far that is from the chip.

Needs torch and numpy alone. Run: python tests/benchmarks/bench_network.py [--models A,B] [--sizes 2048x2048,2200x3208]
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as the command line sets it, before torch is loaded
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from benchmarks.machine import Report, Table, finish
from benchmarks.traffic import count_traffic, limits_of, shares
from reference_weights import reference_state_dict
from torch import Tensor

from models import registry
from models.base import takes_bytes

SIZES = "2048x2048,2200x3208"
MODELS = (
    "mattingrefine-resnet101",
    "mattingrefine-resnet50",
    "mattingrefine-mobilenetv2",
    "rvm-mobilenetv3",
    "rvm-resnet50",
)


@dataclass(frozen=True)
class Case:
    """One thing to measure: `way` is matte (what the product calls) or forward (the published one)."""

    model: str
    width: int
    height: int
    batch: int
    precision: str
    way: str


def main() -> None:
    words = parse()
    device = pick_device(words.device)
    set_up(device, words.threads)
    rows: list[dict[str, Any]] = []
    with torch.inference_mode():
        for case in cases(words, device):
            rows.append(measure(case, device, words))
            print(line(rows[-1]), flush=True)
        if words.profile:
            write_trace(next(iter(cases(words, device))), device, words)
    settings = {name: value for name, value in vars(words).items() if name != "json"} | {"device": device}
    settings["threads"] = torch.get_num_threads()
    finish(Report("network", settings, {"rows": rows}, [table_of(rows, words, device)]), words.json)
    if words.last_line:
        print(json.dumps(rows))


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--sizes", default=SIZES, help="width x height, separated by commas")
    parser.add_argument("--batches", help="1 on a CPU and 1,4,8 on a GPU if not given")
    parser.add_argument("--precisions", help="fp32,bf16 on a CPU and fp32,bf16,fp16 on a GPU if not given")
    parser.add_argument("--ways", default="matte,forward")
    parser.add_argument("--repeat", type=int, default=5, help="measurements, of which the median counts")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement, at least one step")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--threads", type=int, help="of one operation on a CPU")
    parser.add_argument("--peak-tflops", type=float, help="of the chip at the measured precision")
    parser.add_argument("--peak-gbs", type=float, help="GB/s of the chip's memory")
    parser.add_argument("--profile", type=Path, help="write a torch profiler trace of the first case")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--last-line", action="store_true", help="end with the results in one line of JSON")
    return parser.parse_args()


def pick_device(named: str) -> str:
    """Return cpu or cuda."""
    return named if named != "auto" else "cuda" if torch.cuda.is_available() else "cpu"


def set_up(device: str, n_threads: int | None) -> None:
    """Set this process up as a worker does; where OpenCV is not there, without what the product does about memory."""
    if n_threads:
        torch.set_num_threads(n_threads)
    if device == "cpu" and importlib.util.find_spec("cv2") is not None:
        from matting_tasks.device import keep_memory

        keep_memory()


def cases(words: argparse.Namespace, device: str) -> Iterator[Case]:
    """Yield what is to be measured."""
    batches = words.batches or ("1" if device == "cpu" else "1,4,8")
    precisions = words.precisions or ("fp32,bf16" if device == "cpu" else "fp32,bf16,fp16")
    sizes = [tuple(map(int, size.split("x"))) for size in words.sizes.split(",")]
    kinds = words.models.split(","), sizes, map(int, batches.split(",")), precisions.split(","), words.ways.split(",")
    for model, (width, height), batch, precision, way in itertools.product(*kinds):
        yield Case(model, width, height, batch, precision, way)


def measure(case: Case, device: str, words: argparse.Namespace) -> dict[str, Any]:
    """Return frames a second, FLOPs and bytes a frame, and the peak of memory; a case that does not fit says so."""
    found: dict[str, Any] = {name: getattr(case, name) for name in case.__dataclass_fields__}
    with memory_of(device) as memory:
        try:
            step = make_step(case, device)
            step()
            took_s = [time_step(step, device, words.seconds) for _ in range(words.repeat)]
            with count_traffic() as traffic:
                step()
        except torch.OutOfMemoryError:
            return found | {"frames_per_s": None, "fault": "out of memory"}
    frame_s = statistics.median(took_s) / case.batch
    found |= {
        "frames_per_s": 1 / frame_s,
        "spread": (max(took_s) - min(took_s)) / statistics.median(took_s),
        "gflop_a_frame": traffic.flops / case.batch / 1e9,
        "gb_a_frame": traffic.bytes / case.batch / 1e9,
        "tflops": traffic.flops / case.batch / frame_s / 1e12,
        "gbs": traffic.bytes / case.batch / frame_s / 1e9,
        "peak_mb": memory.get("peak_mb"),
    }
    return found | shares(found, known_limits(words, device))


def make_step(case: Case, device: str) -> Callable[[], object]:
    """Return a call that mattes one batch of random pictures with made-up weights."""
    dtype = getattr(torch, registry.PRECISIONS[case.precision])
    model = build_model(case, device, dtype)
    generator = torch.Generator().manual_seed(0)
    plates = torch.randint(0, 180, (1, 3, case.height, case.width), generator=generator, dtype=torch.uint8)
    noise = torch.randint(0, 75, (case.batch, 3, case.height, case.width), generator=generator, dtype=torch.uint8)
    pictures = [(plates + noise).to(device), plates.to(device)]
    if case.way == "forward" or not takes_bytes(model):
        pictures = [(one.float() / 255).to(dtype) for one in pictures]
    frames, plates = pictures
    return step_of(case, model, frames, plates)


def step_of(case: Case, model: Any, frames: Tensor, plates: Tensor) -> Callable[[], object]:
    """Return a call of one way in; temporal models go on from the state before, all others from nothing."""
    held: list[Any] = [None]
    if registry.entry(case.model).temporal:
        streams, longer = frames[:, None], max(case.height, case.width)
        if case.way == "matte":

            def by_matte() -> object:
                made = model.matte(streams, None, held[0])
                held[0] = made.state
                return made

            return by_matte

        def by_forward() -> object:
            made = model(streams, *(held[0] or [None] * 4), min(512 / longer, 1))
            held[0] = made[2:]
            return made

        return by_forward
    if case.way == "matte":
        return lambda: model.matte(frames[None], plates, None)
    every = plates.expand_as(frames).contiguous()
    return lambda: model(frames, every)


def build_model(case: Case, device: str, dtype: torch.dtype) -> Any:
    """Build a model with made-up weights; by the registry where the product's way in is asked for."""
    import tempfile

    with torch.device("meta"):
        network = registry.entry(case.model).build(registry.parameters_read(case.model, {}))
    state = reference_state_dict(network)
    if case.way == "matte":
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "weights.pth"
            torch.save(state, path)
            return registry.build_for_masks(case.model, {}, path, device, case.precision)
    network = network.to_empty(device="cpu")
    network.load_state_dict(state)
    return network.to(device=device, dtype=dtype).eval().requires_grad_(False)


def time_step(step: Callable[[], object], device: str, least_s: float) -> float:
    """Return the seconds of one step: the mean over so many that they fill `least_s`."""
    n_steps, took_s = 0, 0.0
    started = time.perf_counter()
    if device == "cpu":
        while n_steps == 0 or took_s < least_s:
            step()
            n_steps, took_s = n_steps + 1, time.perf_counter() - started
        return took_s / n_steps
    begun, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    step()
    torch.cuda.synchronize()
    n_steps = max(3, int(least_s / max(time.perf_counter() - started, 1e-4)))
    begun.record()
    for _ in range(n_steps):
        step()
    ended.record()
    torch.cuda.synchronize()
    return float(begun.elapsed_time(ended)) / 1000 / n_steps


@contextmanager
def memory_of(device: str) -> Iterator[dict[str, float]]:
    """Fill in the peak of the device's memory; on a CPU, nothing: see bench_memory.py."""
    found: dict[str, float] = {}
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    yield found
    if device == "cuda":
        found["peak_mb"] = torch.cuda.max_memory_allocated() / 2**20


def known_limits(words: argparse.Namespace, device: str) -> dict[str, float]:
    """Return the limits of the chip that is measured."""
    chip = torch.cuda.get_device_name(0) if device == "cuda" else None
    return limits_of(chip, words.peak_tflops, words.peak_gbs)


def write_trace(case: Case, device: str, words: argparse.Namespace) -> None:
    """Write a trace of two steps of a case, for a browser's trace viewer."""
    kinds = [torch.profiler.ProfilerActivity.CPU]
    kinds += [torch.profiler.ProfilerActivity.CUDA] if device == "cuda" else []
    step = make_step(case, device)
    step()
    with torch.profiler.profile(activities=kinds, record_shapes=True) as profile:
        step()
        step()
    words.profile.parent.mkdir(parents=True, exist_ok=True)
    profile.export_chrome_trace(str(words.profile))
    order = "self_cuda_time_total" if device == "cuda" else "self_cpu_time_total"
    print(profile.key_averages().table(sort_by=order, row_limit=20))


def line(row: dict[str, Any]) -> str:
    """Return one line about a case, for whoever waits."""
    rate = "out of memory" if row["frames_per_s"] is None else f"{row['frames_per_s']:8.2f} frames/s"
    size = f"{row['width']}x{row['height']}"
    return f"{row['model']:26} {size:9} batch {row['batch']:2} {row['precision']} {row['way']:8} {rate}"


def table_of(rows: list[dict[str, Any]], words: argparse.Namespace, device: str) -> Table:
    """Return the table of all cases."""
    names = {
        "frames/s": "frames_per_s",
        "GFLOP/frame": "gflop_a_frame",
        "GB/frame": "gb_a_frame",
        "TFLOP/s": "tflops",
        "GB/s": "gbs",
        "of FLOP limit": "share_flops",
        "of byte limit": "share_bytes",
        "peak MB": "peak_mb",
    }
    columns = ["model", "size", "batch", "precision", "way", *names]
    cells = [
        [row["model"], f"{row['width']}x{row['height']}", row["batch"], row["precision"], row["way"]]
        + [row.get(name) for name in names.values()]
        for row in rows
    ]
    limits = ", ".join(f"{name} {value:g}" for name, value in known_limits(words, device).items()) or "not given"
    note = (
        "Pictures on the device already, alphas left there. FLOP: convolutions and products, two for a multiply-add. "
        "Bytes: what each operation reads and writes if nothing stays in a cache. matte computes alpha alone, forward "
        f"is the published network. Limits (TFLOP/s by precision, GB/s): {limits}."
    )
    return Table("Bare network", columns, cells, note)


if __name__ == "__main__":
    main()
