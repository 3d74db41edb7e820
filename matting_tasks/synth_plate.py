"""The empty set that a camera of a synthetic capture sees: a studio wall with panels, stands and lamps."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_WALLS = (
    (0.50, 0.52, 0.55),
    (0.58, 0.55, 0.50),
    (0.42, 0.47, 0.52),
    (0.55, 0.57, 0.53),
    (0.47, 0.44, 0.46),
    (0.63, 0.63, 0.62),
)  # RGB 0..1
_SHIFT = 6  # fractional bits of the coordinates that cv2 draws


def render_scene(size_px: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Render a set without sensor noise: (size, size, 3) float32, RGB 0..1."""
    scene = _wall(size_px, rng)
    for _ in range(int(rng.integers(3, 6))):
        _add_panel(scene, rng)
    for _ in range(int(rng.integers(1, 4))):
        _add_stand(scene, rng)
    if rng.random() < 0.6:
        _add_lamp(scene, rng)
    scene = cv2.GaussianBlur(scene, (0, 0), max(size_px / 340, 0.3))
    scene += 0.035 * _texture(size_px, 9, rng)[..., None] + 0.009 * _texture(size_px, size_px // 6, rng)[..., None]
    scene += 0.012 * _texture(size_px, size_px // 2, rng)[..., None]
    scene *= _vignette(size_px)[..., None]
    return np.asarray(np.clip(scene, 0.02, 0.98), np.float32)


def _wall(size_px: int, rng: np.random.Generator) -> NDArray[np.float32]:
    colour = np.array(_WALLS[int(rng.integers(len(_WALLS)))]) * rng.uniform(0.8, 1.15) + rng.normal(0, 0.02, 3)
    y, x = np.mgrid[0:size_px, 0:size_px].astype(np.float32) / size_px
    slope = rng.uniform(-0.35, 0.35, 2)
    light = 1 + slope[0] * (x - 0.5) - abs(slope[1]) * (y - 0.5)
    return np.asarray(light[..., None] * colour, np.float32)


def _add_panel(scene: NDArray[np.float32], rng: np.random.Generator) -> None:
    """Paint an acoustic panel, lighter or darker than the wall, with a frame and ribs, seen at a slant."""
    left, top = rng.uniform(-0.15, 0.8, 2)
    width, height = rng.uniform(0.14, 0.38), rng.uniform(0.3, 0.8)
    slant = rng.uniform(-0.05, 0.05, 4)
    tone = float(rng.choice([0.09, 0.16, 0.3, 0.68, 0.78])) * rng.uniform(0.85, 1.15)
    colour = np.clip(tone * (1 + rng.normal(0, 0.03, 3)), 0.03, 0.92)
    across = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * (width, height)
    corners = across + (left, top) + np.stack([slant, slant[::-1] * 0.5], axis=1)
    _fill(scene, corners + (0.008, 0.01), colour * 0.45)
    _fill(scene, corners, colour)
    n_ribs = int(rng.integers(0, 7))
    for share in (np.arange(n_ribs) + 0.5) / max(n_ribs, 1):
        ends = corners[[0, 3]] * (1 - share) + corners[[1, 2]] * share
        _line(scene, ends, colour * 0.72, 0.006)
    _line(scene, corners[[0, 1, 2, 3, 0]], np.clip(colour * 0.6 + 0.02, 0, 1), 0.005)


def _add_stand(scene: NDArray[np.float32], rng: np.random.Generator) -> None:
    """Paint a light stand, or a cable that hangs from the ceiling."""
    x, lean = rng.uniform(0.05, 0.95), rng.uniform(-0.04, 0.04)
    tone = np.full(3, rng.choice([0.06, 0.12, 0.75]))
    if rng.random() < 0.5:
        _line(scene, np.array([[x, 0.1], [x + lean, 1.1]]), tone, 0.011)
        _line(scene, np.array([[x - 0.07, 1.02], [x + lean * 0.8, 0.78], [x + 0.09, 1.02]]), tone * 0.8, 0.008)
        return
    t = np.linspace(0, 1, 24)
    hang = np.stack([x + 0.25 * (t - 0.5), -0.05 + rng.uniform(0.3, 0.9) * 4 * t * (1 - t)], axis=1)
    _line(scene, hang, tone, 0.005)


def _add_lamp(scene: NDArray[np.float32], rng: np.random.Generator) -> None:
    """Paint a softbox with its glow on the wall."""
    size_px = len(scene)
    x, y = rng.uniform(0.05, 0.95), rng.uniform(0.0, 0.35)
    rows, columns = np.mgrid[0:size_px, 0:size_px].astype(np.float32) / size_px
    scene += (0.22 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 0.05))[..., None].astype(np.float32)
    half = np.array([rng.uniform(0.04, 0.08), rng.uniform(0.03, 0.07)])
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half + (x, y)
    _fill(scene, corners, np.array([0.95, 0.94, 0.9]))
    _line(scene, corners[[0, 1, 2, 3, 0]], np.full(3, 0.3), 0.004)


def _texture(size_px: int, n_cells: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Smooth noise of about n_cells bumps across: (size, size) float32, standard deviation about 0.7."""
    n_cells = max(n_cells, 2)
    coarse = rng.standard_normal((n_cells, n_cells), dtype=np.float32)
    return np.asarray(cv2.resize(coarse, (size_px, size_px), interpolation=cv2.INTER_CUBIC), np.float32)


def _vignette(size_px: int) -> NDArray[np.float32]:
    offset = np.linspace(-1, 1, size_px, dtype=np.float32) ** 2
    return 1 - 0.07 * (offset[:, None] + offset[None])


def _fixed_point(points: NDArray[np.float64], size_px: int) -> NDArray[np.int32]:
    return np.rint(points * size_px * (1 << _SHIFT)).astype(np.int32)


def _fill(scene: NDArray[np.float32], corners: NDArray[np.float64], colour: NDArray[np.float64]) -> None:
    cv2.fillConvexPoly(scene, _fixed_point(corners, len(scene)), colour.tolist(), cv2.LINE_8, _SHIFT)


def _line(scene: NDArray[np.float32], points: NDArray[np.float64], colour: NDArray[np.float64], width: float) -> None:
    thickness = max(round(width * len(scene)), 1)
    line = _fixed_point(points, len(scene))
    cv2.polylines(scene, [line], False, colour.tolist(), thickness, cv2.LINE_8, _SHIFT)
