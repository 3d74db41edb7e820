"""Print how long the visual hull of an instant takes on one core, and QC of a subject per 1,000 frames, in Markdown.

Run: python tests/benchmarks/bench_hull.py
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import cv2
import numpy as np
from benchmarks.true_mattes import synthetic_rig, true_mattes
from captures import make_synth
from command_line import matte

from flows.judge import judge_subject
from manifests.decisions import Selection, read_decisions
from manifests.plan import SubjectPlan, read_plan
from manifests.root import read_root
from manifests.storage import LocalFolder
from matting_tasks.hull import Hull, Rig
from matting_tasks.temporal import measure_changes


def time_hull(masks: np.ndarray, n_cameras: int) -> tuple[float, list[float]]:
    """Return the seconds for the tables of a rig, and those of each instant of masks (cameras, frames, 256, 256)."""
    rig = synthetic_rig()
    chosen = np.linspace(0, len(rig.cameras) - 1, n_cameras).round().astype(int)
    started = time.perf_counter()
    hull = Hull(Rig(tuple(rig.cameras[c] for c in chosen), rig.projections[chosen], rig.visible[chosen]))
    tables_s = time.perf_counter() - started
    took = []
    for frame in range(masks.shape[1]):
        instant: list[np.ndarray | None] = [masks[c, frame] for c in chosen]
        started = time.perf_counter()
        hull.fit(instant)
        took.append(time.perf_counter() - started)
    return tables_s, took


def time_changes(masks: np.ndarray) -> float:
    """Return the milliseconds of the temporal measures of one frame."""
    looks = [(mask, mask, number > 0) for number, mask in enumerate(masks.reshape(-1, *masks.shape[2:]))]
    started = time.perf_counter()
    measure_changes(looks)
    return 1e3 * (time.perf_counter() - started) / len(looks)


def time_subject(folder: Path, n_frames: int) -> tuple[int, float]:
    """Return the frames of a subject of 16 cameras, and the seconds that judging it takes."""
    capture = make_synth(folder / "capture", n_cameras=16, n_frames=n_frames, size_px=128)
    if matte(capture, folder / "out", "--no-qc").code:
        raise RuntimeError("the capture could not be matted")
    out = LocalFolder(folder / "out")
    started = time.perf_counter()
    subject = judge_subject(out, plan_of(out))
    return sum(said.n_frames for said in subject.verdicts), time.perf_counter() - started


def plan_of(out: LocalFolder) -> SubjectPlan:
    """Return the plan of the subject."""
    root = read_root(out)
    plan = None if root is None else read_plan(out, "031", read_decisions(out, root.decision), Selection(), root.grid)
    if plan is None:
        raise RuntimeError("nothing was matted")
    return plan


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--keep", type=Path, help="a folder for the true mattes, to use again")
    said = parser.parse_args()
    cv2.setNumThreads(1)
    masks = true_mattes(0, said.frames, said.keep)
    print("| cameras | tables of the rig, s | an instant, ms (median) | worst |\n|---:|---:|---:|---:|")
    for n_cameras in (4, 8, 16):
        tables_s, took = time_hull(masks, n_cameras)
        print(f"| {n_cameras} | {tables_s:.2f} | {1e3 * statistics.median(took):.0f} | {1e3 * max(took):.0f} |")
    print(f"\nTemporal measures with pictures: {time_changes(masks):.2f} ms a frame.")
    with tempfile.TemporaryDirectory() as folder:
        n_frames, seconds = time_subject(Path(folder), said.frames)
    print(f"A subject of {n_frames} frames, every instant with its hull: {1000 * seconds / n_frames:.1f} s per 1,000.")


if __name__ == "__main__":
    main()
