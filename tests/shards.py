"""Shards for tests: a capture, planned as the main job plans it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from manifests.capture import scan_subject
from manifests.decisions import Decision, Selection
from manifests.layouts.gha import Gha
from manifests.recipe import Numerics, Recipe
from manifests.records import Shard
from manifests.sharding import plan_subject
from manifests.storage import Folder, LocalFolder
from matting_tasks.worker import WorkerSettings

CPU = Numerics(device_class="cpu", precision="fp32", batch=1, intra_op_threads=2)


def recipe_for(model: str = "plate-difference", **changes: object) -> Recipe:
    """Return a recipe on the CPU."""
    known: dict[str, object] = {
        "model": model,
        "uses_plate": True,
        "temporal": False,
        "weights_sha256": None,
        "parameters": (),
        "missing_plate": "error",
        "numerics": CPU,
    }
    return Recipe(**(known | changes))  # type: ignore[arg-type]


def shards_of(capture: Folder, recipe: Recipe, subject: str = "031", grid: int = 64) -> list[Shard]:
    """Return all shards of a subject under one decision."""
    scanned = scan_subject(capture, subject, "stat", Gha())
    decision = Decision(0, Selection(), recipe, "root")
    planned = plan_subject(scanned.frames, scanned.plates, [decision], grid)
    return [shard.to_shard(scanned.frames, scanned.plates, "stat") for shard in planned]


def worker_settings(
    capture: Path, out: Path, recipe: Recipe, build: Callable[..., object] | None = None
) -> WorkerSettings:
    """Return the settings of a worker on local folders."""
    changes = {} if build is None else {"build": build}
    return WorkerSettings(recipe, None, LocalFolder(capture).url, LocalFolder(out).url, "cpu", 2, **changes)  # type: ignore[arg-type]
