"""Calibration: the poses and intrinsics of a capture's cameras, read from NeRSemble's file, written as gha's files."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from manifests.errors import InputFault
from matting_tasks.geometry import RIG_HEIGHT, RIG_WIDTH, Size, is_rig_aspect

F64 = NDArray[np.float64]

_ROTATION_TOLERANCE = 1e-3
"""Of the products of a rotation's rows: generous for numbers that were written with four digits."""

_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """The cameras of one subject by serial: extrinsics (3, 4) float64, world to camera; intrinsics (3, 3) float64.

    OpenCV's axes (x right, y down, z forward). The intrinsics are those of the full picture, 2200x3208 pixels.
    """

    extrinsics: Mapping[str, F64]
    intrinsics: Mapping[str, F64]

    def of(self, camera: str) -> tuple[F64, F64] | None:
        """Return the extrinsic (3, 4) and the intrinsic (3, 3) of a camera, None for one that is not calibrated."""
        extrinsic = self.extrinsics.get(camera)
        return None if extrinsic is None else (extrinsic, self.intrinsics[camera])


def read_calibration(data: bytes) -> Calibration:
    """Read a `camera_params.json` of NeRSemble: {"world_2_cam": {serial: 4x4}, "intrinsics": 3x3 of all cameras}.

    A pose may lack its last row; the intrinsics may be one matrix for each serial, as in NeRSemble's benchmark; a
    matrix may be nested lists or one flat list. Whatever else the file holds is not read.
    Raises InputFault of status `undecodable`, which names the camera where there is one: for what is not JSON, lacks
    one of the two or a camera's intrinsics, has no camera, or has a matrix of another shape, with a value that is no
    finite number, with another last row than 0 ... 0 1, a pose that is no rotation and a shift, or with a focal length
    that is not positive.
    """
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as err:
        raise _undecodable(f"it is not JSON: {err}") from err
    poses = content.get("world_2_cam") if isinstance(content, dict) else None
    if not isinstance(poses, dict) or not poses:
        raise _undecodable('it has no "world_2_cam" with a matrix for each camera')
    if "intrinsics" not in content:
        raise _undecodable('it has no "intrinsics"')
    return Calibration(
        {camera: _extrinsic(camera, pose) for camera, pose in poses.items()},
        _intrinsics(tuple(poses), content["intrinsics"]),
    )


def scale_intrinsics(intrinsic: F64, width: int, height: int) -> F64:
    """Return the intrinsics (3, 3) of a picture of width x height pixels, given those of 2200x3208.

    Coordinates from the outer corner of the first pixel (see `geometry.adapt_intrinsics`).
    Raises InputFault of status `undecodable` for a size of another aspect: it is a crop, and the numbers do not hold.
    """
    if not is_rig_aspect(Size(width, height)):
        raise InputFault(
            "undecodable",
            f"the picture has {width}x{height} pixels; "
            f"its calibration holds for {RIG_WIDTH}x{RIG_HEIGHT}, or that scaled",
        )
    scaled: F64 = np.array([[width / RIG_WIDTH], [height / RIG_HEIGHT], [1.0]]) * intrinsic
    return scaled


def camera_file(extrinsic: F64, intrinsic: F64) -> bytes:
    """Return the bytes of a `camera_<serial>.npz` of the gha layout: extrinsic (3, 4) and intrinsic (3, 3), float64.

    Equal matrices give equal bytes, whenever and wherever. Raises ValueError for other shapes.
    """
    if extrinsic.shape != (3, 4) or intrinsic.shape != (3, 3):
        raise ValueError(f"an extrinsic is (3, 4), an intrinsic (3, 3); found {extrinsic.shape}, {intrinsic.shape}")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, matrix in (("extrinsic", extrinsic), ("intrinsic", intrinsic)):
            entry = zipfile.ZipInfo(f"{name}.npy", _ZIP_EPOCH)
            entry.create_system = 3  # on every system, that of the others
            with archive.open(entry, "w") as member:
                np.lib.format.write_array(member, np.ascontiguousarray(matrix, "<f8"), (1, 0), allow_pickle=False)
    return buffer.getvalue()


def read_camera_file(data: bytes) -> tuple[F64, F64]:
    """Read a `camera_<serial>.npz`: extrinsic (3, 4), intrinsic (3, 3), float64; nothing in it is executed.

    Raises InputFault of status `undecodable` for what is no such file, or has a matrix that is not of a camera.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            extrinsic, intrinsic = archive["extrinsic"], archive["intrinsic"]
    except (ValueError, KeyError, IndexError, TypeError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as err:
        raise _undecodable(f"it is no npz with extrinsic and intrinsic ({type(err).__name__}: {err})") from err
    return _pose("extrinsic", extrinsic), _intrinsic(intrinsic, "intrinsic")


def _extrinsic(camera: str, pose: object) -> F64:
    return _pose(f"world_2_cam of camera {camera}", pose)


def _pose(what: str, pose: object) -> F64:
    matrix = _matrix(pose, what, ((4, 4), (3, 4)))
    if len(matrix) == 4:
        _check_last_row(matrix, what)
    turn = matrix[:3, :3]
    if not np.allclose(turn @ turn.T, np.eye(3), atol=_ROTATION_TOLERANCE) or np.linalg.det(turn) < 0:
        raise _undecodable(f"{what}: its first three columns are no rotation")
    return matrix[:3].copy()


def _intrinsics(cameras: tuple[str, ...], values: object) -> dict[str, F64]:
    if not isinstance(values, dict):
        shared = _intrinsic(values, "intrinsics")
        return dict.fromkeys(cameras, shared)
    absent = [camera for camera in cameras if camera not in values]
    if absent:
        raise _undecodable(f'"intrinsics" has no camera {", ".join(absent)}, which "world_2_cam" has')
    return {camera: _intrinsic(values[camera], f"intrinsics of camera {camera}") for camera in cameras}


def _intrinsic(values: object, what: str) -> F64:
    matrix = _matrix(values, what, ((3, 3),))
    _check_last_row(matrix, what)
    if matrix[0, 0] <= 0 or matrix[1, 1] <= 0:
        raise _undecodable(f"{what}: the focal lengths are {matrix[0, 0]:g} and {matrix[1, 1]:g}, not positive")
    return matrix


def _matrix(values: object, what: str, shapes: tuple[tuple[int, int], ...]) -> F64:
    """Return nested or flat lists as a float64 matrix of the first of `shapes` that they fit."""
    wanted = " or ".join(f"{rows}x{columns}" for rows, columns in shapes)
    try:
        found = np.array(values)
    except ValueError as err:
        raise _undecodable(f"{what}: {wanted} numbers were expected; found rows of unequal length") from err
    if found.dtype.kind not in "iuf" or any(isinstance(value, bool) for value in _flat(values)):
        raise _undecodable(f"{what}: {wanted} numbers were expected; found something that is no number")
    for shape in shapes:
        if found.shape in (shape, (shape[0] * shape[1],)):
            if not np.isfinite(found).all():
                raise _undecodable(f"{what}: a number is not finite")
            return found.astype(np.float64).reshape(shape)
    raise _undecodable(f"{what}: {wanted} numbers were expected; found {'x'.join(map(str, found.shape)) or 'one'}")


def _flat(values: object) -> Iterator[object]:
    """Yield what nested lists hold: numpy takes a truth value for a number."""
    if isinstance(values, list):
        for value in values:
            yield from _flat(value)
    else:
        yield values


def _check_last_row(matrix: F64, what: str) -> None:
    if not np.allclose(matrix[-1], np.eye(len(matrix))[-1], atol=1e-6):
        raise _undecodable(f"{what}: the last row is {matrix[-1].tolist()}, not 0 ... 0 1")


def _undecodable(reason: str) -> InputFault:
    return InputFault("undecodable", f"the calibration cannot be read: {reason}")
