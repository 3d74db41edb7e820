"""How the parts of a person move from frame to frame, and the blur that this gives."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from matting_tasks.fit.shapes import F32, F64


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Hold a sheet (H, W, 4) that moves as one: `kind` says with what, `pivot` (2,) in pixels about what it turns."""

    sheet: F32
    kind: str  # "body", "head", "hair", "arm", "veil"
    pivot: F64


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """Hold the waves that move a person: for each channel heights, cycles a frame, and phases (channels, 2)."""

    drift: F64  # (2,) pixels a frame
    heights: F64
    rates: F64
    phases: F64
    shutter: float  # share of the time between frames during which light falls in


def any_motion(rng: np.random.Generator, size: tuple[int, int], strength: float) -> Motion:
    """Draw a motion for a picture (height, width); strength 1 is some per cent of its width a frame."""
    speed = strength * max(size) * rng.uniform(0, 0.012)
    heading = rng.uniform(0, 6.28)
    # x, y, body's turn, body's growth, head's x, y, turn, sway of hair, turn of arms, veil
    most = np.array([0.04, 0.02, 0.05, 0.04, 0.02, 0.012, 0.15, 0.15, 0.5, 0.1]) * strength
    heights = rng.uniform(0, 1, (10, 2)) * most[:, None]
    heights[[0, 1, 4, 5]] *= max(size)
    return Motion(
        drift=speed * np.array([np.cos(heading), np.sin(heading) * 0.3]),
        heights=heights,
        rates=rng.uniform(0.01, 0.14, (10, 2)),
        phases=rng.uniform(0, 6.28, (10, 2)),
        shutter=rng.choice([0.0, rng.uniform(0.1, 1.0)]),
    )


def _waves(motion: Motion, time: float) -> F64:
    waves: F64 = (motion.heights * np.sin(6.28 * motion.rates * time + motion.phases)).sum(1)
    return waves


def _turn_about(pivot: F64, angle: float, scale: float, sway: float, shift: F64) -> F64:
    c, s = np.cos(angle) * scale, np.sin(angle) * scale
    linear = np.array([[c, -s], [s, c]]) @ np.array([[1.0, sway], [0.0, 1.0]])
    moved = np.eye(3)
    moved[:2, :2] = linear
    moved[:2, 2] = pivot + shift - linear @ pivot
    return moved


def transform(motion: Motion, part: Part, neck: F64, time: float) -> F64:
    """Return the affine map (2, 3) of a part at a time in frames; `neck` (2,) is where head and body meet."""
    wave = _waves(motion, time)
    body = _turn_about(neck + (0, 200), wave[2] * 0.5, 1 + wave[3], 0.0, motion.drift * time + wave[:2])
    own = np.eye(3)
    if part.kind in ("head", "hair"):
        own = _turn_about(neck, wave[6], 1.0, 0.0, wave[4:6])
    if part.kind == "hair":
        own = own @ _turn_about(part.pivot, 0.0, 1.0, wave[7], np.zeros(2))
    if part.kind == "arm":
        own = _turn_about(part.pivot, wave[8], 1.0, 0.0, np.zeros(2))
    if part.kind == "veil":
        own = _turn_about(part.pivot, wave[9] * 0.3, 1.0, wave[9], np.zeros(2))
    whole: F64 = (body @ own)[:2]
    return whole


def moved(part: Part, motion: Motion, neck: F64, time: float) -> F32:
    """Return the part's sheet at a time in frames, averaged over the time during which light falls in."""
    height, width = part.sheet.shape[:2]
    first, last = (transform(motion, part, neck, time + share * motion.shutter) for share in (0.0, 1.0))
    corners = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1], [*part.pivot, 1]]).T
    path = float(np.abs((last - first) @ corners).max())
    count = int(np.clip(np.ceil(path / 1.5), 1, 12))
    total = np.zeros_like(part.sheet)
    for index in range(count):
        matrix = transform(motion, part, neck, time + motion.shutter * index / count)
        cv2.accumulate(cv2.warpAffine(part.sheet, matrix, (width, height), flags=cv2.INTER_LINEAR), total)
    total /= count
    return total
