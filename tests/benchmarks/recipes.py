"""Recipes for benchmarks: what the product itself chooses on this machine, or what the command line of a bench says."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.drawn_capture import Drawn, draw_capture
from benchmarks.machine import ROOT, gpu_name

from manifests.recipe import Numerics, Recipe
from models import registry

COMMAND = (sys.executable, "-m", "flows.cli")
GPU_BATCH = 4


def has_command_line() -> bool:
    """Tell whether `cleanplate` itself runs here; on a bare GPU machine only its frame path does."""
    return all(importlib.util.find_spec(name) is not None for name in ("typer", "pydantic", "rich", "pyarrow"))


def matte_command(capture: Path, out: Path, model: str, weights: Path | None, *words: str) -> list[str]:
    """Return `cleanplate matte` as a list of words."""
    named = [] if weights is None else ["--weights", str(weights)]
    return [*COMMAND, "matte", str(capture), "--out", str(out), "--model", model, *named, *words]


def recipe_of_product(model: str, weights: Path | None, size: tuple[int, int], words: list[str]) -> Recipe:
    """Return the recipe that `cleanplate matte` pins here: it mattes one frame of this (width, height)."""
    with tempfile.TemporaryDirectory() as folder:
        capture, out = Path(folder) / "capture", Path(folder) / "out"
        draw_capture(capture, Drawn(1, 1, *size))
        command = matte_command(capture, out, model, weights, "--executor", "local", *words)
        ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
        if ended.returncode != 0:
            raise RuntimeError(f"cleanplate matte ended with {ended.returncode}:\n{ended.stdout}\n{ended.stderr}")
        return Recipe.from_record(json.loads((out / "_cleanplate" / "root.json").read_text())["recipe"])


def recipe_by_hand(model: str, device: str, precision: str, batch: int, threads: int) -> Recipe:
    """Return a recipe with the usual defaults of everything but its numerics."""
    known = registry.entry(model)
    chosen = "cpu" if device == "cpu" or (device == "auto" and gpu_name() is None) else f"cuda:{_gpu()}"
    numerics = Numerics(chosen, precision, batch, threads, chunk=4 if known.temporal else 1)
    parameters = registry.parameters_read(model, {})
    return Recipe(
        model=model,
        uses_plate=known.uses_plate,
        temporal=known.temporal,
        weights_sha256=None,
        parameters=tuple(sorted(parameters.items())),
        missing_plate="error",
        numerics=numerics,
    )


def choose_recipe(
    model: str, weights: Path | None, size: tuple[int, int], device: str, precision: str, batch: int | None
) -> Recipe:
    """Return the product's own recipe for these settings, where its command line runs; else one by hand."""
    if has_command_line():
        words = ["--device", device, "--precision", precision]
        return recipe_of_product(model, weights, size, words if batch is None else [*words, "--batch-size", str(batch)])
    on_gpu = device != "cpu" and gpu_name() is not None
    precision = precision if precision != "auto" else "bf16" if on_gpu else "fp32"
    return recipe_by_hand(model, device, precision, batch or (GPU_BATCH if on_gpu else 1), 1 if on_gpu else 2)


def write_recipe(recipe: Recipe, path: Path) -> Path:
    """Write a recipe for a child process."""
    path.write_text(recipe.to_json())
    return path


def _gpu() -> str:
    import torch

    return torch.cuda.get_device_name(0)
