"""The rig of a synthetic capture: serials, calibration, and the part of each picture that the sensor sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ANGLES_DEG: dict[str, tuple[float, float]] = {
    "220700191": (-58.0, 4.0),
    "221501007": (-50.0, 24.0),
    "222200036": (-9.0, -14.0),
    "222200037": (0.0, 0.0),
    "222200038": (8.0, 22.0),
    "222200039": (17.0, -3.0),
    "222200040": (-17.0, 3.0),
    "222200041": (25.0, -16.0),
    "222200042": (-27.0, 21.0),
    "222200043": (33.0, 12.0),
    "222200044": (-34.0, -10.0),
    "222200045": (41.0, -5.0),
    "222200046": (-43.0, 6.0),
    "222200047": (50.0, 23.0),
    "222200048": (-52.0, -13.0),
    "222200049": (59.0, 2.0),
}
"""Azimuth and elevation of each camera around the head, in the order of the published serials."""

CAMERAS: tuple[str, ...] = tuple(ANGLES_DEG)
FRONT_CAMERA = "222200037"

_DISTANCE_M = 1.1
_SPAN_M = 0.56  # height of the picture at the subject
_TARGET_M = (0.0, -0.07, -0.01)
_SENSOR_COLUMNS = (200 / 2600, 2400 / 2600)  # fractions of the width, as in geometry.py; outside lie black pads


@dataclass(frozen=True, slots=True)
class Camera:
    """A calibrated pinhole: world (metres, y up, z to the front camera) -> pixels of a size x size picture."""

    serial: str
    size_px: int
    extrinsic: NDArray[np.float64]
    """(3, 4) world to camera, OpenCV axes (x right, y down, z forward)."""
    intrinsic: NDArray[np.float64]
    """(3, 3); whole numbers are pixel centres."""

    def project(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Project points: (..., 3) world metres -> (..., 3) as column, row (pixels) and depth (metres)."""
        in_camera = points @ self.extrinsic[:, :3].T + self.extrinsic[:, 3]
        in_picture = in_camera @ self.intrinsic.T
        depth = in_picture[..., 2:]
        return np.concatenate([in_picture[..., :2] / depth, depth], axis=-1)


def make_camera(serial: str, size_px: int) -> Camera:
    """Place a camera of the rig, looking at the subject."""
    azimuth, elevation = np.radians(ANGLES_DEG[serial])
    target = np.array(_TARGET_M)
    outwards = np.array([np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)])
    forward = -outwards
    right = np.cross(forward, [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward])
    centre = target + _DISTANCE_M * outwards
    focal = _DISTANCE_M / _SPAN_M * size_px
    middle = (size_px - 1) / 2
    intrinsic = np.array([[focal, 0.0, middle], [0.0, focal, middle], [0.0, 0.0, 1.0]])
    return Camera(serial, size_px, np.concatenate([rotation, -rotation @ centre[:, None]], axis=1), intrinsic)


def choose_cameras(n_cameras: int) -> tuple[str, ...]:
    """Choose the first cameras in published order, the front one always among them."""
    chosen = CAMERAS[:n_cameras]
    return chosen if FRONT_CAMERA in chosen else (*chosen[:-1], FRONT_CAMERA)


def visible_mask(size_px: int) -> NDArray[np.uint8]:
    """Mark what the sensor sees: (size, size) uint8, 255 inside and 0 in the black pads left and right."""
    column = np.arange(size_px) + 0.5
    inside = (column >= _SENSOR_COLUMNS[0] * size_px) & (column <= _SENSOR_COLUMNS[1] * size_px)
    return np.repeat(np.where(inside, 255, 0).astype(np.uint8)[None], size_px, axis=0)
