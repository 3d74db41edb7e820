"""Geometry: what is done to a picture between the capture and the network, and to its intrinsics along with it.

A geometry cuts a window out of the source picture, black where the window reaches past the sensor, and shrinks it to
the target size. Coordinates have their origin at the outer corner of the first pixel, so the first pixel's centre is
(0.5, 0.5) and a window's edge is a whole number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from manifests.errors import InputFault

RIG_WIDTH, RIG_HEIGHT = 2200, 3208
"""The pictures of the NeRSemble rig."""

GHA_LEFT, GHA_TOP, GHA_SIDE = -200, 304, 2600
GHA_TARGET = 2048
"""Gaussian-Head-Avatar's window in a picture of the rig (`left_up` and crop of its preprocessing), and its target."""

VISIBLE_FROM = 128
"""A pixel of at least this coverage (0..255), which is half, is visible."""


class Size(NamedTuple):
    """A size in pixels."""

    width: int
    height: int


class Window(NamedTuple):
    """A rectangle in pixels of the source; it may reach past the source."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Geometry:
    """The window that is cut out of a picture of the size `source`, and the size `target` that it is resized to."""

    name: str
    source: Size
    window: Window
    target: Size

    @property
    def pads(self) -> bool:
        """Say whether the window reaches past the source, so that the target has black pads."""
        return self._clipped() != self.window

    def _clipped(self) -> Window:
        """Return the part of the window that lies inside the source."""
        left, top = max(self.window.left, 0), max(self.window.top, 0)
        right = min(self.window.left + self.window.width, self.source.width)
        bottom = min(self.window.top + self.window.height, self.source.height)
        return Window(left, top, right - left, bottom - top)


def geometry_of(name: str, width: int, height: int) -> Geometry:
    """Return the geometry `name` for pictures of width x height pixels.

    native: nothing is done. half: averages of 2x2 pixels; the last column of an odd width and the last row of an odd
    height are left out. gha: the window of Gaussian-Head-Avatar, 2600x2600 at (-200, 304) of 2200x3208 shrunk to
    2048x2048, and all five numbers scaled for other sizes of that aspect; where that gives fractions, they are rounded
    (halves up), and everything else follows exactly from the rounded numbers.

    Raises ValueError for an unknown name, and InputFault of status `undecodable` for a size that the geometry cannot
    take: for gha another aspect (a side may be less than one pixel off, as encoders round), for half less than 2x2.
    """
    if name not in _BUILDERS:
        raise ValueError(f"the geometry must be one of {', '.join(NAMES)}; found {name!r}")
    geometry = _BUILDERS[name](Size(width, height))
    if min(geometry.target) < 1:
        raise InputFault("undecodable", f"the picture has {width}x{height} pixels, too few for the geometry {name}")
    return geometry


def apply(geometry: Geometry, pixels: np.ndarray) -> np.ndarray:
    """Bring a picture, (H, W, 3) or (H, W) uint8, through the geometry: contiguous, (target height, target width, ...).

    Each target pixel is the average over its area of the window, each source pixel counting by the area it shares, and
    past the sensor the window is black. So a target pixel on a pad's border is the proper mixture of picture and black.
    Where nothing is to do, the picture itself is returned.
    Raises InputFault of status `undecodable` for a picture of another size than the geometry was made for.
    """
    found = Size(pixels.shape[1], pixels.shape[0])
    if found != geometry.source:
        raise InputFault(
            "undecodable",
            f"the picture has {found.width}x{found.height} pixels; "
            f"{geometry.source.width}x{geometry.source.height} were expected",
        )
    # The pads are added before shrinking: a canvas that the shrunk sensor is put into has no fractional columns.
    cut = _cut(geometry, pixels)
    if cut.shape[1::-1] != geometry.target:
        cut = cv2.resize(cut, geometry.target, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(cut)


@lru_cache(maxsize=32)
def visible(geometry: Geometry) -> NDArray[np.uint8]:
    """Return how much of each target pixel the sensor covers: (h, w) uint8, 255 inside, 0 in the pads; read-only.

    The share of the area is rounded to the nearest of 256 steps, halves up, so `visible_pixels` are those with at
    least half of their area (255 / 2 -> 128) on the sensor.
    """
    window, source, target = geometry.window, geometry.source, geometry.target
    columns = _covered(window.left, window.width, source.width, target.width)
    rows = _covered(window.top, window.height, source.height, target.height)
    area = window.width * window.height
    coverage: NDArray[np.uint8] = ((rows[:, None] * columns * 510 + area) // (2 * area)).astype(np.uint8)
    coverage.setflags(write=False)
    return coverage


def visible_pixels(geometry: Geometry) -> NDArray[np.bool_]:
    """Return (h, w) bool, True where at least half of the target pixel is on the sensor."""
    pixels: NDArray[np.bool_] = visible(geometry) >= VISIBLE_FROM
    return pixels


def adapt_intrinsics(geometry: Geometry, intrinsics: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the intrinsics (3, 3) float64 of the target picture, given those of the source picture.

    Both in pixels from the outer corner of the first pixel, so the move is exact, and Gaussian-Head-Avatar's:
    x' = (x - left) * target width / window width, and y likewise. (With the origin in a pixel's centre, x' would
    differ by half of 1 - scale: 0.11 px for gha.)
    """
    window, target = geometry.window, geometry.target
    x_scale, y_scale = target.width / window.width, target.height / window.height
    move = np.array([[x_scale, 0, -window.left * x_scale], [0, y_scale, -window.top * y_scale], [0, 0, 1.0]])
    moved: NDArray[np.float64] = move @ np.asarray(intrinsics, np.float64)
    return moved


def is_rig_aspect(size: Size) -> bool:
    """Say whether 2200x3208, scaled, is less than a pixel off `size` in width and in height."""
    # A scale s with |s 2200 - width| < 1 and |s 3208 - height| < 1, in whole numbers.
    return abs(size.width * RIG_HEIGHT - size.height * RIG_WIDTH) < RIG_WIDTH + RIG_HEIGHT


def _native(source: Size) -> Geometry:
    return Geometry("native", source, Window(0, 0, *source), source)


def _half(source: Size) -> Geometry:
    target = Size(source.width // 2, source.height // 2)
    return Geometry("half", source, Window(0, 0, 2 * target.width, 2 * target.height), target)


def _gha(source: Size) -> Geometry:
    if not is_rig_aspect(source):
        raise InputFault(
            "undecodable",
            f"the picture has {source.width}x{source.height} pixels; "
            f"the geometry gha wants {RIG_WIDTH}x{RIG_HEIGHT}, or that scaled",
        )

    def scaled(length: int) -> int:
        return (2 * length * source.width + RIG_WIDTH) // (2 * RIG_WIDTH)

    side, target = scaled(GHA_SIDE), scaled(GHA_TARGET)
    return Geometry("gha", source, Window(scaled(GHA_LEFT), scaled(GHA_TOP), side, side), Size(target, target))


_BUILDERS: dict[str, Callable[[Size], Geometry]] = {"native": _native, "half": _half, "gha": _gha}

NAMES = tuple(_BUILDERS)


def _cut(geometry: Geometry, pixels: np.ndarray) -> np.ndarray:
    """Cut the window out: a view where it lies inside the source, the picture itself where it is all of it."""
    window, inside = geometry.window, geometry._clipped()
    if window == (0, 0, *geometry.source):
        return pixels
    part = pixels[inside.top : inside.top + inside.height, inside.left : inside.left + inside.width]
    if inside == window:
        return part
    above, before = inside.top - window.top, inside.left - window.left
    below, after = window.height - inside.height - above, window.width - inside.width - before
    padded: np.ndarray = cv2.copyMakeBorder(part, above, below, before, after, cv2.BORDER_CONSTANT, value=0)
    return padded


def _covered(start: int, length: int, n_source: int, n_target: int) -> NDArray[np.int64]:
    """Return (n_target,) int64: how much of each target pixel is on the source, in parts of 1 / length, exactly."""
    edges = start * n_target + np.arange(n_target + 1, dtype=np.int64) * length
    covered: NDArray[np.int64] = np.diff(edges.clip(0, n_source * n_target))
    return covered
