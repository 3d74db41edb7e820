from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from manifests.errors import SchemaUnknown
from manifests.measures import FRAME_MEASURES, Limits
from manifests.qc import QcFrames, SubjectQc, cameras_path, listed_qc, read_qc_frames, read_subject_qc, write_qc
from manifests.storage import LocalFolder
from manifests.verdicts import judge_cameras, judge_frames, measure_cameras

LIMITS = Limits({"holes": (0.01, 0.05), "plate_gain": (0.09, 0.18), "iou": (0.5, 0.2), "frame_set": (0.5, None)})


def frames_of(n_cameras: int = 2, n_frames: int = 4, **measures: object) -> QcFrames:
    n = n_cameras * n_frames
    text = np.full(n, "", dtype=object)
    return QcFrames(
        subject="031",
        sequence=text,
        camera=np.repeat(np.array([f"22{c}" for c in range(n_cameras)], dtype=object), n_frames),
        frame=np.tile(np.arange(n_frames, dtype=np.int32), n_cameras),
        source_frame=np.tile(3 * np.arange(n_frames, dtype=np.int32), n_cameras),
        decision=np.zeros(n, dtype=np.int32),
        status=np.full(n, "ok", dtype=object),
        model=np.full(n, "plate-difference", dtype=object),
        mask_path=np.array([f"m/{i}.jpg" for i in range(n)], dtype=object),
        lowres_path=text,
        verdict=np.full(n, "pass", dtype=object),
        measure=text,
        measures={name: np.asarray(values, dtype=np.float64) for name, values in measures.items()},
    )


def test_a_subject_is_read_as_it_was_written(tmp_path: Path) -> None:
    holes = [0, 0.02, 0, np.nan, 0.1, 0, 0, 0]
    frames = judge_frames(frames_of(holes=holes), LIMITS)
    cameras = measure_cameras(frames, LIMITS, {("", "220"): {"frame_set": 1.0}})
    verdicts = judge_cameras(frames, cameras, LIMITS)
    out = LocalFolder(tmp_path)
    write_qc(out, frames, SubjectQc("031", verdicts, cameras, {"inputs": "abc"}))

    found, read = read_subject_qc(out, "031"), read_qc_frames(out, "031")
    assert found is not None and read is not None
    assert (found.verdicts, found.cameras, found.meta["inputs"]) == (verdicts, cameras, "abc")
    np.testing.assert_array_equal(read.measures["holes"], holes)
    assert set(read.measures) == set(FRAME_MEASURES) and np.isnan(read.measures["iou"]).all()
    for name in ("camera", "frame", "status", "mask_path", "verdict", "measure"):
        np.testing.assert_array_equal(getattr(read, name), getattr(frames, name))
    assert listed_qc(out) == [cameras_path("031")]


def test_nothing_is_read_where_nothing_was_written(tmp_path: Path) -> None:
    assert read_subject_qc(LocalFolder(tmp_path), "031") is None
    assert read_qc_frames(LocalFolder(tmp_path), "031") is None


def test_damage_is_named(tmp_path: Path) -> None:
    (tmp_path / "_cleanplate/qc/cameras").mkdir(parents=True)
    (tmp_path / cameras_path("031")).write_bytes(b"PAR1")
    with pytest.raises(SchemaUnknown, match="031"):
        read_subject_qc(LocalFolder(tmp_path), "031")
