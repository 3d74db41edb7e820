"""Cutouts from pictures: colours carried on beyond the alpha's edge, and a person put at a random place and size."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from matting_tasks.fit.records import U8

F32 = NDArray[np.float32]

_PURE = (0, 8)
_PHOTOGRAPH = (150, 245)
"""From which alpha on colours begin to be the person's, and are wholly so; a photograph's are mixed at the edge."""

_DETAIL = 1.5  # mean absolute Laplacian in levels: JPEG leaves less on flat colour, a photograph has more
_SIZES = (0.55, 1.25)  # of the person, of the largest that the frame holds
_OVERHANG = 0.15  # of the person's width or height, on a side
_TOUCHES = 0.2  # of the person's side, from which on a picture cuts the person off there


@dataclass(frozen=True, slots=True)
class Extent:
    """Where a person is in pictures of `size` (height, width): from first to behind last, and whether a side cuts it.

    `spans` and `cut` are vertical and horizontal; `cut` says so for the beginning and the end of each.
    """

    size: tuple[int, int]
    spans: tuple[tuple[int, int], tuple[int, int]]
    cut: tuple[tuple[bool, bool], tuple[bool, bool]]


@dataclass(frozen=True, slots=True)
class Placing:
    """Where a picture comes to lie: pixel edges of the frame = scale x edges of the picture + offsets (y, x)."""

    scale: float
    offsets: tuple[float, float]

    def towards(self, other: Placing, share: float) -> Placing:
        """Return the placing a share (0..1) of the way to another."""
        y, x = (a + (b - a) * share for a, b in zip(self.offsets, other.offsets, strict=True))
        return Placing(self.scale + (other.scale - self.scale) * share, (y, x))


def is_photograph(foreground: U8, alpha: U8) -> bool:
    """Tell whether the surroundings of a person, (H, W, 3) with alpha (H, W), are still there: they have detail."""
    empty = cv2.erode(np.asarray(alpha == 0, np.uint8), np.ones((9, 9), np.uint8)) > 0
    if not empty.any():
        return False
    detail = np.abs(cv2.Laplacian(cv2.cvtColor(foreground, cv2.COLOR_RGB2GRAY), cv2.CV_16S))
    return float(detail[empty].mean()) > _DETAIL


def spread_colours(foreground: U8, alpha: U8, photograph: bool) -> U8:
    """Fill what is not the person's colour, (H, W, 3) RGB with alpha (H, W), from the parts nearby that are.

    Outside of the person all is filled; in a photograph also where alpha is low, for the old surroundings show there.
    Pull and push over a pyramid of halves (Gortler et al. 1996, The Lumigraph).
    """
    low, high = _PHOTOGRAPH if photograph else _PURE
    sure = np.clip((alpha.astype(np.float32) - low) / (high - low), 0, 1)
    weight = sure + alpha.astype(np.float32) * np.float32(1e-5) + np.float32(1e-9)
    filled = _pull_push(foreground.astype(np.float32) * weight[..., None], weight)
    mixed = filled + (foreground - filled) * sure[..., None]
    return np.asarray(np.clip(mixed + np.float32(0.5), 0, 255), np.uint8)


def shrink(foreground: U8, alpha: U8, long_side: int, photograph: bool) -> tuple[U8, U8]:
    """Shrink a picture (H, W, 3) and its alpha (H, W); colours that are not the person's count only in a photograph."""
    scale = long_side / max(alpha.shape)
    if scale >= 1:
        return foreground, alpha
    size = max(round(alpha.shape[1] * scale), 1), max(round(alpha.shape[0] * scale), 1)
    small: U8 = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)
    if photograph:
        return cv2.resize(foreground, size, interpolation=cv2.INTER_AREA), small
    seen = cv2.resize(
        cv2.multiply(foreground, cv2.merge([alpha] * 3), scale=1 / 255), size, interpolation=cv2.INTER_AREA
    )
    colours = seen * (np.float32(255) / np.maximum(small, 1).astype(np.float32))[..., None]
    return np.asarray(np.clip(colours + np.float32(0.5), 0, 255), np.uint8), small


def extent_of(alphas: U8) -> Extent:
    """Return where the person is in all frames together: alphas (T, H, W)."""
    shown = alphas.max(axis=0) > 127
    if not shown.any():
        shown = np.ones_like(shown)
    spans, cut = [], []
    for axis in (1, 0):
        where = np.flatnonzero(shown.any(axis=axis))
        spans.append((int(where[0]), int(where[-1]) + 1))
        edges = shown.take([0, -1], axis=1 - axis).sum(axis=axis)
        across = np.count_nonzero(shown.any(axis=1 - axis))
        cut.append((bool(edges[0] > _TOUCHES * across), bool(edges[1] > _TOUCHES * across)))
    return Extent((shown.shape[0], shown.shape[1]), (spans[0], spans[1]), (cut[0], cut[1]))


def choose_placing(rng: np.random.Generator, extent: Extent, size: tuple[int, int]) -> Placing:
    """Choose where a person comes to lie in a frame (height, width): most of it seen, no cut side inside the frame."""
    largest = min(side / (last - first) for side, (first, last) in zip(size, extent.spans, strict=True))
    scale = _least(extent, size, largest * rng.uniform(*_SIZES))
    y, x = (float(rng.uniform(*_range(extent, size, scale, axis))) for axis in (0, 1))
    return Placing(scale, (y, x))


def nudge(rng: np.random.Generator, placing: Placing, extent: Extent, size: tuple[int, int]) -> Placing:
    """Return a placing near another, within the same bounds: where a person drifts to."""
    scale = _least(extent, size, placing.scale * rng.uniform(0.93, 1.08))
    y, x = (
        float(np.clip(placing.offsets[axis] + rng.normal(0, 0.08) * size[axis], *_range(extent, size, scale, axis)))
        for axis in (0, 1)
    )
    return Placing(scale, (y, x))


def put(foreground: U8, alpha: U8, placing: Placing, size: tuple[int, int]) -> tuple[U8, U8]:
    """Return a picture (H, W, 3) and its alpha (H, W) as they lie in a frame (height, width), alpha 0 around them."""
    tall, wide = alpha.shape
    if placing.scale < 1:
        tall, wide = (max(round(side * placing.scale), 1) for side in alpha.shape)
        foreground = cv2.resize(foreground, (wide, tall), interpolation=cv2.INTER_AREA)
        alpha = cv2.resize(alpha, (wide, tall), interpolation=cv2.INTER_AREA)
    y, x = placing.offsets
    left = placing.scale if placing.scale >= 1 else 1.0
    # pixel centres lie half a pixel behind edges
    shift = (left - 1) / 2
    matrix = np.asarray([[left, 0, x + shift], [0, left, y + shift]], np.float64)
    frame = size[1], size[0]
    placed: U8 = cv2.warpAffine(foreground, matrix, frame, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return placed, cv2.warpAffine(alpha, matrix, frame, flags=cv2.INTER_LINEAR)


def _least(extent: Extent, size: tuple[int, int], scale: float) -> float:
    """Return a scale at which no two opposite sides that cut the person lie inside the frame."""
    fills = [(side + 4) / own for side, own, cut in zip(size, extent.size, extent.cut, strict=True) if all(cut)]
    return float(max([scale, *fills]))


def _range(extent: Extent, size: tuple[int, int], scale: float, axis: int) -> tuple[float, float]:
    """Return the least and the greatest offset along an axis."""
    first, last = (scale * edge for edge in extent.spans[axis])
    spare = _OVERHANG * (last - first)
    low, high = sorted((-first - spare, size[axis] - last + spare))
    begins, ends = extent.cut[axis]
    if begins:
        high = min(high, -2.0)
        low = min(low, high)
    if ends:
        low = max(low, size[axis] - scale * extent.size[axis] + 2)
        high = max(low, high)
    return low, high


def _pull_push(colours: F32, weight: F32) -> F32:
    """Return colours (H, W, 3), given times their weight (H, W), with those of coarser pictures where it is low."""
    height, width = weight.shape
    own = colours / weight[..., None]
    if max(height, width) <= 2:
        return np.asarray(own, np.float32)
    half = (max(width // 2, 1), max(height // 2, 1))
    below_weight = cv2.resize(weight, half, interpolation=cv2.INTER_AREA)
    below = _pull_push(cv2.resize(colours, half, interpolation=cv2.INTER_AREA).reshape(*half[::-1], 3), below_weight)
    coarse = cv2.resize(below, (width, height), interpolation=cv2.INTER_LINEAR)
    share = np.minimum(weight, 1)[..., None]
    return np.asarray(coarse + (own - coarse) * share, np.float32)
