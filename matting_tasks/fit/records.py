"""What travels between the parts of fitting: cutouts of people, and the layers of one example."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Cutout:
    """Hold a person without surroundings, in T frames.

    foreground: (T, H, W, 3) uint8, RGB, not multiplied by alpha. alpha: (T, H, W) uint8.
    """

    foreground: U8
    alpha: U8


@dataclass(frozen=True, slots=True, eq=False)
class Layers:
    """Hold one example before it is composed and disturbed.

    foreground: (T, H, W, 3) uint8, RGB, and alpha: (T, H, W) uint8, of the person. background: (H, W, 3) uint8, RGB,
    the empty set as it is.
    """

    foreground: U8
    alpha: U8
    background: U8
