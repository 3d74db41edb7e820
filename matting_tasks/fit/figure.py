"""Where a person stands and in what light, and the filling of outlines in that light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from matting_tasks.fit.shapes import F32, F64, bounds, cover, place
from matting_tasks.fit.sheets import lay, lit, relief


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """Say where a person stands and in what light: `head` (2,) pixels, `unit` half a head's width in pixels."""

    head: F64
    unit: float
    lean: float  # of the body, radians
    tilt: float  # of the head, radians
    turn: float  # of the face to a side, -1..1
    light: tuple[float, float]  # towards the light, x and y, length 0..1
    tone: F32  # of the skin (3,) RGB 0..255
    hair: F32  # (3,) RGB 0..255
    longness: float  # half a head's height over half its width
    neck: float  # from the chin to between the shoulders, in units


def neck_base(figure: Figure) -> F64:
    """Return the point (2,) in pixels where the neck meets the shoulders."""
    return place(np.array([0.0, figure.longness + figure.neck]), figure.head, figure.unit, figure.lean)


def fill(sheet: F32, outlines: list[F64], figure: Figure, surface: F32, depth: float = 0.3) -> None:
    """Fill outlines (pixels) of the sheet with a colour (3,) or a surface of its size (H, W, 3), lit, in place."""
    box = bounds(np.concatenate(outlines), sheet.shape[:2])
    if box is None:
        return
    mask = cover(outlines, box)
    y0, y1, x0, x1 = box
    colour = surface if surface.ndim == 1 else surface[y0:y1, x0:x1]
    shade = np.clip(1 + 0.75 * relief(mask, figure.light, max(2.0, depth * figure.unit)), 0.25, 1.6)
    lay(sheet, box, lit(colour, shade), mask)
