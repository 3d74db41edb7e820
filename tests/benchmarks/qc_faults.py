"""Print how often QC tells each fault of masks by its own measure, and how often it cries wolf, in Markdown.

Run: python tests/benchmarks/qc_faults.py --seeds 24 --frames 12 --keep FOLDER
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import cv2
import numpy as np
from benchmarks.mask_faults import FAULTS, MaskFault, Scene
from benchmarks.true_mattes import all_mattes, synthetic_rig, true_mattes

from manifests.capture import text_column
from manifests.measures import MEASURES, default_limits, verdict_of
from manifests.qc import CameraMeasure, CameraVerdict, QcFrames
from manifests.storage_memory import MemoryFolder
from manifests.verdicts import judge_cameras, judge_frames, measure_cameras
from matting_tasks.hull import Hull
from matting_tasks.judging import measure_sets, measure_times, measure_views
from matting_tasks.lowres import LowresReader
from matting_tasks.qc import measure_shape
from matting_tasks.synth_cameras import CAMERAS, visible_mask

GRID = 4
"""Frames of a shard, so that there are borders to measure."""


@dataclass(frozen=True)
class Trial:
    """One seed with one fault: the verdict of the camera that has it, of its own measure, and of the other cameras."""

    fault: str
    seed: int
    own: str
    verdict: str
    measure: str
    others: tuple[str, ...]
    n_review_frames: int
    n_fail_frames: int
    worst: dict[str, float]
    of_others: dict[str, float]


def judge(masks: np.ndarray, dropped: set[tuple[int, int]], hull: Hull) -> tuple[QcFrames, list[CameraMeasure]]:
    """Judge the mattes (cameras, frames, 256, 256) uint8 of a subject as a run does, but for what needs its plates."""
    out, rows, shapes = MemoryFolder(), [], []
    visible = visible_mask(masks.shape[-1]) > 0
    for camera, mattes in zip(range(len(masks)), masks, strict=True):
        for frame, mask in enumerate(mattes):
            if (camera, frame) in dropped:
                continue
            path = f"{frame}/{CAMERAS[camera]}.png"
            out.files[path] = cv2.imencode(".png", mask, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()
            rows.append((CAMERAS[camera], frame, path))
            shapes.append(measure_shape(mask, visible))
    names = [name for name in shapes[0].__slots__ if name in MEASURES]
    number = np.array([frame for _, frame, _ in rows], dtype=np.int32)
    empty = text_column("" for _ in rows)
    frames = QcFrames(
        *("031", empty, text_column(row[0] for row in rows), number, number, np.zeros_like(number)),
        *(text_column("ok" for _ in rows), empty, empty, text_column(row[2] for row in rows), empty, empty),
        {name: np.array([getattr(shape, name) for shape in shapes], dtype=np.float64) for name in names},
    )
    reader = LowresReader(out)
    frames.measures.update(measure_times(frames, number % GRID == 0, empty, reader))  # type: ignore[attr-defined]
    frames.measures.update(measure_views(frames, hull, frames.measures["area_ratio"], reader))  # type: ignore[attr-defined]
    of_sets = measure_sets(frames, np.zeros(len(rows), dtype=bool), reader.unread)
    limits = default_limits()
    frames = judge_frames(frames, limits)
    return frames, measure_cameras(frames, limits, of_sets)


def try_fault(fault: MaskFault, seed: int, true: np.ndarray, hull: Hull) -> Trial:
    """Make a fault in one camera of a subject, judge it, and say what was found."""
    rng = np.random.default_rng([seed, len(fault.name)])
    camera, frame = int(rng.integers(len(true))), int(rng.integers(2, true.shape[1] - 2))
    scene = Scene(true.copy(), camera, frame, rng, set())
    fault.make(scene)
    frames, cameras = judge(scene.masks, scene.dropped, hull)
    limits = default_limits()
    verdicts = {said.camera: said for said in judge_cameras(frames, cameras, limits)}
    hit: CameraVerdict = verdicts[CAMERAS[camera]]
    own = [one for one in cameras if one.camera == CAMERAS[camera] and one.measure in fault.own]
    others = [said for said in verdicts.values() if said.camera != CAMERAS[camera]]
    return Trial(
        fault=fault.name,
        seed=seed,
        own=_worst(verdict_of(one.measure, one.value or 0.0, limits) for one in own),
        verdict=hit.verdict,
        measure=hit.measure,
        others=tuple(f"{said.verdict} {said.camera} {said.measure}" for said in others if said.verdict != "pass"),
        n_review_frames=int((frames.verdict == "review").sum()),
        n_fail_frames=int((frames.verdict == "fail").sum()),
        worst={one.measure: one.worst for one in cameras if one.camera == CAMERAS[camera]},  # type: ignore[misc]
        of_others=_worst_of(cameras, CAMERAS[camera]),
    )


def try_seed(seed: int, n_frames: int, folder: Path) -> list[Trial]:
    """Try all faults on one subject."""
    cv2.setNumThreads(1)
    hull, true = Hull(synthetic_rig()), true_mattes(seed, n_frames, folder)
    return [try_fault(fault, seed, true, hull) for fault in FAULTS]


def _worst(verdicts: object) -> str:
    found = set(verdicts)  # type: ignore[call-overload]
    return "fail" if "fail" in found else "review" if "review" in found else "pass"


def _worst_of(cameras: list[CameraMeasure], but: str) -> dict[str, float]:
    worst: dict[str, float] = {}
    for one in cameras:
        if one.camera != but and one.worst is not None:
            pick = min if MEASURES[one.measure].bad == "low" else max
            worst[one.measure] = pick(worst.get(one.measure, one.worst), one.worst)
    return worst


def table_of(trials: list[Trial], n_cameras: int) -> list[str]:
    """Return the lines of the table."""
    lines = [
        "| fault | its own measure | told by it | of these fail | camera not passed | other cameras: review | fail |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for fault in FAULTS:
        of = [trial for trial in trials if trial.fault == fault.name]
        told = sum(trial.own != "pass" for trial in of)
        failed = sum(trial.own == "fail" for trial in of)
        flagged = sum(trial.verdict != "pass" for trial in of)
        n_others = (n_cameras - 1) * len(of)
        alarms = Counter(text.split()[0] for trial in of for text in trial.others)
        cells = [fault.name, " or ".join(fault.own), f"{told} of {len(of)}" if fault.own else "", f"{failed}"]
        cells += [f"{flagged} of {len(of)}", *(f"{alarms[w]} of {n_others}" for w in ("review", "fail"))]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=24)
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--keep", type=Path, help="a folder for the true mattes, to use again")
    parser.add_argument("--trials", type=Path, help="a file for every trial, a line of JSON each")
    said = parser.parse_args()
    folder = said.keep or Path(tempfile.mkdtemp(prefix="true-mattes-"))
    all_mattes(said.seeds, said.frames, folder)
    with ProcessPoolExecutor() as processes:
        found = processes.map(partial(try_seed, n_frames=said.frames, folder=folder), range(said.seeds))
        trials = [trial for one in found for trial in one]
    if said.trials:
        said.trials.write_text("\n".join(json.dumps(trial.__dict__) for trial in trials))
    print("\n".join(table_of(trials, len(CAMERAS))))


if __name__ == "__main__":
    main()
