"""Our frame path, in this process: shards of a capture on the in-process executor, timed by phase.

Prints one line of JSON. Run by naive.py and bench_path.py; alone:
python tests/benchmarks/our_path.py CAPTURE OUT RECIPE.json [WEIGHTS] [--device D] [--threads N] [--warm-up] ...
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.drawn_capture import draw_alpha
from benchmarks.gpu_busy import gpu_busy
from benchmarks.phases import Phases, probed, timed_build

from manifests.capture import scan_subject
from manifests.decisions import Decision, Selection
from manifests.layouts.gha import Gha
from manifests.ledger import commit as commit_receipt
from manifests.recipe import Recipe
from manifests.records import FrameRow, Shard, ShardFailure
from manifests.sharding import in_lockstep, plan_subject
from manifests.storage import Folder, LocalFolder

GRID = 64


@dataclass(frozen=True)
class Setting:
    """What a run needs: folders, recipe, weights, device as torch names it, and I/O threads."""

    capture: Path
    out: Path
    recipe: Recipe
    weights: Path | None
    device: str
    n_threads: int
    without_network: bool = False


def plan_groups(capture: Path, recipe: Recipe, grid: int = GRID) -> list[list[Shard]]:
    """Return all shards of a gha capture as the main job plans them, those that are matted in lockstep together."""
    folder, groups = LocalFolder(capture), []
    for subject in sorted(path.name for path in capture.iterdir() if (path / "images").is_dir()):
        scanned = scan_subject(folder, subject, "stat", Gha())
        planned = plan_subject(scanned.frames, scanned.plates, [Decision(0, Selection(), recipe, "root")], grid)
        for group in in_lockstep(planned):
            groups.append([shard.to_shard(scanned.frames, scanned.plates, "stat") for shard in group])
    return groups


class NoNetwork:
    """A model that costs nothing: the alpha of one and the same head for every frame."""

    uses_plate = True
    temporal = False
    takes_bytes = True

    def __init__(self) -> None:
        self._alphas: dict[tuple[int, int], Any] = {}

    def matte(self, frames: Any, plates: Any, state: Any = None, want_foreground: bool = False) -> Any:
        """Matte as MattingModel says."""
        import numpy as np
        import torch

        from models.base import Matte

        height, width = frames.shape[-2:]
        if (height, width) not in self._alphas:
            alpha = torch.from_numpy(draw_alpha(width, height, 0, np.random.default_rng(0)))
            self._alphas[height, width] = alpha.to(frames.device)
        alpha = self._alphas[height, width].expand(*frames.shape[:2], -1, -1)
        return Matte(alpha, alpha[..., ::16, ::16], None)


def build_no_network(*_: Any) -> NoNetwork:
    """Build what costs nothing."""
    return NoNetwork()


class Runner:
    """The in-process executor with a timed model; it keeps the rows that its shards commit."""

    def __init__(self, setting: Setting) -> None:
        """Set the worker up."""
        from matting_tasks.in_process import InProcessPool
        from matting_tasks.plates import CPU_SLOTS
        from matting_tasks.worker import WorkerSettings
        from models.registry import build_for_masks as build_by_name

        build = build_no_network if setting.without_network else build_by_name
        self.n_lines = CPU_SLOTS if setting.recipe.numerics.device_class == "cpu" else 1
        self.phases = Phases()
        self._rows: dict[str, Sequence[FrameRow]] = {}  # of a shard that is tried again, those of the last try
        known = {"commit": self._commit} if "commit" in {field.name for field in fields(WorkerSettings)} else {}
        self.pool = InProcessPool(
            WorkerSettings(
                setting.recipe,
                None if setting.weights is None else str(setting.weights),
                str(setting.capture),
                str(setting.out),
                setting.device,
                setting.n_threads,
                build=timed_build(self.phases, build, setting.device),
                **known,  # type: ignore[arg-type]
            )
        )
        if not known:  # the worker cannot be told yet who keeps its rows
            worker = self.pool._worker
            worker._station = replace(worker._station, commit=self._commit)

    def matte(self, groups: Sequence[Sequence[Shard]]) -> float:
        """Matte groups of shards; return the seconds to the last receipt. Raises RuntimeError for a failure."""
        self._rows.clear()
        self.phases.clear()
        started = time.perf_counter()
        for outcome in self.pool.matte(groups):
            if isinstance(outcome, ShardFailure):
                raise RuntimeError(f"{outcome.shard_id}: {outcome.message}\n{outcome.traceback}")
        wall_s = time.perf_counter() - started
        self.phases.collect()
        bad = [row for row in self.rows if row.status != "ok"]
        if bad:
            raise RuntimeError(f"{len(bad)} of {len(self.rows)} frames are not ok: {bad[0].error}")
        return wall_s

    @property
    def rows(self) -> list[FrameRow]:
        """Return the rows that were committed."""
        return [row for rows in self._rows.values() for row in rows]

    def _commit(self, out: Folder, shard: Shard, rows: Sequence[FrameRow], meta: Mapping[str, Any]) -> None:
        self._rows[shard.shard_id] = rows
        try:
            commit_receipt(out, shard, rows, meta)
        except ModuleNotFoundError as err:  # a machine without pyarrow: masks are all that it is there for
            if err.name != "pyarrow":
                raise


def seconds_of_receipts(rows: Sequence[FrameRow]) -> dict[str, float]:
    """Return the mean seconds a frame that the receipts tell, by column."""
    names = [field.name for field in fields(FrameRow) if field.name.endswith("_s")]
    sums = {name: sum(getattr(row, name) or 0.0 for row in rows) for name in names}
    return {name: seconds / max(1, len(rows)) for name, seconds in sums.items()}


def measure(setting: Setting, warm_up: bool = True, grid: int = GRID, profile: Path | None = None) -> dict[str, Any]:
    """Matte a capture and return frames a second, seconds by phase, plate decodings and memory.

    The warm-up mattes the first group once more beforehand; the time counts from idle hands to the last receipt.
    """
    groups = plan_groups(setting.capture, setting.recipe, grid)
    started = time.perf_counter()
    runner = Runner(setting)
    built_s = time.perf_counter() - started
    with probed(runner.phases) as missing:
        warm_up_s = runner.matte(groups[:1]) if warm_up else 0.0
        n_plates = runner.phases.calls["decode plate"]
        with gpu_busy(setting.device) as busy, _traced(profile, setting.device):
            wall_s = runner.matte(groups)
    n_frames, n_lines = len(runner.rows), runner.n_lines
    network_s = runner.phases.seconds["network"] / n_lines
    return {
        "n_frames": n_frames,
        "frames_per_s": n_frames / wall_s,
        "wall_s": wall_s,
        "build_s": built_s,
        "warm_up_s": warm_up_s,
        "phases_s": runner.phases.by_frame(n_frames, wall_s, n_lines),
        "receipts_s": seconds_of_receipts(runner.rows),
        "network_share": network_s / wall_s,
        "batches_at_once": n_lines,
        "plates_decoded": n_plates + runner.phases.calls["decode plate"],
        "n_cameras": len({(shard.subject, shard.camera) for group in groups for shard in group}),
        "host_peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "probes_missing": missing,
        **busy,
        **_device_memory(setting.device),
    }


@contextmanager
def _traced(path: Path | None, device: str) -> Iterator[None]:
    """Write a torch profiler trace of what happens inside, if a file is named."""
    if path is None:
        yield
        return
    from torch._C._profiler import _ExperimentalConfig
    from torch.profiler import ProfilerActivity, profile

    kinds = [ProfilerActivity.CPU] if device == "cpu" else [ProfilerActivity.CPU, ProfilerActivity.CUDA]
    with profile(activities=kinds, experimental_config=_ExperimentalConfig(profile_all_threads=True)) as traced:
        yield
    path.parent.mkdir(parents=True, exist_ok=True)
    traced.export_chrome_trace(str(path))


def _device_memory(device: str) -> dict[str, Any]:
    if device == "cpu":
        return {}
    import torch

    return {"device_peak_mb": torch.cuda.max_memory_allocated() / 2**20}


def setting_of(words: argparse.Namespace) -> Setting:
    """Return what a run needs from the words of a command line."""
    recipe = Recipe.from_record(json.loads(words.recipe.read_text()))
    device = words.device if words.device != "auto" else recipe.numerics.device_class.partition(":")[0]
    return Setting(words.capture, words.out, recipe, words.weights, device, words.threads, words.without_network)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("capture", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("weights", type=Path, nargs="?")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=min(8, max(2, len(os.sched_getaffinity(0)))))
    parser.add_argument("--warm-up", action="store_true")
    parser.add_argument("--without-network", action="store_true", help="everything but the network")
    parser.add_argument("--grid", type=int, default=GRID, help="frame numbers in a shard")
    parser.add_argument("--core", type=int, help="the one core to work on")
    parser.add_argument("--profile", type=Path, help="write a torch profiler trace")
    words = parser.parse_args()
    if words.core is not None:
        os.sched_setaffinity(0, {words.core})
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as the command line sets it, before torch is loaded
    print(json.dumps(measure(setting_of(words), words.warm_up, words.grid, words.profile)))


if __name__ == "__main__":
    main()
