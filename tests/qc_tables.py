"""QC tables without any matting: made-up measures of many cameras, judged and written as the flow does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from manifests.measures import Limits
from manifests.qc import QcFrames, SubjectQc, write_qc
from manifests.storage import Folder
from manifests.verdicts import judge_cameras, judge_frames, measure_cameras

LIMITS = Limits({"outside_hull": (0.005, 0.02), "iou": (0.8, 0.6), "frame_set": (0.0, None)})

Values = Mapping[tuple[str, str, str], Sequence[float]]
"""Values of a measure by (sequence, camera, measure), one a frame."""


def qc_frames(
    subject: str = "031",
    cameras: Sequence[str] = ("A", "B"),
    sequences: Sequence[str] = ("",),
    n_frames: int = 8,
    values: Values | None = None,
    step: int = 1,
) -> QcFrames:
    """Return frames that all pass, but for the values that are given."""
    streams = [(sequence, camera) for sequence in sorted(sequences) for camera in sorted(cameras)]
    n = len(streams) * n_frames
    numbers = np.tile(step * np.arange(n_frames, dtype=np.int32), len(streams))
    sequence, camera = (np.repeat(np.array(part, dtype=object), n_frames) for part in zip(*streams, strict=True))
    rng = np.random.default_rng(sum(subject.encode()))
    measures = {
        "coverage": 0.4 + 0.01 * rng.standard_normal(n),
        "outside_hull": rng.uniform(0, 0.004, n),
        "iou": rng.uniform(0.9, 1, n),
    }
    for (in_sequence, of_camera, name), told in (values or {}).items():
        measures[name][(sequence == in_sequence) & (camera == of_camera)] = told
    return QcFrames(
        subject=subject,
        sequence=sequence,
        camera=camera,
        frame=numbers,
        source_frame=3 * numbers,
        decision=np.zeros(n, dtype=np.int32),
        status=np.full(n, "ok", dtype=object),
        model=np.full(n, "plate-difference", dtype=object),
        mask_path=_paths(subject, numbers, camera, "mask"),
        lowres_path=_paths(subject, numbers, camera, "mask_lowres"),
        verdict=np.full(n, "pass", dtype=object),
        measure=np.full(n, "", dtype=object),
        measures=measures,
    )


def judged(frames: QcFrames, limits: Limits = LIMITS, inputs: str = "1") -> tuple[QcFrames, SubjectQc]:
    """Return the frames with verdicts, and those of the cameras."""
    frames = judge_frames(frames, limits)
    cameras = measure_cameras(frames, limits, {})
    meta = {"inputs": inputs, "limits": limits.to_record(), "is_complete": True}
    return frames, SubjectQc(frames.subject, judge_cameras(frames, cameras, limits), cameras, meta)


def write_judged(out: Folder, frames: QcFrames, inputs: str = "1") -> SubjectQc:
    """Judge frames and write both tables of their subject."""
    frames, subject = judged(frames, inputs=inputs)
    write_qc(out, frames, subject)
    return subject


def _paths(subject: str, numbers: np.ndarray, camera: np.ndarray, kind: str) -> np.ndarray:
    names = [f"{subject}/images/{n:04d}/{kind}_{c}.jpg" for n, c in zip(numbers.tolist(), camera, strict=True)]
    return np.array(names, dtype=object)
