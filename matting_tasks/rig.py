"""The rig: a subject's calibrated cameras as their lowres masks see them, read from the capture, faults named."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from manifests.errors import InputFault
from manifests.layouts.gha import NAME as GHA
from manifests.layouts.outputs import frame_file_paths
from manifests.manifest import Manifest
from manifests.storage import Folder
from matting_tasks.calibration import read_calibration, read_camera_file, scale_intrinsics
from matting_tasks.decode import decode_gray
from matting_tasks.geometry import RIG_HEIGHT, RIG_WIDTH, Size, adapt_intrinsics, geometry_of, visible
from matting_tasks.hull import FEWEST_CAMERAS, LOWRES_PX, Rig

F64 = NDArray[np.float64]
WHOLLY_VISIBLE = 250
"""Of a lowres pixel's mean `visible` value, 0..255: JPEG leaves a few levels."""


def read_rig(capture: Folder, manifest: Manifest, geometry: str) -> tuple[Rig | None, list[str]]:
    """Return the cameras of a subject whose calibration can be used, None for fewer than four, and what is wrong.

    gha: `cameras/<frame>/camera_<serial>.npz` of each camera's first frame; a rig is taken to stand still, and that of
    its last frame is only compared. NeRSemble: `camera_params.json`, brought through `geometry`. A store that fails is
    an OSError.
    """
    if manifest.calibration is None and manifest.layout != GHA:
        return None, ["the capture has no calibration"]
    cameras = sorted(set(manifest.frames.camera.tolist()))
    if len(cameras) < FEWEST_CAMERAS:
        return None, [f"{len(cameras)} cameras, and {FEWEST_CAMERAS} are wanted for a visual hull"]
    read_camera = _of_gha if manifest.calibration is None else _of_raw
    found: dict[str, tuple[F64, NDArray[np.bool_]]] = {}
    notes: list[str] = []
    for camera in cameras:
        try:
            found[camera] = read_camera(capture, manifest, camera, geometry)
        except FileNotFoundError:
            notes.append(f"camera {camera}: it has no calibration")
        except InputFault as fault:
            notes.append(f"camera {camera}: {fault.message}")
    if manifest.calibration is None:
        notes += _moved(capture, manifest, sorted(found))
    if len(found) < FEWEST_CAMERAS:
        return None, _in_short(
            [*notes, f"{len(found)} calibrated cameras, and {FEWEST_CAMERAS} are wanted for a visual hull"]
        )
    projections = np.array([projection for projection, _ in found.values()])
    return Rig(tuple(found), projections, np.stack([seen for _, seen in found.values()])), _in_short(notes)


def to_lowres(intrinsic: F64, size: Size) -> F64:
    """Return the intrinsics (3, 3) of the lowres mask of a picture; both from the outer corner of the first pixel."""
    scaled: F64 = np.diag([LOWRES_PX / size.width, LOWRES_PX / size.height, 1.0]) @ intrinsic
    return scaled


def _of_gha(capture: Folder, manifest: Manifest, camera: str, geometry: str) -> tuple[F64, NDArray[np.bool_]]:
    row = _rows(manifest, camera)[0]
    extrinsic, intrinsic = _camera_file(capture, manifest, camera, int(manifest.frames.frame[row]))
    seen = _visible_of(capture, manifest.frames.visible_path[row])
    return to_lowres(intrinsic, _size(manifest, camera)) @ extrinsic, seen


def _of_raw(capture: Folder, manifest: Manifest, camera: str, geometry: str) -> tuple[F64, NDArray[np.bool_]]:
    if manifest.calibration is None:
        raise FileNotFoundError(camera)
    known = read_calibration(capture.read(manifest.calibration.path)).of(camera)
    if known is None:
        raise FileNotFoundError(camera)
    extrinsic, intrinsic = known
    size = _size(manifest, camera)
    through = geometry_of(geometry, size.width, size.height)
    adapted = adapt_intrinsics(through, scale_intrinsics(intrinsic, size.width, size.height))
    return to_lowres(adapted, through.target) @ extrinsic, _wholly(visible(through))


def _moved(capture: Folder, manifest: Manifest, cameras: Sequence[str]) -> list[str]:
    """Name the cameras whose calibration at their last frame is not that of their first."""
    moved = []
    for camera in cameras:
        rows = _rows(manifest, camera)
        frames = int(manifest.frames.frame[rows[0]]), int(manifest.frames.frame[rows[-1]])
        try:
            first, last = (_camera_file(capture, manifest, camera, frame) for frame in frames)
        except (FileNotFoundError, InputFault):
            continue  # the first one holds; that the last is not there is no fault of the mattes
        if not all(np.allclose(one, other) for one, other in zip(first, last, strict=True)):
            moved.append(f"camera {camera}: its calibration changes; that of frame {frames[0]} was used")
    return moved


def _camera_file(capture: Folder, manifest: Manifest, camera: str, frame: int) -> tuple[F64, F64]:
    path = frame_file_paths(manifest.subject, frame, camera)["camera"]
    try:
        return read_camera_file(capture.read(path))
    except InputFault as fault:
        raise InputFault(fault.status, f"{path}: {fault.message}") from fault


def _rows(manifest: Manifest, camera: str) -> np.ndarray:
    rows = np.flatnonzero(manifest.frames.camera == camera)
    ordered: np.ndarray = rows[np.argsort(manifest.frames.frame[rows], kind="stable")]
    return ordered


def _size(manifest: Manifest, camera: str) -> Size:
    """Return the size of a camera's pictures, from the listing or else that of its plate; raises InputFault."""
    rows = _rows(manifest, camera)
    size = Size(int(manifest.frames.width[rows].max()), int(manifest.frames.height[rows].max()))
    plate = manifest.plates.get(camera)
    if min(size) < 1 and plate is not None and plate.width and plate.height:
        size = Size(plate.width, plate.height)
    if min(size) < 1:
        raise InputFault("undecodable", "the size of its pictures is not known")
    return size


def _visible_of(capture: Folder, path: str) -> NDArray[np.bool_]:
    """Return what the sensor sees, in lowres pixels; where the capture does not say, that of the layout's crop."""
    if not path:
        return _wholly(visible(geometry_of(GHA, RIG_WIDTH, RIG_HEIGHT)))
    try:
        return _wholly(decode_gray(capture.read(path)))
    except InputFault as fault:
        raise InputFault(fault.status, f"{path}: {fault.message}") from fault


def _wholly(share: np.ndarray) -> NDArray[np.bool_]:
    small = cv2.resize(share, (LOWRES_PX, LOWRES_PX), interpolation=cv2.INTER_AREA)
    seen: NDArray[np.bool_] = small >= WHOLLY_VISIBLE
    return seen


def _in_short(notes: list[str], most: int = 4) -> list[str]:
    return notes if len(notes) <= most else [*notes[:most], f"and {len(notes) - most} more like these"]
