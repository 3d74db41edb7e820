"""Single hairs of a synthetic person: grown once on the head, then drawn for a camera before and behind the body."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from matting_tasks.synth_body import SCALP_CENTRE, Look, Pose, hairline
from matting_tasks.synth_cameras import Camera
from matting_tasks.synth_trace import Surface

F32 = NDArray[np.float32]

_N_ROOTS = 2300  # over a whole ball; about half lie where hair grows
_N_JOINTS = 14
_LENGTH_M = {"short": (0.018, 0.042), "bun": (0.05, 0.11), "bob": (0.16, 0.23), "long": (0.2, 0.31)}
_FALL = {"short": 0.0, "bun": 0.0, "bob": 0.6, "long": 0.6}  # how soon hair turns downwards
_FLYAWAY_SHARE = 0.09
_TONES = (0.55, 0.8, 1.05, 1.35, 1.8)
_OPACITIES = (0.2, 0.4, 0.6, 0.8, 0.95)  # tip to root; drawn in this order, so roots cover tips
_SHIFT = 4  # fractional bits of the coordinates that cv2 draws
_CLEARANCE_M = 0.004


@dataclass(frozen=True, slots=True)
class Hair:
    """Hairs as lines in the head's coordinates."""

    joints: F32
    """(hairs, joints, 3) metres, root first."""
    tone: F32
    """(hairs,) brightness, 1 is average."""


@dataclass(frozen=True, slots=True)
class Layers:
    """Drawn hairs, (size, size, 4) float32 0..1: RGB times opacity, and opacity."""

    behind: F32
    before: F32


@dataclass(frozen=True, slots=True)
class _Pieces:
    """Straight pieces of hairs, to be drawn on one layer."""

    lines: NDArray[np.int32]
    """(n, 2 ends, 2) column and row in fixed point."""
    tone: NDArray[np.int64]
    """(n,) which of the tones."""
    part: NDArray[np.int64]
    """(n,) which of the opacities."""


def grow(look: Look, rng: np.random.Generator) -> Hair:
    """Grow hairs from the scalp: combed, falling, kept off scalp and face, a few of them flying away."""
    roots = _roots(look, rng)
    n_hairs = len(roots)
    outwards = roots - np.array(SCALP_CENTRE)
    outwards /= np.linalg.norm(outwards, axis=1, keepdims=True)
    flyaway = rng.random(n_hairs) < _FLYAWAY_SHARE
    wildness = np.where(flyaway, 0.2, 0.045)[:, None]
    lift = np.where(flyaway, rng.uniform(0.04, 0.2, n_hairs), rng.uniform(-0.01, 0.04, n_hairs))
    heading = _comb(roots, outwards, look) + outwards * np.where(flyaway, 0.7, 0.15)[:, None]
    heading += rng.normal(0, 0.16, (n_hairs, 3))
    step = rng.uniform(*_LENGTH_M[look.hair_style], n_hairs)[:, None] * np.where(flyaway, 0.8, 1.0)[:, None]
    step /= _N_JOINTS - 1
    drift = rng.normal(0, 1, (n_hairs, 3)) * wildness + (0, -_FALL[look.hair_style], 0)
    joints = [roots]
    for _ in range(_N_JOINTS - 1):
        heading /= np.linalg.norm(heading, axis=1, keepdims=True)
        joints.append(_keep_off(joints[-1] + step * heading, lift, look))
        heading = (joints[-1] - joints[-2]) / step + drift + rng.normal(0, 0.3, (n_hairs, 3)) * wildness
    tone = rng.normal(1, 0.22, n_hairs) * np.where(flyaway, 1.1, 1.0)
    return Hair(np.stack(joints, axis=1).astype(np.float32), tone.astype(np.float32))


def draw(hair: Hair, look: Look, pose: Pose, camera: Camera, surface: Surface) -> Layers:
    """Draw hairs as a camera sees them, split at the depth of the body."""
    size_px = camera.size_px
    world = hair.joints @ pose.head[:, :3].T + pose.head[:, 3]
    seen = camera.project(world)
    middle = (seen[:, 1:] + seen[:, :-1]) / 2
    column, row = (np.clip(np.rint(middle[..., k]), 0, size_px - 1).astype(int) for k in (0, 1))
    before = middle[..., 2] < surface.depth[row, column] + _CLEARANCE_M
    tone = _tones(hair, world)
    zoom = 2 if size_px <= 1024 else 1
    ends = np.stack([seen[:, :-1, :2], seen[:, 1:, :2]], axis=2)  # (hairs, joints - 1, 2 ends, 2)
    lines = np.rint(((ends + 0.5) * zoom - 0.5) * (1 << _SHIFT)).astype(np.int32)
    part = np.broadcast_to(np.linspace(len(_OPACITIES) - 0.6, 0, _N_JOINTS - 1).astype(int), tone.shape)
    layers = (_Pieces(lines[some], tone[some], part[some]) for some in (~before, before))
    return Layers(*(_draw_pieces(pieces, look, size_px, zoom) for pieces in layers))


def _comb(roots: NDArray[np.float64], outwards: NDArray[np.float64], look: Look) -> NDArray[np.float64]:
    """Choose where each hair heads along the scalp, (hairs, 3) unit vectors."""
    if look.hair_style == "bun":
        comb = np.array([0, 0.13, -0.085]) - roots
    elif look.hair_style == "short":
        comb = np.array([0.35, 0.1, 0.2]) - 7 * roots
    else:  # parted a little to one side
        comb = np.where(roots[:, :1] > 0.012, [0.75, -0.35, -0.55], [-0.75, -0.35, -0.55])
    comb = comb - np.sum(comb * outwards, axis=1, keepdims=True) * outwards
    return np.asarray(comb / (np.linalg.norm(comb, axis=1, keepdims=True) + 1e-9))


def _roots(look: Look, rng: np.random.Generator) -> NDArray[np.float64]:
    """Spread roots evenly over the scalp: (hairs, 3) metres."""
    count = np.arange(_N_ROOTS) + rng.uniform(0, 1, _N_ROOTS)
    up = 1 - 2 * (count + 0.5) / (_N_ROOTS + 1)
    around = count * np.pi * (3 - np.sqrt(5))
    ring = np.sqrt(np.maximum(1 - up * up, 0))
    ball = np.stack([ring * np.cos(around), up, ring * np.sin(around)], axis=1)
    roots = ball * _scalp_radii(look) * 0.97 + SCALP_CENTRE
    x, y, z = np.abs(roots.T) * [[1], [0], [0]] + roots.T * [[0], [1], [1]]
    grows: NDArray[np.bool_] = (hairline(x / look.head_width, y, z) < -0.003) & (y > -0.045)
    return roots[grows]


def _scalp_radii(look: Look) -> NDArray[np.float64]:
    thick = 0.0 if look.hair_style in ("short", "bun") else 0.004
    return np.array([(0.081 + thick) * look.head_width, 0.092 + thick, 0.097 + thick])


def _keep_off(joints: NDArray[np.float64], lift: NDArray[np.float64], look: Look) -> NDArray[np.float64]:
    """Push joints out of scalp, face and neck."""
    radii = _scalp_radii(look) * (1 + lift[:, None])
    from_centre = (joints - SCALP_CENTRE) / radii
    joints = SCALP_CENTRE + from_centre / np.minimum(np.linalg.norm(from_centre, axis=1, keepdims=True), 1) * radii
    x, y, z = joints.T
    front = np.minimum(hairline(np.abs(x), np.maximum(y, -0.02), z), z)
    z = z - np.maximum(front, 0)
    neck = np.maximum(0.062 / np.maximum(np.hypot(x, z - 0.02), 1e-3), 1)  # below the jaw hair falls around the neck
    x, z = np.where(y < -0.06, x * neck, x), np.where(y < -0.06, (z - 0.02) * neck + 0.02, z)
    return np.stack([x, y, z], axis=1)


def _tones(hair: Hair, world: NDArray[np.floating]) -> NDArray[np.int64]:
    """Choose a tone for each piece: bright where it lies across the light (after Kajiya and Kay 1989)."""
    along = np.diff(world, axis=1)
    along = along / (np.linalg.norm(along, axis=2, keepdims=True) + 1e-9)
    across = np.sqrt(np.maximum(1 - (along @ (-0.5, 0.62, 0.6)) ** 2, 0))
    tone = hair.tone[:, None] * (0.55 + 0.4 * across + 0.45 * across**12)
    return np.asarray(np.abs(tone[..., None] - np.array(_TONES)).argmin(-1))


def _draw_pieces(pieces: _Pieces, look: Look, size_px: int, zoom: int) -> F32:
    canvas = np.zeros((size_px * zoom, size_px * zoom, 4), np.uint8)
    for k, opacity in enumerate(_OPACITIES):
        for t, brightness in enumerate(_TONES):
            lines = pieces.lines[(pieces.part == k) & (pieces.tone == t)]
            colour = [min(channel * brightness + 0.01, 1) * opacity * 255 for channel in look.hair]
            if len(lines):
                cv2.polylines(canvas, list(lines), False, [*colour, opacity * 255], 1, cv2.LINE_AA, _SHIFT)
    small = cv2.resize(canvas, (size_px, size_px), interpolation=cv2.INTER_AREA)
    return np.asarray(small.astype(np.float32) * np.float32(1 / 255))
