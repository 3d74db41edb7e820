"""Colours of a synthetic person: light, skin with a face, cloth, and the mass of the hair."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matting_tasks.synth_body import NECKLINE_Y, Look, transform
from matting_tasks.synth_cameras import Camera
from matting_tasks.synth_trace import Person, Surface

F32 = NDArray[np.float32]

_LIGHTS = (  # towards the light in the world, strength, how far it wraps around (0: matt)
    ((-0.55, 0.55, 0.75), 0.72, 0.25),
    ((0.75, 0.15, 0.6), 0.28, 0.4),
    ((0.2, 0.6, -0.8), 0.2, 0.0),
)
_AMBIENT = 0.2
_EYE = (0.031, 0.008)
_LIP_Y = -0.0655


def shade(surface: Surface, person: Person, camera: Camera) -> F32:
    """Colour the pixels that a surface covers: (size, size, 3) float32, RGB 0..1, 0 elsewhere."""
    covered = surface.coverage > 0
    points, normal = (np.ascontiguousarray(values[covered].T) for values in (surface.points, surface.normal))
    to_world = camera.extrinsic[:, :3].T.astype(np.float32)
    head, torso = transform(person.to_head, points), transform(person.to_torso, points)
    hair, shirt, openness = surface.hair[covered], surface.shirt[covered], surface.openness[covered]
    colour = np.zeros_like(points)
    shirt *= 1 - hair
    for share, paint, place in (
        (1 - hair - shirt, skin_colour, head),
        (shirt, shirt_colour, torso),
        (hair, hair_colour, head),
    ):
        painted = np.flatnonzero(share > 0)
        colour[:, painted] += share[painted] * paint(place[:, painted], person.look)
    light, shine = _light(transform(to_world, normal), transform(to_world, -points / np.linalg.norm(points, axis=0)))
    light *= 0.35 + 0.65 * openness
    colours = np.zeros((*covered.shape, 3), np.float32)
    colours[covered] = np.clip(colour * light + shine * openness * (0.14 - 0.13 * shirt - 0.06 * hair), 0, 1).T
    return colours


def skin_colour(head: F32, look: Look) -> F32:
    """Paint skin with eyes, brows, mouth and nostrils at points (3, n) of the head: (3, n) RGB 0..1."""
    x, y, z = np.abs(head[0]) / look.head_width, head[1], head[2]
    front = _step(z - 0.035, 0.02)
    mottle = 0.018 * np.sin(190 * head[0] + 3 * np.sin(160 * y)) * np.sin(170 * y + 2 * np.sin(210 * head[0]))
    colour = _column(look.skin) * (1 + mottle)
    blush = np.exp(-(((x - 0.042) / 0.018) ** 2) - ((y + 0.028) / 0.016) ** 2)
    blush += 0.25 * np.exp(-((x / 0.013) ** 2) - ((y + 0.03) / 0.012) ** 2)
    colour = colour * (1 - blush * front * _column((0.0, 0.16, 0.15)))
    colour *= 1 - 0.14 * front * np.exp(-(((x - 0.031) / 0.02) ** 2) - ((y - 0.009) / 0.013) ** 2)
    dx = x - _EYE[0]
    brow = 0.0285 + 0.003 * np.cos(dx * 90) + dx * 0.12
    inside_brow = _step(0.0034 - np.abs(y - brow) - 60 * np.maximum(dx, -0.4 * dx) ** 3 * 3, 0.0022)
    inside_brow *= _step(0.021 - np.abs(dx), 0.006)
    colour = _mix(colour, 0.75 * _column(look.hair) + 0.02, 0.8 * front * inside_brow)
    colour = _paint_mouth(colour, x, y, front, look)
    nostril = ((x - 0.0066) / 0.0035) ** 2 + ((y + 0.0405) / 0.0024) ** 2
    colour = _mix(
        colour, _column(look.skin) * _column((0.3, 0.2, 0.18)), _step(1 - nostril, 0.9) * _step(z - 0.08, 0.01)
    )
    return _paint_eyes(colour, head[0], dx, y, front, look)


def shirt_colour(torso: F32, look: Look) -> F32:
    """Paint cloth with a weave, folds and maybe stripes at points (3, n) of the torso: (3, n) RGB 0..1."""
    x, y, z = torso
    cloth = np.repeat(_column(look.shirt), x.size, axis=1)
    if look.stripe is not None:
        cloth = _mix(cloth, _column(look.stripe), _step(np.sin(y * 175 + 3 * z) - 0.35, 0.3))
    folds = 0.1 * np.sin(34 * x + 6 * np.sin(21 * y + 1)) * np.sin(13 * y + 9 * x) * _step(-0.22 - y, 0.1)
    weave = 0.02 * np.sin(900 * x) * np.sin(900 * y)
    collar = np.sqrt(x * x + (y - NECKLINE_Y) ** 2 + (z + 0.012) ** 2)
    seam = 0.3 * _step(0.002 - np.abs(collar - 0.101), 0.002)
    return np.asarray(cloth * (1 + folds + weave - seam), np.float32)


def hair_colour(head: F32, look: Look) -> F32:
    """Paint the mass of the hair in locks at points (3, n) of the head: (3, n) RGB 0..1."""
    x, y, z = head
    around = np.arctan2(x, 0.03 - z)
    locks = np.sin(46 * around + 3 * np.sin(9 * around + 22 * y)) + 0.7 * np.sin(117 * around + 4 * np.sin(31 * y))
    return np.asarray(_column(look.hair) * (1.05 + 0.25 * locks), np.float32)


def _paint_mouth(colour: F32, x: F32, y: F32, front: F32, look: Look) -> F32:
    dy = y - _LIP_Y - 2.5 * x * x
    half = 0.0078 * (1 - (x / 0.0245) ** 2) * np.where(dy > 0, 0.85 - 0.25 * np.exp(-((x / 0.004) ** 2)), 1)
    lips = _step(half - np.abs(dy), 0.0016)
    colour = _mix(colour, _column(look.skin) * _column((0.86, 0.58, 0.56)), 0.85 * front * lips)
    gap = _step(0.0011 - np.abs(dy - 0.0008), 0.0012) * _step(0.024 - x, 0.003)
    return _mix(colour, _column(look.skin) * 0.32, 0.8 * front * gap)


def _paint_eyes(colour: F32, x: F32, dx: F32, y: F32, front: F32, look: Look) -> F32:
    dy = y - _EYE[1]
    bow = 1 - (dx / 0.0155) ** 2
    upper, lower = 0.0066 * bow, -0.0046 * bow
    opening = _step(np.minimum(upper - dy, dy - lower), 0.001) * front
    gaze = np.hypot(dx, dy - 0.0012)
    glint = np.hypot(x - np.sign(x) * _EYE[0] + 0.0022, dy - 0.0032)
    eye = np.repeat(_column((0.86, 0.84, 0.82)), x.size, axis=1)
    eye = _mix(eye, _column(look.iris), _step(0.0062 - gaze, 0.0009))
    eye = _mix(eye, _column((0.03, 0.03, 0.03)), _step(0.0029 - gaze, 0.0009))
    eye = _mix(eye, _column((1.0, 1.0, 1.0)), _step(0.0012 - glint, 0.0009))
    eye = eye * (1 - 0.4 * _step(dy - upper + 0.0035, 0.004))  # the shadow of the lid
    colour = _mix(colour, eye, opening)
    lashes = _step(0.0012 - np.abs(dy - upper - 0.0003), 0.0012) * _step(0.0165 - np.abs(dx), 0.002)
    crease = _step(0.0009 - np.abs(dy - 1.15 * upper - 0.0042), 0.0012) * _step(0.0145 - np.abs(dx), 0.004)
    return _mix(colour, 0.2 * _column(look.skin), front * np.maximum(0.85 * lashes, 0.25 * crease))


def _light(normal: F32, view: F32) -> tuple[F32, F32]:
    """Light and shine at surfaces: normal and view (3, n) unit vectors in the world -> two (n,)."""
    light = _AMBIENT + 0.1 * normal[1]
    shine = np.zeros_like(light)
    for towards, strength, wrap in _LIGHTS:
        direction = np.array(towards, np.float32) / np.float32(np.linalg.norm(towards))
        light += strength * np.clip((transform(direction[None], normal)[0] + wrap) / (1 + wrap), 0, 1)
        halfway = view + direction[:, None]
        facing = (normal * halfway).sum(0) / (np.linalg.norm(halfway, axis=0) + 1e-6)
        shine += strength * _power_24(np.clip(facing, 0, 1))
    return light, shine


def _power_24(base: F32) -> F32:
    eighth = np.square(np.square(np.square(base)))
    return eighth * np.square(eighth)


def _step(above: NDArray[np.floating], softness: float) -> F32:
    """Return 0 below 0 and 1 above, over a ramp of that width."""
    return np.asarray(np.clip(0.5 + above * np.float32(1 / softness), 0, 1), np.float32)


def _mix(colour: F32, other: F32, share: F32) -> F32:
    return np.asarray(colour + share * (other - colour), np.float32)


def _column(colour: tuple[float, float, float]) -> F32:
    return np.array(colour, np.float32)[:, None]
