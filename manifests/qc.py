"""QC tables: the measures and verdicts of one subject, by frame and by camera, and where they lie.

_cleanplate/qc/<subject>.parquet             one row a frame
_cleanplate/qc/cameras/<subject>.parquet     one row a camera and measure; the verdicts are in its metadata
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from manifests.sharding import subject_folder
from manifests.storage import Folder

QC = "_cleanplate/qc"
CAMERAS = f"{QC}/cameras"


@dataclass(frozen=True, slots=True, eq=False)
class QcFrames:
    """The frames of one subject as columns of equal length n, sorted by (sequence, camera, frame).

    Text columns are object arrays, `frame`, `source_frame` and `decision` int32. `status` is that of the receipt,
    `model` what matted it, `mask_path` and `lowres_path` are relative to the output root, empty where there is no mask.
    `measures` has an array (n,) float64 for each of FRAME_MEASURES, NaN where not known. `verdict` is the worst of a
    frame's measures, and `measure` the one that decided, empty for `pass`.
    """

    subject: str
    sequence: np.ndarray
    camera: np.ndarray
    frame: np.ndarray
    source_frame: np.ndarray
    decision: np.ndarray
    status: np.ndarray
    model: np.ndarray
    mask_path: np.ndarray
    lowres_path: np.ndarray
    verdict: np.ndarray
    measure: np.ndarray
    measures: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        """Count the frames."""
        return len(self.frame)


@dataclass(frozen=True, slots=True)
class CameraMeasure:
    """One measure over all frames of one (subject, sequence, camera).

    `median`, `p95` and `worst` are of the frames that have the measure, where high is bad p95 is the 95th percentile,
    where low is bad the 5th; for a measure of scope `set` all three are its value. `worst_frames` are a few frame
    numbers, the worst first. `value` is the one that was judged, against the limit that it passed, or else would pass
    next (None: there is none).
    """

    subject: str
    sequence: str
    camera: str
    measure: str
    n_frames: int
    median: float | None
    p95: float | None
    worst: float | None
    worst_frames: tuple[int, ...]
    value: float | None
    limit: float | None
    verdict: str


@dataclass(frozen=True, slots=True)
class CameraVerdict:
    """Whether the mattes of one (subject, sequence, camera) can be trusted, and the measure that decided.

    `n_review` and `n_fail` count frames by their own verdict. `measure` is empty and `value` None for `pass`.
    """

    subject: str
    sequence: str
    camera: str
    n_frames: int
    n_ok: int
    n_review: int
    n_fail: int
    verdict: str
    measure: str = ""
    value: float | None = None
    limit: float | None = None
    worst_frames: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class SubjectQc:
    """What is known of one subject: verdicts and measures of its cameras, and how they were made.

    `meta`: "inputs" (a hash of the receipts and limits that it was made of), "limits" ({measure: [review, fail]}),
    "is_complete" (every frame of the manifest has a receipt).
    """

    subject: str
    verdicts: Sequence[CameraVerdict]
    cameras: Sequence[CameraMeasure]
    meta: Mapping[str, Any] = field(default_factory=dict)


def qc_path(subject: str) -> str:
    """Return where the measures of a subject's frames lie, relative to the output root."""
    return f"{QC}/{subject_folder(subject)}.parquet"


def cameras_path(subject: str) -> str:
    """Return where the measures of a subject's cameras lie; their verdicts are in the file's metadata."""
    return f"{CAMERAS}/{subject_folder(subject)}.parquet"


def write_qc(out: Folder, frames: QcFrames, subject: SubjectQc) -> None:
    """Write both tables of a subject, that of the cameras last; whoever sees it sees both."""
    from manifests.tables_qc import write_camera_measures, write_qc_frames

    out.write_atomic(qc_path(subject.subject), write_qc_frames(frames, subject.meta))
    out.write_atomic(cameras_path(subject.subject), write_camera_measures(subject))


def read_subject_qc(out: Folder, subject: str) -> SubjectQc | None:
    """Return verdicts and camera measures of a subject, None where there are none yet; raises SchemaUnknown."""
    try:
        return read_listed_qc(out, cameras_path(subject))
    except FileNotFoundError:
        return None


def read_listed_qc(out: Folder, path: str) -> SubjectQc:
    """Return verdicts and camera measures of a file that `listed_qc` gave; raises SchemaUnknown, FileNotFoundError."""
    from manifests.tables_qc import read_camera_measures

    return read_camera_measures(out.read(path), path)


def read_qc_frames(out: Folder, subject: str, measures: Sequence[str] | None = None) -> QcFrames | None:
    """Return the frames of a subject with some or all measures, None where there are none; raises SchemaUnknown."""
    from manifests.tables_qc import read_qc_frames as parse

    try:
        return parse(out.read(qc_path(subject)), qc_path(subject), measures)
    except FileNotFoundError:
        return None


def listed_qc(out: Folder) -> list[str]:
    """Return the files of all QC tables of cameras, relative to the output root, in one listing."""
    return sorted(stat.path for stat in out.list(CAMERAS) if stat.path.endswith(".parquet"))
