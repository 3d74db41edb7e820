"""Backgrounds: the empty set behind a person, as plates of a capture stage show it, and as rooms and streets do."""

from __future__ import annotations

import cv2
import numpy as np

from matting_tasks.fit.patterns import F32, draw_colours, draw_pattern, fractal, to_u8
from matting_tasks.fit.pictures import Pictures
from matting_tasks.fit.records import U8

_WALLS, _PHOTOGRAPHS = 0.42, 0.46
"""How often each is made where no plate of the user is taken; the rest are collages."""


def make_background(
    rng: np.random.Generator, pictures: Pictures, plates: Pictures, size: tuple[int, int], plate_share: float = 0.5
) -> U8:
    """Make the set behind a person, `size` = (height, width): (height, width, 3) uint8, RGB.

    Where there are plates, that share (0..1) are pieces of them; else it is a wall, a piece of a picture, sharp or out
    of focus, or a collage of both.
    """
    if len(plates) and rng.random() < plate_share:
        return plates.piece(rng, *size, zoom=(0.5, 1.0))
    kind = rng.random()
    if kind < _WALLS:
        return draw_wall(rng, pictures, size)
    if kind < _WALLS + _PHOTOGRAPHS:
        return _photograph(rng, pictures, size)
    return _collage(rng, pictures, size)


def draw_wall(rng: np.random.Generator, pictures: Pictures, size: tuple[int, int]) -> U8:
    """Draw the wall of a stage, (height, width, 3) uint8, RGB: its surface, what stands before it, and its light."""
    height, width = size
    wall = _surface(rng, pictures, size)
    for chance, add in ((0.3, _add_seams), (0.25, _add_folds), (0.35, _add_props)):
        if rng.random() < chance:
            wall = add(rng, wall)
    if rng.random() < 0.35:
        wall = cv2.GaussianBlur(wall, (0, 0), float(rng.uniform(0.6, 3.5)))
    wall *= _light(rng, height, width)[..., None]
    if rng.random() < 0.25:
        wall = _add_lamp(rng, wall)
    return to_u8(wall)


def _surface(rng: np.random.Generator, pictures: Pictures, size: tuple[int, int]) -> F32:
    """Paint, plaster or cloth in one colour, with a faint texture: (height, width, 3) float32, RGB 0..255."""
    height, width = size
    first, second = draw_colours(rng, 2)
    vivid = np.float32(rng.uniform() ** 1.7)
    first, second = (colour.mean() + (colour - colour.mean()) * vivid for colour in (first, second))
    wall = np.empty((height, width, 3), np.float32)
    wall[:] = first
    if rng.random() < 0.4:
        wall += (second - first) * fractal(rng, height, width, (1, 2))[..., None]
    if rng.random() < 0.6:
        depth = np.float32(rng.uniform(2, 14))
        if rng.random() < 0.5:
            grain = cv2.cvtColor(pictures.crop(rng, height, width), cv2.COLOR_RGB2GRAY).astype(np.float32)
            wall += ((grain - grain.mean()) * (depth / np.float32(40)))[..., None]
        else:
            cells = int(rng.integers(4, 40))
            wall += (depth * 2 * (fractal(rng, height, width, (cells, cells), fall=0.8) - np.float32(0.5)))[..., None]
    return wall


def _add_seams(rng: np.random.Generator, wall: F32) -> F32:
    """Add the lines between panels, a skirting board, or a change of colour along a line."""
    height, width = wall.shape[:2]
    for _ in range(int(rng.integers(1, 4))):
        upright = rng.random() < 0.7
        at, lean = rng.uniform(0, width if upright else height), rng.normal(0, 6)
        near, far = round(at), round(at + lean)
        start, end = ((near, 0), (far, height)) if upright else ((0, near), (width, far))
        line = np.zeros((height, width), np.uint8)
        cv2.line(line, start, end, 255, int(rng.integers(1, 5)), cv2.LINE_AA)
        wall += (line * np.float32(rng.uniform(-40, 25) / 255))[..., None]
    if rng.random() < 0.35:
        edge = int(rng.uniform(0.15, 0.95) * height)
        wall[edge:] += (draw_colours(rng, 1)[0] - wall[edge:]) * np.float32(rng.uniform(0.3, 1))
    return wall


def _add_folds(rng: np.random.Generator, wall: F32) -> F32:
    """Add the folds of hanging cloth."""
    height, width = wall.shape[:2]
    folds = fractal(rng, height, width, (1, int(rng.integers(3, 16))), fall=0.6)
    return wall * (1 + np.float32(rng.uniform(0.2, 0.9)) * (folds - np.float32(0.6)))[..., None]


def _add_props(rng: np.random.Generator, wall: F32) -> F32:
    """Add stands, rails, cables and boxes, mostly out of focus."""
    height, width = wall.shape[:2]
    shown = to_u8(wall)  # lines have smooth edges on uint8 only
    for _ in range(int(rng.integers(1, 6))):
        colour = tuple(float(c) for c in draw_colours(rng, 1)[0] * rng.choice([0.15, 0.4, 1.0]))
        x, y = int(rng.uniform(0, width)), int(rng.uniform(0, height))
        kind = rng.random()
        if kind < 0.45:
            lean, thick = rng.normal(0, 0.1) * height, int(rng.integers(1, max(width // 20, 3)))
            cv2.line(shown, (x, 0), (round(x + lean), height), colour, thick, cv2.LINE_AA)
        elif kind < 0.7:
            far = round(float(x + rng.normal(0, width / 2))), height if rng.random() < 0.5 else 0
            middle = round((x + far[0]) / 2 + rng.normal(0, 30)), round((y + far[1]) / 2 + rng.normal(0, 30))
            cv2.polylines(shown, [_bend((x, y), middle, far)], False, colour, int(rng.integers(1, 5)), cv2.LINE_AA)
        else:
            corner = x + int(rng.uniform(0.04, 0.35) * width), y + int(rng.uniform(0.04, 0.35) * height)
            cv2.rectangle(shown, (x, y), corner, colour, cv2.FILLED)
    if rng.random() < 0.7:
        shown = cv2.GaussianBlur(shown, (0, 0), float(rng.uniform(0.7, 5)))
    return shown.astype(np.float32)


def _bend(start: tuple[int, int], middle: tuple[int, int], end: tuple[int, int]) -> np.ndarray:
    """Return points of a curve (a Bezier of the second degree), (16, 2) int32."""
    t = np.linspace(0, 1, 16)[:, None]
    points = (1 - t) ** 2 * np.asarray(start) + 2 * t * (1 - t) * np.asarray(middle) + t**2 * np.asarray(end)
    return np.asarray(np.round(points), np.int32)


def _light(rng: np.random.Generator, height: int, width: int) -> F32:
    """Return how light falls off from where it is aimed and towards the corners: (height, width) float32 about 1."""
    y, x = np.linspace(0, 1, height, dtype=np.float32)[:, None], np.linspace(0, 1, width, dtype=np.float32)[None]
    spot_y, spot_x = np.float32(rng.uniform(-0.3, 1.1)), np.float32(rng.uniform(-0.3, 1.3))
    reach = np.float32(rng.uniform(0.7, 2.5))
    fall = 1 / (1 + ((y - spot_y) ** 2 + (x - spot_x) ** 2) / reach**2)
    dark = np.float32(rng.uniform(0, 0.5))
    corners = 1 - dark * ((y - np.float32(0.5)) ** 2 + (x - np.float32(0.5)) ** 2)
    level = np.float32(rng.uniform(0.75, 1.3))
    return np.asarray(fall * corners * (level / fall.mean()), np.float32)


def _add_lamp(rng: np.random.Generator, wall: F32) -> F32:
    """Add one or two lamps or windows with a glow around them."""
    height, width = wall.shape[:2]
    lamps = np.zeros((height // 2 + 1, width // 2 + 1), np.uint8)
    for _ in range(int(rng.integers(1, 3))):
        centre = int(rng.uniform(0, lamps.shape[1])), int(rng.uniform(0, lamps.shape[0]))
        size = int(rng.uniform(1, 16)), int(rng.uniform(1, 28))
        cv2.ellipse(lamps, centre, size, float(rng.uniform(0, 180)), 0, 360, 255, cv2.FILLED, cv2.LINE_AA)
    glow = lamps.astype(np.float32) / np.float32(255)
    glow += np.float32(rng.uniform(0.5, 2)) * cv2.GaussianBlur(glow, (0, 0), float(rng.uniform(3, 14)))
    warm = np.asarray([1.0, rng.uniform(0.8, 1), rng.uniform(0.65, 1)], np.float32) * np.float32(rng.uniform(90, 255))
    spread = cv2.resize(glow, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(wall + spread[..., None] * warm, np.float32)


def _photograph(rng: np.random.Generator, pictures: Pictures, size: tuple[int, int]) -> U8:
    """Take a piece of a picture, half of them out of focus, some darker, brighter or tinted."""
    pixels = pictures.crop(rng, *size)
    if rng.random() < 0.5:
        pixels = _defocus(rng, pixels)
    if rng.random() < 0.5:
        gains = rng.uniform(0.55, 1.25) * rng.uniform(0.92, 1.08, 3)
        return to_u8(pixels * gains.astype(np.float32))
    return pixels


def _defocus(rng: np.random.Generator, pixels: U8) -> U8:
    """Blur as a lens does that is focused on the person, stronger the rarer."""
    sigma = float(np.exp(rng.uniform(np.log(0.8), np.log(9))))
    if sigma < 3:
        blurred: U8 = cv2.GaussianBlur(pixels, (0, 0), sigma)
        return blurred
    height, width = pixels.shape[:2]
    small = cv2.resize(pixels, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma / 2)
    wide: U8 = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    return wide


def _collage(rng: np.random.Generator, pictures: Pictures, size: tuple[int, int]) -> U8:
    """Put pieces of pictures and patterns, as posters, doors and screens, on a wall or a picture."""
    height, width = size
    base = draw_wall(rng, pictures, size) if rng.random() < 0.6 else pictures.crop(rng, height, width)
    for _ in range(int(rng.integers(1, 4))):
        tall, wide = (max(int(side * rng.uniform(0.15, 0.7)), 4) for side in (height, width))
        top, left = int(rng.integers(-tall // 3, height - tall // 2)), int(rng.integers(-wide // 3, width - wide // 2))
        piece = pictures.crop(rng, tall, wide) if rng.random() < 0.7 else draw_pattern(rng, tall, wide)
        inside = piece[max(-top, 0) : height - top, max(-left, 0) : width - left]
        rows, columns = inside.shape[:2]
        base[max(top, 0) : max(top, 0) + rows, max(left, 0) : max(left, 0) + columns] = inside
    return _defocus(rng, base) if rng.random() < 0.35 else base
