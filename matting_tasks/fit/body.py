"""The body below the head: neck, shoulders and legs, in clothes."""

from __future__ import annotations

import numpy as np

from matting_tasks.fit.cloth import any_colour
from matting_tasks.fit.figure import Figure, fill, neck_base
from matting_tasks.fit.shapes import F32, F64, limb, lumpy, place, spline
from matting_tasks.fit.strands import Scalp, Style, draw_strands, grow, hair_shades


def draw_neck(rng: np.random.Generator, sheet: F32, figure: Figure) -> None:
    """Draw the neck and what a low neckline shows, darker under the chin, in place."""
    wide = rng.uniform(0.42, 0.68)
    heights = figure.longness * 0.3, figure.longness + 0.5 * figure.neck, figure.longness + figure.neck + 0.6
    outline = limb(
        np.array([[0.02, heights[0]], [0.0, heights[1]], [0.0, heights[2]]]), [wide * 1.05, wide, wide * 1.5]
    )
    fill(sheet, [place(outline, figure.head, figure.unit, figure.lean)], figure, figure.tone * rng.uniform(0.6, 0.95))


def draw_torso(rng: np.random.Generator, sheet: F32, figure: Figure, surface: F32) -> tuple[float, float]:
    """Draw shoulders and trunk in cloth, often with a jacket, a collar or a scarf, in place.

    Returns where the right shoulder's joint is, in units from the base of the neck.
    """
    wide, drop = rng.uniform(1.5, 2.6), rng.uniform(0.25, 0.8)
    waist, low = wide * rng.uniform(0.6, 1.12), rng.uniform(5.2, 7.2)
    neckline, deep = rng.uniform(0.45, 0.85), rng.choice([-0.1, rng.uniform(0.0, 0.9)])
    slope, bulge = rng.uniform(0.2, 0.6), rng.uniform(0.9, 1.1)
    half = np.array(
        [[0.0, deep], [neckline, -0.05], [wide * 0.62, drop * slope], [wide * 0.93, drop], [wide * bulge, drop + 0.7],
         [(wide + waist) / 2 * rng.uniform(0.85, 1.1), 2.6], [waist, low * 0.6], [waist * rng.uniform(0.9, 1.2), low]]
    )  # fmt: skip
    right, left = half + rng.normal(0, 0.05, half.shape), half * (-1, 1) + rng.normal(0, 0.05, half.shape)
    outline = spline(np.concatenate([right, left[:0:-1]]), per=5)
    base = neck_base(figure)
    fill(sheet, [place(outline, base, figure.unit, figure.lean)], figure, surface, 0.45)
    if rng.random() < 0.2:
        _jacket(rng, sheet, figure, (right, left))
    if rng.random() < 0.1:
        _fuzz(rng, sheet, place(outline, base, figure.unit, figure.lean), figure)
    if rng.random() < 0.45:
        _collar(rng, sheet, figure, neckline, deep)
    if rng.random() < 0.08:
        _scarf(rng, sheet, figure)
    return wide * 0.84, drop * 0.9 + 0.42


def _jacket(rng: np.random.Generator, sheet: F32, figure: Figure, halves: tuple[F64, F64]) -> None:
    """Draw an open jacket over both halves (N, 2) of the trunk's outline, in place."""
    colour, gap, base = any_colour(rng), rng.uniform(0.05, 0.7), neck_base(figure)
    for side, half in zip((1, -1), halves, strict=True):
        front = np.array([[side * gap * rng.uniform(0.6, 1.2), half[-1, 1]], [side * gap * 0.9, 2.4]])
        outline = spline(np.concatenate([half[1:], front]), per=5)
        fill(sheet, [place(outline, base, figure.unit, figure.lean)], figure, colour, 0.15)


def _fuzz(rng: np.random.Generator, sheet: F32, outline: F64, figure: Figure) -> None:
    """Let wool or fur stand off an outline (N, 2) in pixels, in place."""
    at = int(np.clip(outline[0, 0], 0, sheet.shape[1] - 1)), int(np.clip(outline[0, 1] + 2, 0, sheet.shape[0] - 1))
    colour = sheet[at[1], at[0], :3] / max(float(sheet[at[1], at[0], 3]), 0.1)
    length, gravity, curl = rng.uniform(0.08, 0.5), rng.uniform(0, 0.8), rng.uniform(0, 0.06)
    style = Style(length, gravity, 0.9, curl, turns=2, frizz=rng.uniform(0.2, 1), thick=0.1, density=1)
    count = int(np.clip(figure.unit * 10, 100, 700))
    roots = outline[rng.integers(0, len(outline), count)] + rng.normal(0, 0.08, (count, 2)) * figure.unit
    middle = place(np.array([0.0, 3.0]), neck_base(figure), figure.unit, figure.lean)
    paths = grow(rng, roots, Scalp(middle, np.array([1.0, 1.6]) * figure.unit, 0.0), style, keep_off=False)
    draw_strands(sheet, paths, hair_shades(rng, colour, rng.uniform(0, 1)), rng.uniform(0.4, 1))


def draw_hood(rng: np.random.Generator, sheet: F32, figure: Figure, surface: F32) -> None:
    """Draw a hood: drawn up round the head, or lying on the shoulders behind it, in place."""
    up = rng.random() < 0.4
    radii = (rng.uniform(1.15, 1.5), figure.longness * rng.uniform(1.1, 1.35)) if up else (rng.uniform(1, 1.6), 0.7)
    outline = lumpy(rng, radii, 0.05, 2.4) + (0, 0 if up else figure.longness + 0.3)
    fill(sheet, [place(outline, figure.head, figure.unit, figure.tilt)], figure, surface * 0.8, 0.3)


def _scarf(rng: np.random.Generator, sheet: F32, figure: Figure) -> None:
    colour, base = any_colour(rng), neck_base(figure)
    for _ in range(int(rng.integers(1, 4))):
        y, sag = rng.uniform(-0.6, 0.2), rng.uniform(0.1, 0.6)
        line = np.array([[-0.8, y], [0.0, y + sag], [0.8, y + rng.normal(0, 0.1)]])
        outline = limb(line, [0.2, rng.uniform(0.2, 0.4), 0.2])
        fill(sheet, [place(outline, base, figure.unit, figure.lean)], figure, colour * rng.uniform(0.8, 1.1), 0.12)


def _collar(rng: np.random.Generator, sheet: F32, figure: Figure, neckline: float, deep: float) -> None:
    colour, base, width = any_colour(rng), neck_base(figure), rng.uniform(0.08, 0.3)
    for side in (-1, 1):
        line = np.array([[side * neckline * 0.9, -0.25], [side * neckline * 0.7, 0.1], [side * 0.08, deep + 0.15]])
        outline = limb(line, [width, width * rng.uniform(0.6, 1.6), width * 0.5])
        fill(sheet, [place(outline, base, figure.unit, figure.lean)], figure, colour, 0.1)


def draw_legs(rng: np.random.Generator, sheet: F32, figure: Figure, surface: F32) -> None:
    """Draw two legs, for a person seen whole, in place."""
    base, apart = neck_base(figure), rng.uniform(0.1, 0.8)
    outlines = []
    for side in (-1, 1):
        line = np.array([[side * 0.65, 5.4], [side * (0.65 + apart * 0.5), 8.5], [side * (0.6 + apart), 12.2]])
        outlines.append(place(limb(line, [0.85, 0.6, 0.4]), base, figure.unit, figure.lean))
    fill(sheet, outlines, figure, surface)
