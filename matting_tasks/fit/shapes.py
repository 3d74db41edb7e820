"""Outlines of parts of a person, and the coverage of pixels by them."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Box = tuple[int, int, int, int]  # y0, y1, x0, x1 in pixels, y1 and x1 left out

_SHIFT = 4


def lumpy(rng: np.random.Generator, radii: tuple[float, float], lumps: float, power: float = 2.0) -> F64:
    """Make a closed outline (96, 2) around the origin: a superellipse with waves of relative height `lumps`."""
    theta = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    c, s = np.cos(theta), np.sin(theta)
    radius = (np.abs(c) ** power + np.abs(s) ** power) ** (-1 / power)
    for wave in range(2, 7):
        radius = radius * (1 + lumps * rng.normal() / wave * np.cos(wave * theta + rng.uniform(0, 6.3)))
    return np.stack([c * radius * radii[0], s * radius * radii[1]], 1)


def spline(points: F64, closed: bool = True, per: int = 6) -> F64:
    """Run a Catmull-Rom curve through points (N, 2), with `per` samples a piece."""
    if closed:
        padded = np.concatenate([points[-1:], points, points[:2]])
    else:
        padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    a, b, c, d = padded[:-3], padded[1:-2], padded[2:-1], padded[3:]
    t = (np.arange(per) / per)[None, :, None]
    a, b, c, d = a[:, None], b[:, None], c[:, None], d[:, None]
    curve = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    flat: F64 = curve.reshape(-1, 2)
    return flat if closed else np.concatenate([flat, points[-1:]])


def limb(points: F64, widths: Sequence[float]) -> F64:
    """Make the closed outline of a bent limb along points (N, 2) with half-widths (N,), round at both ends."""
    line = spline(points, closed=False)
    half = np.interp(np.linspace(0, 1, len(line)), np.linspace(0, 1, len(widths)), np.asarray(widths))[:, None]
    ahead = np.gradient(line, axis=0)
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True) + 1e-9
    side = np.stack([-ahead[:, 1], ahead[:, 0]], 1)
    turn = np.linspace(np.pi / 2, -np.pi / 2, 9)[1:-1, None]
    cap = line[-1] + half[-1] * (np.sin(turn) * side[-1] + np.cos(turn) * ahead[-1])
    start = line[0] - half[0] * (np.sin(turn) * side[0] + np.cos(turn) * ahead[0])
    return np.concatenate([line + side * half, cap, (line - side * half)[::-1], start])


def place(points: F64, origin: F64, unit: float, angle: float = 0.0) -> F64:
    """Bring points (..., 2) of a part's own frame to pixels: turn by `angle` (radians), scale, shift."""
    c, s = np.cos(angle), np.sin(angle)
    turned: F64 = points @ np.array([[c, s], [-s, c]]) * unit + origin
    return turned


def bounds(points: F64, size: tuple[int, int], margin: float = 2.0) -> Box | None:
    """Return the box of pixels around points (N, 2) within a picture (height, width), None where it is empty."""
    low, high = np.floor(points.min(0) - margin), np.ceil(points.max(0) + margin)
    x0, y0 = int(max(low[0], 0)), int(max(low[1], 0))
    x1, y1 = int(min(high[0], size[1])), int(min(high[1], size[0]))
    return (y0, y1, x0, x1) if y1 - y0 > 1 and x1 - x0 > 1 else None


def cover(outlines: Sequence[F64], box: Box) -> F32:
    """Return the share (h, w) 0..1 of each pixel of a box that the union of outlines covers, drawn twice as large."""
    y0, y1, x0, x1 = box
    fine = np.zeros((2 * (y1 - y0), 2 * (x1 - x0)), np.uint8)
    for outline in outlines:
        points = np.round((outline - (x0, y0)) * (2 << _SHIFT)).astype(np.int32)
        cv2.fillPoly(fine, [points], 255, cv2.LINE_AA, _SHIFT)
    mask: F32 = cv2.resize(fine, (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA).astype(np.float32)
    mask /= 255
    return mask
