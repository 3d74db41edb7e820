"""Temporal measures: how a matte differs from those before and after it; pure, on lowres masks of one camera."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

INSIDE = 127
"""A lowres mask above this is inside the matte, as it is to `qc.measure_shape`."""
BAND = 0.02
"""Half-width of an outline over the picture's diagonal (Cheng et al. 2021, "Boundary IoU", section 4)."""
SAME_PICTURE = 3
"""Grey levels (0..255) by which a smoothed lowres picture may differ where nothing moves: noise leaves 1 to 2."""
STILL_MARGIN_PX = 9
"""Side of the square around a lowres pixel in which nothing may move for the pixel to be still."""

Look = tuple[np.ndarray | None, np.ndarray | None, bool]
"""Of one frame: its lowres mask (h, w) uint8 or None, its lowres picture (h, w) uint8 grey or None, and whether it
follows the frame before it in the stream without a gap."""


@dataclass(frozen=True, slots=True, eq=False)
class Changes:
    """What the lowres masks of one (sequence, camera) say, each (T,) float64, NaN where it cannot be told.

    `area` in lowres pixels; `iou`, `boundary_iou`, `flicker` beside the frame before; `second_difference` beside both
    neighbours: what of the matte neither of them has, and what both have and it lacks, over its area.
    """

    area: np.ndarray
    iou: np.ndarray
    boundary_iou: np.ndarray
    flicker: np.ndarray
    second_difference: np.ndarray


def measure_changes(looks: Iterable[Look]) -> Changes:
    """Measure the frames of a stream in their order; only three of them are held at a time."""
    rows: list[list[float]] = []
    for place, (before, here, after) in enumerate(_windows(looks)):
        rows.append([np.nan] * 5)
        mask, picture, follows = here
        if mask is None:
            continue
        rows[place][0] = area_of(mask)
        if follows and before is not None and before[0] is not None:
            rows[place][1:3] = _overlap(before[0], mask), _boundary_overlap(before[0], mask)
            rows[place][3] = _flicker(before, here)
            if after is not None and after[2] and after[0] is not None:
                rows[place][4] = _second_difference(before[0], mask, after[0])
    table = np.array(rows, dtype=np.float64).reshape(-1, 5)
    return Changes(*(column.copy() for column in table.T))


def area_of(mask: np.ndarray) -> float:
    """Return the area of a mask (h, w) uint8 in pixels, soft ones in part."""
    return float(cv2.sumElems(mask)[0]) / 255


def _windows(looks: Iterable[Look]) -> Iterator[tuple[Look | None, Look, Look | None]]:
    before: Look | None = None
    here: Look | None = None
    for after in looks:
        if here is not None:
            yield before, here, after
        before, here = here, after
    if here is not None:
        yield before, here, None


def _overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Return the soft intersection over union of two masks (h, w) uint8; 1 for two empty ones."""
    union = cv2.sumElems(cv2.max(one, other))[0]
    return float(cv2.sumElems(cv2.min(one, other))[0] / union) if union else 1.0


def _boundary_overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Return the intersection over union of the inner outlines of two masks; 1 where neither has one."""
    first, second = _outline(one), _outline(other)
    union = cv2.countNonZero(cv2.bitwise_or(first, second))
    return cv2.countNonZero(cv2.bitwise_and(first, second)) / union if union else 1.0


def _outline(mask: np.ndarray) -> np.ndarray:
    inside = cv2.threshold(mask, INSIDE, 255, cv2.THRESH_BINARY)[1]
    width_px = max(1, round(BAND * float(np.hypot(*mask.shape))))
    kernel = np.ones((2 * width_px + 1, 2 * width_px + 1), np.uint8)
    # what lies beyond the picture is outside, but no outline: the matte goes on there
    inner = cv2.erode(inside, kernel, borderType=cv2.BORDER_REPLICATE)
    outline: np.ndarray = cv2.subtract(inside, inner)
    return outline


def _flicker(before: Look, here: Look) -> float:
    """Return the change of alpha over the mean area, of pixels around which the picture did not change."""
    (mask_before, picture_before, _), (mask, picture, _) = before, here
    if mask_before is None or mask is None or picture_before is None or picture is None:
        return np.nan
    moved = cv2.absdiff(cv2.blur(picture, (3, 3)), cv2.blur(picture_before, (3, 3)))
    largest = cv2.dilate(moved, np.ones((STILL_MARGIN_PX, STILL_MARGIN_PX), np.uint8))
    still = cv2.threshold(largest, SAME_PICTURE, 255, cv2.THRESH_BINARY_INV)[1]
    changed = cv2.min(cv2.absdiff(mask, mask_before), still)
    mean_area = (area_of(mask) + area_of(mask_before)) / 2
    return area_of(changed) / mean_area if mean_area >= 1 else np.nan


def _second_difference(before: np.ndarray, mask: np.ndarray, after: np.ndarray) -> float:
    """Return what is in a mask and in neither neighbour, and in both and not in it, over the neighbours' mean area.

    An edge that goes on moving lies between its places before and after, and does not count.
    """
    extra = cv2.subtract(mask, cv2.max(before, after))
    lacking = cv2.subtract(cv2.min(before, after), mask)
    mean_area = (area_of(before) + area_of(after)) / 2
    return (area_of(extra) + area_of(lacking)) / max(mean_area, 1.0)
