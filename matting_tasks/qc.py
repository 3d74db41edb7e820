"""Measures of a matte: sums over pixels on the device, shapes on the lowres mask."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

SOFT = (0.05, 0.95)
"""Alpha between these is soft."""
SMALLEST_COMPONENT = 1e-4
"""Components of a smaller share of the visible pixels are not counted."""
INSIDE = 127
"""A lowres mask above this is inside the matte."""


@dataclass(frozen=True, slots=True)
class ShapeMeasures:
    """Shapes of one lowres mask: 8-connected components, the largest one's share of the matte, border contact.

    Border contact is the share of each side of the visible rectangle that the matte touches, 0..1.
    """

    n_components: int
    largest_component: float
    border_top: float
    border_bottom: float
    border_left: float
    border_right: float


def measure_alpha(alpha: Tensor, visible: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return coverage and soft fraction, each (T,) float, of alpha (T, H, W) that is 0 outside `visible`."""
    n_pixels = alpha.shape[-1] * alpha.shape[-2]
    n_visible = n_pixels if visible is None else visible.sum(dim=(1, 2)).clamp(min=1)
    soft = torch.count_nonzero((alpha > SOFT[0]) & (alpha < SOFT[1]), dim=(1, 2))
    return alpha.sum(dim=(1, 2)) / n_visible, soft / n_visible


def measure_error(error: Tensor, kept: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return mean and 99th percentile, each (T,) float, of the model's error map (T, h, w), visible pixels only.

    kept: (T, h, w) bool, the pixels of the map that count; see `mostly_visible`.
    """
    error = error.float()
    kept = torch.ones_like(error, dtype=torch.bool) if kept is None else kept
    n_kept = kept.sum(dim=(1, 2)).clamp(min=1)
    n_top = (error.shape[-2] * error.shape[-1] - 1) // 100 + 1
    ranked = torch.where(kept, error, -1.0).flatten(1).topk(n_top, dim=1).values
    place = (n_kept - 1) // 100
    return (error * kept).sum(dim=(1, 2)) / n_kept, ranked.gather(1, place[:, None])[:, 0].clamp(min=0)


def mostly_visible(visible: Tensor, size: tuple[int, int]) -> Tensor:
    """Return which pixels of a map of (h, w) are visible over most of their area, of `visible` (H, W) bool."""
    return F.interpolate(visible[None, None].float(), size, mode="area")[0, 0] > 0.5


def measure_shape(lowres: np.ndarray, visible: np.ndarray | None = None) -> ShapeMeasures:
    """Measure a lowres mask (h, w) uint8; `visible` (h, w) bool is True where all of the pixel is visible."""
    inside = (lowres > INSIDE).astype(np.uint8)
    n_visible = lowres.size if visible is None else max(int(visible.sum()), 1)
    _, _, stats, _ = cv2.connectedComponentsWithStats(inside, connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    areas = areas[areas > SMALLEST_COMPONENT * n_visible]
    largest = float(areas.max() / areas.sum()) if len(areas) else 0.0
    top, bottom, left, right = _visible_rectangle(visible, lowres.shape)
    window = inside[top : bottom + 1, left : right + 1]
    sides = (window[0], window[-1], window[:, 0], window[:, -1])
    return ShapeMeasures(len(areas), largest, *(float(side.mean()) for side in sides))


def _visible_rectangle(visible: np.ndarray | None, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Return the first and last visible row, and the first and last visible column."""
    if visible is None or not visible.any():
        return 0, shape[0] - 1, 0, shape[1] - 1
    rows, columns = np.flatnonzero(visible.any(axis=1)), np.flatnonzero(visible.any(axis=0))
    return int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1])
