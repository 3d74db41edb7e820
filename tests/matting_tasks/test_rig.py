from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from fakes import to_jpeg

from manifests.capture import scan_subject
from manifests.layouts.gha import Gha
from manifests.manifest import Manifest
from manifests.records import CalibrationFile
from manifests.storage_memory import MemoryFolder
from matting_tasks.calibration import camera_file
from matting_tasks.geometry import RIG_HEIGHT, RIG_WIDTH, Size
from matting_tasks.rig import read_rig, to_lowres
from matting_tasks.synth_cameras import CAMERAS, make_camera, visible_mask

NAMES = CAMERAS[:5]
POINT = np.array([0.05, -0.02, 0.03])
NUMBERS = np.array([[3000.0, 0, 1100], [0, 3000, 1604], [0, 0, 1]])


def capture_of(size_px: int = 512, n_frames: int = 2) -> MemoryFolder:
    folder = MemoryFolder()
    for name in NAMES:
        camera = make_camera(name, size_px)
        folder.write_atomic(f"031/background/image_{name}.jpg", b"plate")
        for frame in range(n_frames):
            folder.write_atomic(f"031/images/{frame:04d}/image_{name}.jpg", b"frame")
            folder.write_atomic(f"031/images/{frame:04d}/visible_{name}.jpg", to_jpeg(visible_mask(size_px)))
            path = f"031/cameras/{frame:04d}/camera_{name}.npz"
            folder.write_atomic(path, camera_file(camera.extrinsic, camera.intrinsic))
    return folder


def manifest_of(folder: MemoryFolder, size_px: int = 512) -> Manifest:
    scanned = scan_subject(folder, "031", "stat", Gha())
    size = np.full(len(scanned.frames), size_px, dtype=np.int32)
    return Manifest(replace(scanned.frames, width=size, height=size), scanned.plates, "memory://c", "stat", "gha")


def seen_at(projection: np.ndarray, point: np.ndarray) -> np.ndarray:
    column, row, depth = projection @ np.append(point, 1)
    return np.array([column, row]) / depth


def test_a_gha_capture_gives_its_cameras_for_lowres_masks() -> None:
    folder = capture_of()
    rig, notes = read_rig(folder, manifest_of(folder), "native")
    assert rig is not None and notes == []
    assert rig.cameras == tuple(sorted(NAMES))
    for name, projection in zip(rig.cameras, rig.projections, strict=True):
        expected = make_camera(name, 512).project(POINT)[:2] / 2
        np.testing.assert_allclose(seen_at(projection, POINT), expected)
    assert not rig.visible[0][:, :19].any() and rig.visible[0][:, 21:235].all()


@pytest.mark.parametrize("harm", ["gone", "text", "pickle", "shape", "nan", "no rotation"])
def test_a_bad_calibration_is_named_and_its_camera_left_out(harm: str) -> None:
    folder, name = capture_of(), NAMES[2]
    path = f"031/cameras/0000/camera_{name}.npz"
    extrinsic, intrinsic = make_camera(name, 512).extrinsic.copy(), make_camera(name, 512).intrinsic.copy()
    buffer = io.BytesIO()
    if harm == "gone":
        folder.delete([path])
    elif harm == "text":
        folder.files[path] = b"camera"
    elif harm == "pickle":
        np.savez(buffer, extrinsic=np.array([object()]), intrinsic=intrinsic)
        folder.files[path] = buffer.getvalue()
    elif harm == "shape":
        np.savez(buffer, extrinsic=extrinsic[:2], intrinsic=intrinsic)
        folder.files[path] = buffer.getvalue()
    else:
        extrinsic[0, 0] = np.nan if harm == "nan" else 3.0
        folder.files[path] = camera_file(extrinsic, intrinsic)
    rig, notes = read_rig(folder, manifest_of(folder), "native")
    assert rig is not None and set(rig.cameras) == set(NAMES) - {name}
    assert len(notes) == 1 and name in notes[0]


def test_a_rig_that_moves_is_noted() -> None:
    folder, name = capture_of(), NAMES[1]
    camera = make_camera(name, 512)
    moved = camera.extrinsic + np.array([0, 0, 0, 0.1])
    folder.files[f"031/cameras/0001/camera_{name}.npz"] = camera_file(moved, camera.intrinsic)
    rig, notes = read_rig(folder, manifest_of(folder), "native")
    assert rig is not None and len(rig.cameras) == 5
    assert len(notes) == 1 and name in notes[0] and "frame 0" in notes[0]


def test_too_few_cameras_make_no_rig() -> None:
    folder = capture_of()
    for name in NAMES[:2]:
        folder.delete([f"031/cameras/0000/camera_{name}.npz"])
    rig, notes = read_rig(folder, manifest_of(folder), "native")
    assert rig is None and "3 calibrated cameras" in notes[-1]


def test_a_capture_without_calibration_has_no_rig() -> None:
    folder = capture_of()
    rig, notes = read_rig(folder, replace(manifest_of(folder), layout="{subject}/{camera}/{frame}.jpg"), "native")
    assert rig is None and "no calibration" in notes[0]


def test_pictures_of_unknown_size_have_no_rig() -> None:
    folder = capture_of()
    rig, notes = read_rig(folder, manifest_of(folder, 0), "native")
    assert rig is None and "size" in notes[0]


@pytest.mark.parametrize("geometry", ["native", "half", "gha"])
def test_a_raw_capture_gives_its_cameras_through_the_geometry(geometry: str) -> None:
    folder = capture_of()
    poses = {name: np.vstack([make_camera(name, 512).extrinsic, [0, 0, 0, 1]]).tolist() for name in NAMES}
    told = json.dumps({"world_2_cam": poses, "intrinsics": NUMBERS.tolist()}).encode()
    folder.write_atomic("031/calibration/camera_params.json", told)
    manifest = manifest_of(folder)
    width = np.full(len(manifest.frames), RIG_WIDTH, dtype=np.int32)
    frames = replace(manifest.frames, width=width, height=width + (RIG_HEIGHT - RIG_WIDTH))
    calibration = CalibrationFile("031/calibration/camera_params.json", "1")
    rig, notes = read_rig(folder, replace(manifest, frames=frames, calibration=calibration), geometry)
    assert rig is not None and notes == []
    in_picture = seen_at(NUMBERS @ make_camera(rig.cameras[0], 512).extrinsic, POINT)
    left, top, wide, high = (-200, 304, 2600, 2600) if geometry == "gha" else (0, 0, RIG_WIDTH, RIG_HEIGHT)
    expected = (in_picture - (left, top)) * (256 / wide, 256 / high)
    np.testing.assert_allclose(seen_at(rig.projections[0], POINT), expected, rtol=1e-9)
    assert rig.visible.all() == (geometry != "gha")


def test_intrinsics_scale_with_the_picture() -> None:
    scaled = to_lowres(NUMBERS, Size(1024, 2048))
    np.testing.assert_allclose(scaled, [[750, 0, 275], [0, 375, 200.5], [0, 0, 1]])
