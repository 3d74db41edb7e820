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
LARGE_ERROR = 0.1
"""An error above this wants to be refined."""
INSIDE = 127
"""A lowres mask above this is inside the matte."""


@dataclass(frozen=True, slots=True)
class ShapeMeasures:
    """Shapes of one lowres mask: 8-connected components, the largest one's share of the matte, border contact.

    Border contact is the share of each side of the visible rectangle that the matte touches, 0..1. `edge_width` is
    soft pixels over the length of the outline, in pixels of the mask, `holes` the largest enclosed hole over the
    matte's area; both None where there is no matte.
    """

    n_components: int
    largest_component: float
    border_top: float
    border_bottom: float
    border_left: float
    border_right: float
    edge_width: float | None
    holes: float | None


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
    touched = tuple(float(side.mean()) for side in sides)
    return ShapeMeasures(
        n_components=len(areas),
        largest_component=largest,
        border_top=touched[0],
        border_bottom=touched[1],
        border_left=touched[2],
        border_right=touched[3],
        edge_width=_edge_width(lowres, inside, visible),
        holes=_holes(inside),
    )


def measure_starvation(error: Tensor, kept: Tensor | None, n_cells: int | None, threshold: float) -> Tensor:
    """Return the share of the pixels of large error that were not refined, (T,) float; 0 where there are none.

    error: (T, h, w), kept: (T, h, w) bool as for `measure_error`. Of each picture the `n_cells` pixels of largest error
    were refined; None: all those above `threshold`.
    """
    large = error.float() > LARGE_ERROR
    large = large if kept is None else large & kept
    n_large = large.sum(dim=(1, 2))
    if n_cells is None:
        n_left = (large & (error.float() <= threshold)).sum(dim=(1, 2))
    else:
        n_left = (n_large - n_cells).clamp(min=0)
    return n_left / n_large.clamp(min=1)


def _edge_width(lowres: np.ndarray, inside: np.ndarray, visible: np.ndarray | None) -> float | None:
    """Return soft pixels over the length of the outline; where the matte meets the border is no outline."""
    kept = np.ones(lowres.shape, bool) if visible is None else visible
    across = (inside[:, 1:] != inside[:, :-1]) & kept[:, 1:] & kept[:, :-1]
    down = (inside[1:] != inside[:-1]) & kept[1:] & kept[:-1]
    n_steps = np.count_nonzero(across) + np.count_nonzero(down)
    soft = (lowres > SOFT[0] * 255) & (lowres < SOFT[1] * 255) & kept
    # a line crosses 4 / pi as many borders of pixels as it is long, the mean over all directions (Crofton)
    return float(np.count_nonzero(soft) / (n_steps * np.pi / 4)) if n_steps else None


def _holes(inside: np.ndarray) -> float | None:
    """Return the area of the largest enclosed hole over that of the matte: hair encloses many small ones."""
    area = np.count_nonzero(inside)
    if not area:
        return None
    outside = cv2.copyMakeBorder(1 - inside, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1)
    cv2.floodFill(outside, None, (0, 0), 0, flags=4)
    _, _, stats, _ = cv2.connectedComponentsWithStats(outside, connectivity=4)
    return float(stats[1:, cv2.CC_STAT_AREA].max(initial=0) / area)


def _visible_rectangle(visible: np.ndarray | None, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Return the first and last visible row, and the first and last visible column."""
    if visible is None or not visible.any():
        return 0, shape[0] - 1, 0, shape[1] - 1
    rows, columns = np.flatnonzero(visible.any(axis=1)), np.flatnonzero(visible.any(axis=0))
    return int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1])
