"""The last step of a cutout: its colours and its sharpness, for all frames alike."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from matting_tasks.fit.shapes import F32

_SIDE_PX = 320  # the side of a picture for which the blur is given


@dataclass(frozen=True, slots=True, eq=False)
class Finish:
    """Say how to change sheets: a colour matrix (4, 4) on RGB times alpha and alpha, and a blur."""

    matrix: NDArray[np.float64]
    blur_px: float


def any_finish(rng: np.random.Generator, size: tuple[int, int]) -> Finish:
    """Draw a finish for pictures of `size` (height, width): gains, saturation, a lift of the blacks, defocus."""
    spread = rng.choice([0.02, 0.08, 0.2])
    gain = np.exp(rng.normal(0, spread, 3)) * rng.uniform(0.6, 1.25)
    grey, lift = rng.choice([0.0, rng.uniform(-0.3, 0.6)]), rng.choice([0.0, rng.uniform(0, 25)])
    matrix = np.eye(4)
    matrix[:3, :3] = gain[:, None] * ((1 - grey) * np.eye(3) + grey / 3)
    matrix[:3, 3] = lift
    blur = float(rng.choice([0.0, 0.0, 0.0, rng.uniform(0.3, 1.0), rng.uniform(0.6, 2.2)]))
    return Finish(matrix, blur * max(size) / _SIDE_PX)


def finished(sheet: F32, finish: Finish) -> F32:
    """Return a sheet (H, W, 4) with colours changed and, where it is blurred, colour and alpha softened together."""
    if finish.blur_px > 0.25:
        sheet = cv2.GaussianBlur(sheet, (0, 0), finish.blur_px)
    changed: F32 = cv2.transform(sheet, finish.matrix)
    return changed
