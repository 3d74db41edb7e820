"""Foregrounds that are no whole person: shapes with holes, hands alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from matting_tasks.fit.arms import draw_arm, draw_hand
from matting_tasks.fit.cloth import any_colour, cloth
from matting_tasks.fit.figure import Figure, fill
from matting_tasks.fit.motion import Part
from matting_tasks.fit.pictures import Pictures
from matting_tasks.fit.shapes import lumpy
from matting_tasks.fit.sheets import blank


def draw_shape(rng: np.random.Generator, textures: Pictures, size: tuple[int, int], figure: Figure) -> list[Part]:
    """Draw a lumpy shape with up to four holes, in cloth, on a sheet of `size` (height, width)."""
    sheet, scale = blank(size), min(size) * rng.uniform(0.1, 0.5)
    middle = np.array([size[1], size[0]]) * rng.uniform(0.2, 0.8, 2)
    outline = lumpy(rng, (scale, scale * rng.uniform(0.5, 1.5)), 0.3) + middle
    fill(sheet, [outline], figure, cloth(rng, textures, size, figure.unit))
    for _ in range(int(rng.integers(0, 5))):
        hole = lumpy(rng, (scale * rng.uniform(0.05, 0.3), scale * rng.uniform(0.05, 0.3)), 0.15)
        cut = blank(size)
        fill(cut, [hole + middle + rng.normal(0, 0.4, 2) * scale], figure, figure.tone)
        sheet *= 1 - cut[..., 3:]
    return [Part(sheet, "body", middle)]


def draw_hands(rng: np.random.Generator, size: tuple[int, int], figure: Figure) -> list[Part]:
    """Draw one or two hands, some on an arm, without a body, on sheets of `size` (height, width)."""
    parts, figure = [], replace(figure, unit=max(figure.unit, 0.1 * max(size)))
    for side in (-1, 1)[: int(rng.integers(1, 3))]:
        sheet = blank(size)
        if rng.random() < 0.5:
            pivot = draw_arm(rng, sheet, figure, any_colour(rng), (side * rng.uniform(1, 2), 0.6))
        else:
            pivot = np.array([size[1], size[0]]) * rng.uniform(0.2, 0.8, 2)
            draw_hand(rng, sheet, figure, pivot, rng.uniform(-3.1, 3.1))
        parts.append(Part(sheet, "arm", pivot))
    return parts
