"""QC tables of a few flagged frames: measures by camera and frame in, judged tables under an output root out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from manifests.measures import Limits
from manifests.qc import QcFrames, SubjectQc, write_qc
from manifests.storage import Folder
from manifests.verdicts import judge_cameras, judge_frames, measure_cameras

LIMITS = Limits({"border_top": (0.25, 0.6), "largest_component": (0.985, 0.9)})


def write_tables(
    out: Folder,
    subject: str,
    border_top: Mapping[str, Sequence[float]],
    largest_component: Mapping[str, Sequence[float]] | None = None,
    decision: int = 0,
    sequence: str = "",
) -> QcFrames:
    """Write judged tables of a subject: camera -> a value for each frame 0, 1, 2, ...; return the frames."""
    cameras = sorted(border_top)
    numbers = [np.arange(len(border_top[camera]), dtype=np.int32) for camera in cameras]
    frame = np.concatenate(numbers)
    camera = np.repeat(np.array(cameras, dtype=object), [len(part) for part in numbers])
    text = np.full(len(frame), "", dtype=object)
    parts = (largest_component or {}).get
    measures = {
        "border_top": np.concatenate([np.asarray(border_top[one], dtype=np.float64) for one in cameras]),
        "largest_component": np.concatenate(
            [np.asarray(parts(one, np.ones(len(border_top[one]))), dtype=np.float64) for one in cameras]
        ),
    }
    paths = [f"{subject}/images/{f:04d}/mask_{c}.jpg" for c, f in zip(camera, frame.tolist(), strict=True)]
    frames = QcFrames(
        subject=subject,
        sequence=np.full(len(frame), sequence, dtype=object),
        camera=camera,
        frame=frame,
        source_frame=3 * frame,
        decision=np.full(len(frame), decision, dtype=np.int32),
        status=np.full(len(frame), "ok", dtype=object),
        model=np.full(len(frame), "plate-difference", dtype=object),
        mask_path=np.array(paths, dtype=object),
        lowres_path=text,
        verdict=np.full(len(frame), "pass", dtype=object),
        measure=text,
        measures=measures,
    )
    frames = judge_frames(frames, LIMITS)
    measured = measure_cameras(frames, LIMITS, {})
    verdicts = judge_cameras(frames, measured, LIMITS)
    write_qc(out, frames, SubjectQc(subject, verdicts, measured, {"inputs": "a", "limits": LIMITS.to_record()}))
    return frames
