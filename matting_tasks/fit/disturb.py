"""Disturbances: what a camera, a codec and time do to a frame and to its plate, drawn as numbers for one example.

The ranges follow Lin et al. 2020 (arXiv 2012.07810): brightness, shift and rotation of the plate, noise,
shadows. One example in four goes beyond them, since plates of real sets do.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]

SHADOW_SIDE = 16  # px of the small map that a shadow is enlarged from
BEYOND = 0.25  # share of examples that go beyond the published ranges
CLEAN = 0.08  # share whose plate is exact
MOST_GAIN = 0.18  # published: by how much a plate is brighter or darker


@dataclass(frozen=True, slots=True, eq=False)
class Disturbance:
    """Hold the numbers of one example, or of N examples stacked: every array then has N rows.

    plate_affine: (2, 3), maps places of the plate to places of the background, both -1..1. plate_gain, plate_offset:
    (3,). shadow: (16, 16), factors 0..1 of what lies behind the person. look: (3, 4), the camera's colour matrix and
    offset, frame and plate alike. relight: (3, 4), the same of the person alone. blur: (2,) sigma in pixels of frame
    and plate. noise: (2,) sigma of frame and plate, 0..1. quality: (2,) of the compression of frame and
    plate, 1..100, and 0 for none; is_video: (1,) whether it is that of a video. gamma: (1,).
    """

    plate_affine: F32
    plate_gain: F32
    plate_offset: F32
    shadow: F32
    look: F32
    relight: F32
    blur: F32
    noise: F32
    quality: F32
    is_video: F32
    gamma: F32


def draw(rng: np.random.Generator, beyond_share: float = BEYOND, strength: float = 1.0) -> Disturbance:
    """Draw the numbers of one example.

    strength: times the published ranges. beyond_share: 0..1, how often they are doubled.
    """
    far = strength * (2.0 if rng.random() < beyond_share else 1.0)
    exact = rng.random() < CLEAN
    spread = 0.0 if exact else far
    return Disturbance(
        plate_affine=_affine(rng, spread),
        plate_gain=_f32(np.clip(_gain(rng, spread), 1 - MOST_GAIN * far, 1 + MOST_GAIN * far)),
        plate_offset=_f32(_triangle(rng, 0.025 * spread, 3)),
        shadow=_shadow(rng, 0.3 * far),
        look=_colour(rng, 0.06),
        relight=_colour(rng, 0.18),
        blur=_f32([_maybe(rng, 0.35, 0.9), _maybe(rng, 0.3 * bool(spread), 1.4 * far)]),
        noise=_f32([_maybe(rng, 0.7, 0.03 * far), _maybe(rng, 0.7 * bool(spread), 0.03 * far)]),
        quality=_f32([_quality(rng), 0 if exact else _quality(rng)]),
        is_video=_f32([rng.random() < 0.3]),
        gamma=_f32([np.exp(_triangle(rng, 0.3))]),
    )


def stack(drawn: list[Disturbance]) -> Disturbance:
    """Stack the numbers of N examples."""
    return Disturbance(*(np.stack([getattr(one, field.name) for one in drawn]) for field in fields(Disturbance)))


def _gain(rng: np.random.Generator, spread: float) -> NDArray[np.float64]:
    """Draw the plate's gain of each channel: mostly the same brightness, a little colour."""
    return np.exp(_triangle(rng, 0.16 * spread) + _triangle(rng, 0.05 * spread, 3))


def _affine(rng: np.random.Generator, spread: float) -> F32:
    """Draw shift within 1 % of the side, rotation within a degree, scale within 0.5 %; half of the plates lie still."""
    if rng.random() < 0.4:
        spread = 0.0
    angle = np.deg2rad(rng.uniform(-1, 1) * spread)
    scale = 1 + _triangle(rng, 0.005 * spread)
    # places run from -1 to 1: a share of the side is twice as much
    shift = 2 * _triangle(rng, 0.01 * spread, 2)
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    return _f32([[cos, -sin, shift[0]], [sin, cos, shift[1]]])


def _shadow(rng: np.random.Generator, depth: float) -> F32:
    """Draw a soft field of shadow; two in five examples have none."""
    field = np.ones((SHADOW_SIDE, SHADOW_SIDE))
    if rng.random() < 0.4:
        return _f32(field)
    y, x = np.mgrid[0:1:16j, 0:1:16j]
    for _ in range(rng.integers(1, 4)):
        centre, radius = rng.uniform(-0.1, 1.1, 2), rng.uniform(0.08, 0.6, 2)
        hardness = rng.uniform(1, 6)
        distance = np.hypot((x - centre[0]) / radius[0], (y - centre[1]) / radius[1])
        field *= 1 - rng.uniform(0, depth) / (1 + np.exp(np.clip(hardness * 2 * (distance - 1), -30, 30)))
    return _f32(field)


def _colour(rng: np.random.Generator, strength: float) -> F32:
    """Draw a colour matrix with offset: saturation, white balance, a little crosstalk, contrast."""
    gray = np.full((3, 3), 1 / 3)
    saturation = np.exp(_triangle(rng, 2 * strength))
    matrix = saturation * np.eye(3) + (1 - saturation) * gray
    matrix = np.diag(np.exp(_triangle(rng, strength) + _triangle(rng, 0.6 * strength, 3))) @ matrix
    matrix += _triangle(rng, 0.15 * strength, (3, 3))
    offset = _triangle(rng, 0.3 * strength, 3)
    return _f32(np.concatenate([matrix, offset[:, None]], axis=1))


def _quality(rng: np.random.Generator) -> float:
    return float(rng.uniform(25, 97)) if rng.random() < 0.55 else 0.0


def _maybe(rng: np.random.Generator, share: float, most: float) -> float:
    value = rng.uniform(0, most)
    return float(value) if rng.random() < share else 0.0


def _triangle(rng: np.random.Generator, most: float, size: int | tuple[int, ...] | None = None) -> NDArray[np.float64]:
    """Draw within +-most, small values more often."""
    return np.asarray(most * (rng.uniform(-1, 1, size) + rng.uniform(-1, 1, size)) / 2)


def _f32(values: object) -> F32:
    return np.asarray(values, np.float32)
