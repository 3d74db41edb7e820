"""The solid shape of a synthetic person as distance functions of a head and a torso that move separately.

A distance is negative inside and about true near the surface (ellipsoids after Inigo Quilez, "Distance to an
ellipsoid"). Points are (3, ...) float32 in metres: x to the right of the front picture, y up, z to the front camera.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float32]
Distances = NDArray[np.float32]

SCALP_CENTRE = (0.0, 0.034, -0.014)
NECKLINE_Y = -0.1
_NECK_PIVOT = np.array([0.0, -0.10, -0.03])


@dataclass(frozen=True, slots=True)
class Look:
    """What makes one subject different from another; colours are RGB 0..1."""

    hair_style: str
    skin: tuple[float, float, float]
    hair: tuple[float, float, float]
    iris: tuple[float, float, float]
    shirt: tuple[float, float, float]
    stripe: tuple[float, float, float] | None
    head_width: float
    """1 is average."""
    phase: float
    """Radians; where in the movement the first frame lies."""


@dataclass(frozen=True, slots=True)
class Pose:
    """Where head and torso are: (3, 4) matrices from their own coordinates to the world."""

    head: NDArray[np.float64]
    torso: NDArray[np.float64]


_LOOKS = (
    ("long", (0.80, 0.61, 0.50), (0.23, 0.145, 0.09), (0.25, 0.36, 0.42), (0.17, 0.27, 0.40), None),
    ("short", (0.62, 0.44, 0.33), (0.075, 0.058, 0.05), (0.20, 0.12, 0.07), (0.60, 0.20, 0.16), None),
    ("bob", (0.86, 0.69, 0.59), (0.60, 0.46, 0.28), (0.30, 0.42, 0.30), (0.10, 0.10, 0.115), None),
    ("bun", (0.45, 0.29, 0.20), (0.055, 0.042, 0.04), (0.16, 0.09, 0.05), (0.74, 0.70, 0.62), (0.20, 0.28, 0.46)),
    ("short", (0.83, 0.64, 0.54), (0.36, 0.17, 0.08), (0.28, 0.38, 0.46), (0.24, 0.34, 0.24), (0.78, 0.76, 0.68)),
    ("long", (0.55, 0.38, 0.27), (0.07, 0.055, 0.05), (0.18, 0.10, 0.06), (0.72, 0.55, 0.20), None),
)


def make_look(number: int, rng: np.random.Generator) -> Look:
    """Choose the look of the subject of that number, counted from 0; neighbours look clearly different."""
    style, skin, hair, iris, shirt, stripe = _LOOKS[number % len(_LOOKS)]
    return Look(style, skin, hair, iris, shirt, stripe, float(rng.uniform(0.95, 1.05)), float(rng.uniform(0, 6.28)))


def pose_at(look: Look, frame: int) -> Pose:
    """Place head and torso at a frame; turn and sway are a quarter period apart, so some part always moves."""
    angle = look.phase + 0.75 * frame
    yaw, pitch, roll = np.radians([20 * np.sin(angle), 5 * np.sin(1.7 * angle + 1), 5 * np.cos(angle)])
    sway = np.array([0.016 * np.cos(angle), 0.004 * np.sin(2 * angle), 0.008 * np.sin(angle + 0.5)])
    torso_turn = _rotation(0.25 * yaw, 0.0, 0.3 * roll)
    torso = np.concatenate([torso_turn, sway[:, None]], axis=1)
    turn = _rotation(yaw, pitch, roll)
    pivot = torso_turn @ _NECK_PIVOT + sway
    return Pose(np.concatenate([turn, (pivot - turn @ _NECK_PIVOT)[:, None]], axis=1), torso)


def transform(matrix: NDArray[np.floating], points: Points) -> Points:
    """Apply (3, 3) or (3, 4) to points (3, n); without BLAS, whose rounding may depend on its threads."""
    moved = matrix[:, :1] * points[0] + matrix[:, 1:2] * points[1] + matrix[:, 2:3] * points[2]
    return np.asarray(moved + matrix[:, 3:] if matrix.shape[1] == 4 else moved, np.float32)


def distances(head: Points, torso: Points, look: Look) -> tuple[Distances, Distances, Distances]:
    """Distances to skin, shirt and hair of the same points in the coordinates of head and torso."""
    chest = _chest(torso)
    return _skin(head, torso, chest, look), _shirt(torso, chest), _hair(head, look)


def _skin(head: Points, torso: Points, chest: Distances, look: Look) -> Distances:
    neck = _capsule(torso, (0, -0.06, -0.028), (0, -0.18, -0.042), 0.047)
    return _join(_face(head, look), _join(neck, chest, 0.06), 0.02)


def _face(head: Points, look: Look) -> Distances:
    x, y, z = np.abs(head[0]) / look.head_width, head[1], head[2]
    face = _join(_ellipsoid(x, y, z, (0, 0.03, -0.012), (0.074, 0.086, 0.092)), _jaw(x, y, z), 0.05)
    face = _join(face, _ellipsoid(x, y, z, (0, -0.029, 0.097), (0.0125, 0.012, 0.0135)), 0.018)
    face = _join(face, _ellipsoid(x, y, z, (0, -0.006, 0.083), (0.009, 0.03, 0.0125)), 0.018)
    face = _join(face, _ellipsoid(x, y, z, (0, -0.065, 0.081), (0.023, 0.011, 0.009)), 0.014)
    face = _join(face, _ellipsoid(x, y, z, (0.077, -0.006, -0.008), (0.0075, 0.03, 0.018)), 0.012)
    socket = np.exp(-(((x - 0.031) / 0.017) ** 2) - ((y - 0.008) / 0.012) ** 2)
    return np.asarray(face + 0.0075 * socket * (z > 0), np.float32)


def _shirt(torso: Points, chest: Distances) -> Distances:
    """The chest, a little thicker, without a round neckline."""
    x, y, z = torso
    neckline = 0.088 - np.sqrt(x * x + (y - NECKLINE_Y) ** 2 + (z + 0.012) ** 2)
    return -_join(-(chest - 0.007), -neckline, 0.006)


def _hair(head: Points, look: Look) -> Distances:
    """The mass of the hair, without single strands."""
    x, y, z = np.abs(head[0]) / look.head_width, head[1], head[2]
    thick = 0.0 if look.hair_style in ("short", "bun") else 0.004
    shell = _ellipsoid(x, y, z, SCALP_CENTRE, (0.081 + thick, 0.092 + thick, 0.097 + thick))
    shell = -_join(-shell, -hairline(x, y, z), 0.014)
    if look.hair_style == "bun":
        return _join(shell, _ellipsoid(x, y, z, (0, 0.115, -0.07), (0.036, 0.032, 0.036)), 0.012)
    if look.hair_style == "short":
        return shell
    depth, low = (0.13, -0.045) if look.hair_style == "bob" else (0.185, -0.1)
    fall = _ellipsoid(x, y, z, (0, low, -0.045), (0.099, depth, 0.068))
    fall = -_join(-fall, -(z - 0.012), 0.02)
    fall = -_join(-fall, -(0.058 - np.sqrt(x * x + (z - 0.03) ** 2)), 0.01)  # room for the neck
    return _join(shell, fall, 0.03)


def hairline(x: Points, y: Points, z: Points) -> Distances:
    """Distance to the plane from the forehead down to the ears; positive on the side of the face."""
    return np.asarray(0.768 * (z - 0.07) - 0.64 * (y - 0.072) - 4.7 * x * x)


def _jaw(x: Points, y: Points, z: Points) -> Distances:
    cheeks = _ellipsoid(x, y, z, (0, -0.028, 0.024), (0.059, 0.074, 0.064))
    return _join(cheeks, _ellipsoid(x, y, z, (0, -0.092, 0.06), (0.024, 0.02, 0.02)), 0.035)


def _chest(torso: Points) -> Distances:
    x, y, z = np.abs(torso[0]), torso[1], torso[2]
    side = np.stack([x, y, z])
    shape = _ellipsoid(x, y, z, (0, -0.37, -0.035), (0.152, 0.21, 0.1))
    shape = _join(shape, _capsule(side, (0.03, -0.168, -0.055), (0.135, -0.213, -0.05), 0.036), 0.06)
    return _join(shape, _capsule(side, (0.143, -0.232, -0.05), (0.166, -0.5, -0.03), 0.041), 0.035)


def _ellipsoid(
    x: Points, y: Points, z: Points, centre: tuple[float, float, float], radii: tuple[float, float, float]
) -> Distances:
    px, py, pz = ((v - c) * (1 / r) for v, c, r in zip((x, y, z), centre, radii, strict=True))
    to_centre = np.sqrt(px * px + py * py + pz * pz) + 1e-6
    rx, ry, rz = (1 / r for r in radii)
    slope = np.sqrt((px * rx) ** 2 + (py * ry) ** 2 + (pz * rz) ** 2) + 1e-6
    return np.asarray(to_centre * (to_centre - 1) / slope, np.float32)


def _capsule(
    points: Points, start: tuple[float, float, float], end: tuple[float, float, float], radius: float
) -> Distances:
    axis = [e - s for s, e in zip(start, end, strict=True)]
    px, py, pz = (p - s for p, s in zip(points, start, strict=True))
    along = px * axis[0] + py * axis[1] + pz * axis[2]
    along = np.clip(along * (1 / sum(a * a for a in axis)), 0, 1)
    gap = (px - along * axis[0]) ** 2 + (py - along * axis[1]) ** 2 + (pz - along * axis[2]) ** 2
    return np.asarray(np.sqrt(gap) - radius, np.float32)


def _join(a: Distances, b: Distances, blend_m: float) -> Distances:
    """Union with a rounded seam of about blend_m; of negated distances, the negated intersection."""
    overlap = np.maximum(blend_m - np.abs(a - b), 0)
    return np.asarray(np.minimum(a, b) - overlap * overlap * (0.25 / blend_m), np.float32)


def _rotation(yaw: float, pitch: float, roll: float) -> NDArray[np.float64]:
    cy, sy, cp, sp, cr, sr = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    turn: NDArray[np.float64] = about_y @ about_x @ about_z
    return turn
