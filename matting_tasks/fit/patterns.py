"""Patterns: pictures drawn from random numbers alone, for where there are no photographs, and beside them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from matting_tasks.fit.records import U8

F32 = NDArray[np.float32]

_LEVELS = 256  # of the table from a field's value to a colour


def draw_pattern(rng: np.random.Generator, height: int, width: int) -> U8:
    """Draw a pattern of a random kind in random colours: (height, width, 3) uint8, RGB."""
    make = _KINDS[int(rng.integers(len(_KINDS)))]
    table = _colour_table(rng)
    field = make(rng, height, width)
    picture: U8 = table[to_u8(field * 255)]
    if rng.random() < 0.6:
        light = 1 + np.float32(rng.uniform(0.1, 0.5)) * (fractal(rng, height, width, (3, 3)) - np.float32(0.5))
        picture = to_u8(picture * light[..., None])
    if rng.random() < 0.2:
        picture = cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.7, 3)))
    return picture


def draw_colours(rng: np.random.Generator, count: int) -> F32:
    """Draw colours that go together, (count, 3) float32, RGB 0..255: mostly calm, now and then bright."""
    hue, spread = rng.uniform(0, 360), rng.choice([12, 40, 180])
    vivid = rng.beta(1.3, 3.0) if rng.random() < 0.75 else rng.uniform(0.4, 1)
    hsv = np.empty((1, count, 3), np.float32)
    hsv[0, :, 0] = (hue + rng.uniform(-spread, spread, count)) % 360
    hsv[0, :, 1] = np.clip(vivid + rng.normal(0, 0.12, count), 0, 1)
    hsv[0, :, 2] = np.clip(rng.beta(1.6, 1.3) + rng.normal(0, 0.22, count), 0.02, 1)
    colours: F32 = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0] * np.float32(255)
    return colours


def fractal(rng: np.random.Generator, height: int, width: int, cells: tuple[int, int], fall: float = 0.5) -> F32:
    """Draw smooth noise of four octaves, (height, width) float32 in 0..1; `cells` across height and width at first."""
    total = np.zeros((height, width), np.float32)
    weight = 1.0
    for octave in range(4):
        rows, columns = ((count << octave) + 1 for count in cells)
        if rows > 2 * height and columns > 2 * width:
            break
        coarse = rng.random((rows, columns), dtype=np.float32) - np.float32(0.5)
        total += np.float32(weight) * cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        weight *= fall
    limit = np.float32(max(float(np.abs(total).max()), 1e-6) * 2)
    return total / limit + np.float32(0.5)


def to_u8(values: NDArray[Any]) -> U8:
    """Round floats 0..255 to uint8, what lies beyond at the ends."""
    return np.asarray(np.clip(values + np.float32(0.5), 0, 255), np.uint8)


def _unit(values: NDArray[Any]) -> F32:
    """Clip to 0..1."""
    return np.asarray(np.clip(values, 0, 1), np.float32)


def _colour_table(rng: np.random.Generator) -> U8:
    """Draw a table from a field's value 0..255 to a colour: (256, 3) uint8, smooth or in steps."""
    n_colours = int(rng.integers(2, 6))
    colours = draw_colours(rng, n_colours)
    places = np.linspace(0, n_colours - 1, _LEVELS)
    if rng.random() < 0.3:
        places = np.round(places)
    return to_u8(np.stack([np.interp(places, np.arange(n_colours), colours[:, c]) for c in range(3)], axis=1))


def _grid(rng: np.random.Generator, height: int, width: int, turned: float) -> tuple[F32, F32]:
    """Return two coordinates in pixels, (height, width) each, at right angles and turned by up to that many radians."""
    angle = rng.uniform(-turned, turned)
    y, x = np.arange(height, dtype=np.float32)[:, None], np.arange(width, dtype=np.float32)[None]
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    shift = np.float32(rng.uniform(0, 1000))
    return x * cos + y * sin + shift, y * cos - x * sin + shift


def _wave(rng: np.random.Generator, along: F32, period: float) -> F32:
    """Return bands of that period, 0..1, whose edges are anything from a sine to sharp within a pixel."""
    sharp = np.float32(rng.choice([1.0, 3.0, period / 3]))
    return _unit(np.float32(0.5) + sharp * np.sin(along * np.float32(2 * np.pi / period)) / 2)


def _noise(rng: np.random.Generator, height: int, width: int) -> F32:
    cells = int(rng.integers(2, 24))
    return fractal(rng, height, width, (cells, cells), fall=float(rng.uniform(0.4, 0.85)))


def _grain(rng: np.random.Generator, height: int, width: int) -> F32:
    """Grain of wood, or brushed plaster: noise drawn out along one side."""
    cells = (int(rng.integers(1, 4)), int(rng.integers(16, 60)))
    field = fractal(rng, height, width, cells if rng.random() < 0.5 else cells[::-1], fall=0.7)
    rings = np.float32(rng.uniform(1, 6))
    return np.abs((field * rings) % 1 - np.float32(0.5)) * 2 if rng.random() < 0.5 else field


def _gradient(rng: np.random.Generator, height: int, width: int) -> F32:
    along, _ = _grid(rng, height, width, np.pi)
    low, high = float(along.min()), float(along.max())
    return np.asarray((along - low) / (high - low + 1), np.float32)


def _stripes(rng: np.random.Generator, height: int, width: int) -> F32:
    along, _ = _grid(rng, height, width, np.pi if rng.random() < 0.4 else 0.05)
    if rng.random() < 0.3:
        along = along + fractal(rng, height, width, (3, 3)) * np.float32(rng.uniform(10, 60))
    return _wave(rng, along, float(np.exp(rng.uniform(np.log(5), np.log(120)))))


def _checks(rng: np.random.Generator, height: int, width: int) -> F32:
    across, down = _grid(rng, height, width, np.pi / 4 if rng.random() < 0.4 else 0.05)
    period = float(np.exp(rng.uniform(np.log(10), np.log(140))))
    first, second = _wave(rng, across, period), _wave(rng, down, period * float(rng.choice([1, 1, 2])))
    if rng.random() < 0.5:
        return _unit((first + second) / 2)
    return _unit(first + second - 2 * first * second)


def _bricks(rng: np.random.Generator, height: int, width: int) -> F32:
    across, down = _grid(rng, height, width, 0.05)
    tall = float(rng.uniform(8, 50))
    wide = tall * float(rng.choice([1, 2, 3, 6]))
    row = np.floor(down / np.float32(tall))
    column = across / np.float32(wide) + np.float32(rng.choice([0, 0.5])) * (row % 2)
    tones = rng.uniform(0.4, 1, (64, 64)).astype(np.float32)
    field = tones[row.astype(np.int32) % 64, np.floor(column).astype(np.int32) % 64]
    joint = np.float32(rng.uniform(1, 4))
    near = np.minimum((down - row * np.float32(tall)) / joint, (column % 1) * np.float32(wide) / joint)
    grain = fractal(rng, height, width, (24, 24), fall=0.8)
    return np.asarray(field * _unit(near) * np.float32(0.85) + np.float32(0.15) * grain, np.float32)


def _blobs(rng: np.random.Generator, height: int, width: int) -> F32:
    cells = int(rng.integers(3, 16))
    field = fractal(rng, height, width, (cells, cells), fall=0.3)
    return _unit((field - np.float32(rng.uniform(0.4, 0.6))) * np.float32(rng.uniform(4, 40)) + np.float32(0.5))


def _dots(rng: np.random.Generator, height: int, width: int) -> F32:
    across, down = _grid(rng, height, width, np.pi / 4)
    turn = np.float32(2 * np.pi / np.exp(rng.uniform(np.log(8), np.log(90))))
    field = np.sin(across * turn) * np.sin(down * turn) - np.float32(rng.uniform(-0.2, 0.6))
    return _unit(field * np.float32(rng.uniform(2, 12)) + np.float32(0.5))


def _leaves(rng: np.random.Generator, height: int, width: int) -> F32:
    """Leaves, gravel or petals: ellipses strewn over each other."""
    field = np.full((height, width), int(rng.integers(256)), np.uint8)
    large = float(np.exp(rng.uniform(np.log(5), np.log(40))))
    count = int(np.clip(2 * height * width / (large * large * 2), 20, 350))
    centres = rng.uniform((0, 0), (width, height), (count, 2)).astype(int).tolist()
    sizes = (large * rng.uniform((0.6, 0.15), (1.4, 0.7), (count, 2))).astype(int) + 1
    angles, tones = rng.uniform(0, 180, count), rng.integers(0, 256, count).tolist()
    for centre, size, angle, tone in zip(centres, sizes.tolist(), angles.tolist(), tones, strict=True):
        cv2.ellipse(field, centre, size, angle, 0, 360, tone, cv2.FILLED, cv2.LINE_AA)
    return field.astype(np.float32) / np.float32(255)


def _shelves(rng: np.random.Generator, height: int, width: int) -> F32:
    """Books on shelves, a front of houses, boxes: rows of upright pieces of random widths and tones."""
    field = np.empty((height, width), np.float32)
    top = -int(rng.integers(0, height // 4 + 1))
    tall, wide = rng.uniform(height / 8 + 2, height / 1.5 + 2), rng.uniform(4, width / 4 + 5)
    while top < height:
        bottom = top + int(tall * rng.uniform(0.7, 1.3)) + 2
        widths = np.maximum(wide * rng.uniform(0.4, 1.6, width), 2).astype(int)
        tones = np.repeat(rng.random(width, dtype=np.float32), widths)[:width]
        field[max(top, 0) : max(bottom, 0)] = tones
        field[max(bottom - 3, 0) : max(bottom, 0)] = rng.random()
        top = bottom
    return field


_KINDS: tuple[Callable[[np.random.Generator, int, int], F32], ...] = (
    _noise,
    _grain,
    _gradient,
    _stripes,
    _checks,
    _bricks,
    _blobs,
    _dots,
    _leaves,
    _shelves,
)
