"""Instants: what the cameras of one sequence say together, so that what the scene does is not blamed on a matte; pure.

Tables are (C, N) float64: a row a camera, a column an instant, NaN where a camera has no frame or no mask.
"""

from __future__ import annotations

import warnings

import numpy as np

FEWEST_CAMERAS = 3
"""With fewer nobody can tell the scene from the matte, and a camera is compared with itself."""
LEAST_SPREAD = 0.004
"""Of the change of area: frames that hardly move would else make noise look like jumps."""
LEAST_CHANGE = 0.005
"""Of 1 - IoU, for the same reason."""
NEARBY = 2
"""Frames before and after a border whose change is its usual change."""


def area_jumps(area: np.ndarray, follows: np.ndarray) -> np.ndarray:
    """Return how unusual each change of area (C, N) to the frame before is, as robust z (C, N).

    The change is that of the logarithm, less the median camera's; the spread is the usual camera's (1.4826 times the
    median absolute deviation, the median over cameras), so that a camera that jumps all the time stands out.
    follows: (C, N) bool, the frame before it is there.
    """
    size = np.log(np.maximum(area, 1.0))
    change = np.full(area.shape, np.nan)
    change[:, 1:] = np.where(follows[:, 1:], np.diff(size, axis=1), np.nan)
    change -= _common(change)
    spread = 1.4826 * _median(np.abs(change), axis=1)
    usual = float(_median(spread, axis=0)) if np.isfinite(spread).any() else 0.0
    jumps: np.ndarray = np.abs(change) / max(usual, LEAST_SPREAD)
    return jumps


def relative_overlaps(overlap: np.ndarray) -> np.ndarray:
    """Return overlaps (C, N) over the median camera's of the instant, at most 1: what is left is not the motion.

    With fewer than three cameras over the camera's own median.
    """
    few = np.isfinite(overlap).any(axis=1).sum() < FEWEST_CAMERAS
    usual = _median(overlap, axis=1)[:, None] if few else _median(overlap, axis=0)
    relative: np.ndarray = np.minimum(overlap / np.maximum(usual, 1e-3), 1.0)
    return relative


def beyond_common(values: np.ndarray) -> np.ndarray:
    """Return values (C, N) less the median camera's of the instant, at least 0: the scene moves for all of them.

    With fewer than three cameras less the camera's own median.
    """
    enough = np.isfinite(values).sum(axis=0) >= FEWEST_CAMERAS
    beyond: np.ndarray = np.maximum(
        values - np.where(enough, _median(values, axis=0), _median(values, axis=1)[:, None]), 0.0
    )
    return beyond


def area_ratios(area: np.ndarray) -> np.ndarray:
    """Return each area (C, N) over the median of the instant's cameras, over the camera's own median of that.

    The larger of the ratio and its inverse, so 1 or more; NaN with fewer than three cameras.
    """
    if np.isfinite(area).any(axis=1).sum() < FEWEST_CAMERAS:
        return np.full(area.shape, np.nan)
    share = np.maximum(area, 1.0) / np.maximum(_median(area, axis=0), 1.0)
    ratio = share / _median(share, axis=1)[:, None]
    larger: np.ndarray = np.maximum(ratio, 1 / ratio)
    return larger


def seam_ratios(overlap: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return the change at the first frame of each shard over the usual change nearby, NaN elsewhere.

    The change is 1 - IoU with the frame before, (N,); starts: (N,) bool, True for frames that begin a shard. The usual
    is the largest within two frames before and after: motion that speeds up is no seam.
    """
    change = 1 - overlap
    found = np.full(len(overlap), np.nan)
    for place in np.flatnonzero(starts & np.isfinite(change)):
        near = np.r_[change[max(place - NEARBY, 0) : place], change[place + 1 : place + 1 + NEARBY]]
        near = near[np.isfinite(near)]
        if len(near):
            found[place] = max(change[place], LEAST_CHANGE) / max(float(near.max()), LEAST_CHANGE)
    return found


def _common(change: np.ndarray) -> np.ndarray:
    """Return what the median camera does at each instant, (N,), 0 where too few can tell."""
    enough = np.isfinite(change).sum(axis=0) >= FEWEST_CAMERAS
    common: np.ndarray = np.where(enough, _median(change, axis=0), 0.0)
    return common


def _median(values: np.ndarray, axis: int) -> np.ndarray:
    """Return the median of what is known, NaN where nothing is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of rows without any value
        found: np.ndarray = np.nanmedian(values, axis=axis)
    return found
