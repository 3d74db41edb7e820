"""What people wear and hold: glasses, hats, headphones, earrings, veils, things in front of them."""

from __future__ import annotations

import cv2
import numpy as np

from matting_tasks.fit.cloth import any_colour, cloth
from matting_tasks.fit.figure import Figure, fill, neck_base
from matting_tasks.fit.pictures import Pictures
from matting_tasks.fit.shapes import F32, F64, bounds, cover, limb, lumpy, place, spline
from matting_tasks.fit.sheets import lay, noise


def _put(figure: Figure, points: F64) -> F64:
    return place(points, figure.head, figure.unit, figure.tilt)


def _tint(sheet: F32, outline: F64, colour: F32, opacity: float) -> None:
    box = bounds(outline, sheet.shape[:2])
    if box is not None:
        mask = cover([outline], box) * opacity
        lay(sheet, box, np.broadcast_to(colour, (*mask.shape, 3)), mask)


def draw_glasses(rng: np.random.Generator, sheet: F32, figure: Figure) -> None:
    """Draw glasses: opaque rims, lenses that let most light through, now and then dark ones; in place."""
    colour, power = any_colour(rng), rng.uniform(2, 5)
    wide, high, apart = rng.uniform(0.3, 0.44), rng.uniform(0.2, 0.36), rng.uniform(0.44, 0.56)
    thick, shift = rng.uniform(0.025, 0.09), figure.turn * 0.35
    opacity = rng.uniform(0.7, 0.98) if rng.random() < 0.2 else rng.uniform(0.08, 0.4)
    for side in (-1, 1):
        lens = lumpy(rng, (wide, high), 0.02, power) + (side * apart + shift, rng.uniform(-0.02, 0.02))
        _tint(sheet, _put(figure, lens), any_colour(rng), opacity)
        rim = np.concatenate([lens, lens[:1]])
        outlines = [_put(figure, limb(rim[::8], [thick] * 9))]
        outlines.append(
            _put(figure, limb(np.array([[side * (apart + wide) + shift, -0.05], [side * 1.04, -0.1]]), [thick, thick]))
        )
        fill(sheet, outlines, figure, colour, 0.05)
    bridge = np.array([[-(apart - wide) + shift, 0.0], [shift, -0.06], [apart - wide + shift, 0.0]])
    fill(sheet, [_put(figure, limb(bridge, [thick] * 3))], figure, colour, 0.05)


def draw_hat(rng: np.random.Generator, sheet: F32, figure: Figure, textures: Pictures) -> None:
    """Draw a cap, a beanie or a hat with a brim, in place."""
    long, rim = figure.longness, -rng.uniform(0.3, 0.6) * figure.longness
    puff, top = rng.uniform(1.03, 1.3), rng.uniform(1.05, 1.6)
    half = np.array([[0, -long * top * 1.06], [puff * 0.6, -long * top], [puff * 0.98, rim - 0.35], [puff, rim]])
    points = np.concatenate([half, [[0, rim + rng.uniform(0, 0.15)]], (half * (-1, 1))[:0:-1]])
    points = points + rng.normal(0, 0.03, points.shape)
    surface = cloth(rng, textures, sheet.shape[:2], figure.unit) if rng.random() < 0.6 else any_colour(rng)
    fill(sheet, [_put(figure, spline(points))], figure, surface)
    if rng.random() < 0.6:
        left, right = (
            (-rng.uniform(1.0, 2.3), rng.uniform(1.0, 2.3)) if rng.random() < 0.6 else (-0.9, rng.uniform(1, 2))
        )
        sag, thick = rng.uniform(-0.1, 0.25), rng.uniform(0.04, 0.16)
        brim = limb(
            np.array([[left, rim + sag], [0, rim - 0.02], [right, rim + sag]]), [thick * 0.5, thick, thick * 0.5]
        )
        fill(sheet, [_put(figure, brim)], figure, surface, 0.1)


def draw_headphones(rng: np.random.Generator, sheet: F32, figure: Figure) -> None:
    """Draw a band over the head and two shells, in place."""
    colour, reach = any_colour(rng), rng.uniform(1.05, 1.25)
    angle = np.linspace(-1.5, 1.5, 9)
    thick = rng.uniform(0.04, 0.12)
    band = np.stack([np.sin(angle) * reach, -np.cos(angle) * figure.longness * reach], 1)
    shells = [lumpy(rng, (rng.uniform(0.16, 0.3), rng.uniform(0.3, 0.45)), 0.03) + (s * reach, 0.05) for s in (-1, 1)]
    fill(sheet, [_put(figure, limb(band, [thick] * 9))], figure, colour, 0.08)
    fill(sheet, [_put(figure, shell) for shell in shells], figure, any_colour(rng), 0.12)


def draw_earrings(rng: np.random.Generator, sheet: F32, figure: Figure) -> None:
    """Draw two rings with holes, or drops, beside the head, in place."""
    colour, size = any_colour(rng), rng.uniform(0.08, 0.28)
    for side in (-1, 1):
        middle = np.array([side * 1.05, 0.35 + size])
        if rng.random() < 0.5:
            outline = limb(lumpy(rng, (size, size), 0.02)[::7] + middle, [size * 0.15] * 10)
        else:
            outline = limb(np.array([middle - (0, size), middle, middle + (0, size * 2)]), [0.02, 0.05, 0.08])
        fill(sheet, [_put(figure, outline)], figure, colour, 0.05)


def draw_veil(rng: np.random.Generator, sheet: F32, figure: Figure, textures: Pictures) -> None:
    """Draw thin cloth over head or shoulders that lets some light through, in folds and weave, in place."""
    over_head = rng.random() < 0.5
    middle = np.array([0.0, -0.3]) if over_head else np.array([0.0, figure.longness + 1.5])
    radii = (
        (rng.uniform(1.1, 2.2), rng.uniform(1.4, 3.2)) if over_head else (rng.uniform(1.8, 3.6), rng.uniform(0.5, 1.6))
    )
    outline = _put(figure, spline(lumpy(rng, radii, 0.12)[::6] + middle + (0, radii[1] * 0.3)))
    box = bounds(outline, sheet.shape[:2])
    if box is None:
        return
    mask = cover([outline], box)
    folds = noise(rng, mask.shape, (int(rng.integers(1, 5)), int(rng.integers(4, 16))))
    dense = rng.uniform(0.2, 0.7) + rng.uniform(0.03, 0.2) * folds
    if rng.random() < 0.4:
        step, (y, x) = max(2, int(figure.unit * rng.uniform(0.04, 0.15))), np.mgrid[: mask.shape[0], : mask.shape[1]]
        dense = dense * np.where((x % step == 0) | ((y + x // 2) % step == 0), 1.5, 0.8)
    if rng.random() < 0.3:
        picture = textures.crop(rng, mask.shape[0], mask.shape[1], zoom=(0.1, 0.6))
        dense = dense + 0.5 * (cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255 - 0.5)
    surface = cloth(rng, textures, mask.shape, figure.unit) if rng.random() < 0.4 else any_colour(rng)
    colour = np.clip(surface * (1 + 0.2 * folds)[..., None], 0, 255)
    lay(sheet, box, colour, mask * np.clip(dense, 0.05, 0.9).astype(np.float32))


def draw_thing(rng: np.random.Generator, sheet: F32, figure: Figure, textures: Pictures) -> None:
    """Draw something held before the body: a box, a ball, a stick, a cable, in place."""
    at = neck_base(figure) + figure.unit * np.array([rng.uniform(-2.5, 2.5), rng.uniform(-0.5, 3)])
    if rng.random() < 0.3:
        line = at + rng.normal(0, 1.5, (5, 2)) * figure.unit
        fill(sheet, [limb(line, [rng.uniform(0.3, 0.08 * figure.unit + 0.5)] * 5)], figure, any_colour(rng), 0.05)
        return
    radii = (
        (rng.uniform(0.2, 1.2), rng.uniform(0.2, 1.2))
        if rng.random() < 0.7
        else (rng.uniform(1, 3), rng.uniform(0.02, 0.1))
    )
    outline = lumpy(rng, radii, rng.uniform(0, 0.15), rng.choice([2.0, 3.0, 8.0]))
    fill(
        sheet,
        [place(outline, at, figure.unit, rng.uniform(0, 3.1))],
        figure,
        cloth(rng, textures, sheet.shape[:2], figure.unit),
        0.2,
    )
