"""Hair: strands that grow, run round the head, fall and curl; drawn anti-aliased over a soft mass."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from matting_tasks.fit.shapes import F32, F64, bounds
from matting_tasks.fit.sheets import lay, lit, noise

HAIR_WIDTH = 1e-3  # of a hair, in half-widths of the head: 0.07 mm of 70 mm
_SHIFT = 4
_STEPS = 11


@dataclass(frozen=True, slots=True)
class Style:
    """Say how hair grows; lengths in half-widths of the head."""

    length: float
    gravity: float  # 0: stands off for ever, 1: falls at once
    volume: float  # 0: close to the head, 1: straight off it
    curl: float  # height of the waves
    turns: float  # waves along a strand
    frizz: float  # disorder of each strand, 0..1
    thick: float  # of the mass, as a share of the half-width of the head
    density: float  # strands, as a share of the most


@dataclass(frozen=True, slots=True, eq=False)
class Scalp:
    """Say where the head is, in pixels: centre (2,), radii (2,) across and along, turn in radians."""

    centre: F64
    radii: F64
    turn: float


@dataclass(frozen=True, slots=True, eq=False)
class Mass:
    """Say how the body of hair looks: `thick` in units, `unit` half a head's width in pixels, colour (3,) 0..255."""

    thick: float
    unit: float
    colour: F32


def any_style(rng: np.random.Generator) -> Style:
    """Draw a style: cropped, short, straight, wavy, curly, frizzy or loose."""
    kind = int(rng.choice(6, p=[0.15, 0.22, 0.25, 0.17, 0.13, 0.08]))
    low = [(0.1, 0.3), (0.35, 0.9), (1.2, 4.5), (1.2, 4.5), (0.8, 2.6), (0.7, 1.6)][kind]
    curl = [(0, 0.01), (0, 0.06), (0, 0.03), (0.05, 0.18), (0.08, 0.25), (0.05, 0.15)][kind]
    turns = [(0, 1), (0.5, 2), (0.5, 2), (1.5, 3), (2.5, 4.5), (2, 4.5)][kind]
    length = rng.uniform(*low)
    gravity = [0.1, rng.uniform(0, 0.7), rng.uniform(0.5, 1), rng.uniform(0.4, 0.9), rng.uniform(0.2, 0.7), 0.1]
    volume = [0.6, rng.uniform(0.2, 1), rng.uniform(0.05, 0.5), rng.uniform(0.2, 0.7), rng.uniform(0.4, 0.9), 1.0]
    return Style(
        length=length,
        gravity=gravity[kind],
        volume=volume[kind],
        curl=rng.uniform(*curl),
        turns=rng.uniform(*turns),
        frizz=rng.choice([rng.uniform(0, 0.06), rng.uniform(0, 0.25), rng.uniform(0.1, 0.8)]),
        thick=rng.uniform(0.08, 0.26),
        density=rng.uniform(0.25, 1),
    )


def grow(rng: np.random.Generator, roots: F64, scalp: Scalp, style: Style, keep_off: bool = True) -> F64:
    """Grow strands (N, 11, 2) in pixels from roots (N, 2): off the head, round it, and down."""
    count, unit = len(roots), float(scalp.radii[0])
    step = style.length * unit / (_STEPS - 1) * rng.uniform(0.55, 1.15, (count, 1))
    axis_down = np.array([-np.sin(scalp.turn) * 0.3, 1.0])
    wild = rng.normal(0, 0.02 + style.frizz * 0.45, (count, 2))
    place_now, paths, part = roots, [roots], rng.uniform(-0.6, 0.6)
    for index in range(1, _STEPS):
        share = index / (_STEPS - 1)
        offset = (place_now - scalp.centre) / scalp.radii
        reach = np.hypot(offset[:, :1], offset[:, 1:]) + 1e-6
        away = offset / reach
        side = np.where(away[:, :1] >= part, 1.0, -1.0)
        round_it = np.concatenate([-away[:, 1:] * side, np.abs(away[:, :1])], 1)
        hold = np.clip(0.7 + away[:, 1:] + 1.5 * (reach - 1), 0, 1)  # on top of the head hair lies, it cannot fall
        fall = np.clip(style.gravity * (0.3 + 1.4 * share), 0, 1) * hold
        lift = style.volume * (1 - 0.7 * share * style.gravity)
        ahead = lift * away + (1 - lift) * ((1 - fall) * round_it + fall * axis_down) + wild * (0.4 + share)
        if keep_off:
            ahead = ahead + away * np.clip(1.02 - reach, 0, 0.5) * 2
        ahead /= np.hypot(ahead[:, :1], ahead[:, 1:]) + 1e-6
        place_now = place_now + ahead * step
        paths.append(place_now)
    lines = np.stack(paths, 1)
    if style.curl * style.turns > 0.08 or style.frizz > 0.3:
        lines = _finer(lines)
    return lines + _waves(rng, lines, style, unit)


def _finer(lines: F64) -> F64:
    middle = (lines[:, :-1] + lines[:, 1:]) / 2
    first, last = (3 * lines[:, :-1] + lines[:, 1:]) / 4, (lines[:, :-1] + 3 * lines[:, 1:]) / 4
    pieces = np.stack([lines[:, :-1], first, middle, last], 2)  # (N, 10, 4, 2)
    fine: F64 = np.concatenate([pieces.reshape(len(lines), -1, 2), lines[:, -1:]], 1)
    return fine


def _waves(rng: np.random.Generator, lines: F64, style: Style, unit: float) -> F64:
    along = np.gradient(lines, axis=1)
    along /= np.hypot(along[..., :1], along[..., 1:]) + 1e-6
    side = np.stack([-along[..., 1], along[..., 0]], 2)
    share = np.linspace(0, 1, lines.shape[1])[None, :]
    locks = rng.integers(0, max(3, len(lines) // 12), len(lines))
    phase = rng.uniform(0, 6.28, len(lines))[locks][:, None] + rng.normal(0, 0.3 + style.frizz, (len(lines), 1))
    height = style.curl * unit * rng.uniform(0.5, 1.5, (len(lines), 1)) * np.minimum(1, 3 * share)
    swing = height * np.sin(share * style.turns * 6.28 + phase)
    kinks = 0.06 * style.frizz * unit * np.sin(share * rng.uniform(3, 22, (len(lines), 1)) + 3 * phase)
    jitter = (side[:, ::-1] * (kinks * share)[..., None]) if style.frizz > 0.1 else 0.0
    waves: F64 = side * swing[..., None] + jitter
    return waves


def cover_of(unit: float, hairs: float, scale: int) -> float:
    """Return how much of a line 1/scale of a pixel wide a strand covers, 0..1.

    unit: half a head's width in pixels. hairs: that cling together in the strand, as a round cord does.
    """
    return float(np.clip(HAIR_WIDTH * unit * np.sqrt(hairs) * scale, 0.04, 1))


def draw_strands(sheet: F32, paths: F64, shades: F32, opacity: float = 1.0, scale: int = 2) -> None:
    """Draw strands (N, P, 2), 1/scale of a pixel wide, in the colours (C, 3) RGB 0..255 in turn, in place."""
    box = bounds(paths.reshape(-1, 2), sheet.shape[:2])
    if box is None:
        return
    y0, y1, x0, x1 = box
    height, width = y1 - y0, x1 - x0
    mask = np.zeros((scale * height, scale * width), np.uint8)
    colours = np.empty((scale * height, scale * width, 3), np.uint8)
    cv2.rectangle(colours, (0, 0), (scale * width, scale * height), tuple(shades.mean(0).tolist()), cv2.FILLED)
    points = list(np.round((paths - (x0, y0)) * (scale << _SHIFT)).astype(np.int32))
    cv2.polylines(mask, points, False, 255, 1, cv2.LINE_AA, _SHIFT)
    for index, shade in enumerate(shades):
        cv2.polylines(colours, points[index :: len(shades)], False, tuple(shade.tolist()), 1, cv2.LINE_8, _SHIFT)
    if scale > 1:
        mask = cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA)
        colours = cv2.resize(colours, (width, height), interpolation=cv2.INTER_AREA)
    lay(sheet, box, colours.astype(np.float32), mask.astype(np.float32) * np.float32(opacity / 255))


def draw_mass(rng: np.random.Generator, sheet: F32, paths: F64, mass: Mass) -> None:
    """Draw the body of hair that strands (N, P, 2) stand in: opaque within, thinning out to its rim, in place."""
    unit = mass.unit
    box = bounds(paths.reshape(-1, 2), sheet.shape[:2], margin=unit * 0.2)
    if box is None:
        return
    y0, y1, x0, x1 = box
    height, width = y1 - y0, x1 - x0
    coarse = np.zeros((height // 2 + 1, width // 2 + 1), np.uint8)
    reach = max(2, int(paths.shape[1] * rng.uniform(0.45, 0.9)))  # the tips are left to the single strands
    points = np.round((paths[:, :reach] - (x0, y0)) * (0.5 * (1 << _SHIFT))).astype(np.int32)
    cv2.polylines(coarse, list(points), False, 255, max(1, int(mass.thick * unit * 0.5)), cv2.LINE_8, _SHIFT)
    soft = cv2.GaussianBlur(coarse, (0, 0), max(0.6, unit * rng.uniform(0.015, 0.08)))
    mask = cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.float32)
    mask *= 1 / 255
    grain = noise(rng, (height, width), (max(2, int(height / unit * 3)), max(2, int(width / unit * 16))))
    mask = np.clip((mask * (1 + 0.2 * grain) - rng.uniform(0.05, 0.4)) * rng.uniform(1.3, 3), 0, 1)
    lay(sheet, box, lit(mass.colour, 1 + 0.15 * grain), mask)


def hair_shades(rng: np.random.Generator, colour: F32, light: float, count: int = 14) -> F32:
    """Draw the colours (count, 3) RGB 0..255 of strands around the hair's colour, some of them lit."""
    gain = np.exp(rng.normal(0, 0.22 + 0.2 * light, (count, 1)))
    shine = rng.uniform(0, 30 * light, (count, 1)) * (rng.random((count, 1)) < 0.4)
    shades = colour * gain + shine + rng.normal(0, 3, (count, 3))
    order = np.argsort(shades.sum(1))
    return np.clip(shades[order], 3, 252).astype(np.float32)
