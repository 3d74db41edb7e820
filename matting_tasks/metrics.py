"""Metrics: how far a matte is from the true one, in the six numbers of the literature, each variant named."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

SIGMA = 1.4
EPSILON = 1e-2
STEPS = 10
THETA = 0.15
SOFT = (0.05, 0.95)
TRIMAP_UNKNOWN = (64, 192)

NAMES = ("mad", "mse", "sad", "grad", "conn", "dtssd")


@dataclass(frozen=True, slots=True)
class Scores:
    """The metrics of one picture, or means of them; None where there is nothing to measure.

    mad: mean |p - g| x 1e3; mse: mean (p - g)^2 x 1e3; sad: sum |p - g| / 1000; grad and conn: sums / 1000; dtssd:
    against the frame before, x 1e2.
    """

    mad: float | None = None
    mse: float | None = None
    sad: float | None = None
    grad: float | None = None
    conn: float | None = None
    dtssd: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ErrorMaps:
    """What is summed, pixel by pixel: all (H, W) float64, 0 where the mattes agree."""

    absolute: np.ndarray
    squared: np.ndarray
    gradient: np.ndarray
    connectivity: np.ndarray


def as_alpha(pixels: np.ndarray) -> np.ndarray:
    """Return a mask (H, W) uint8 or uint16 as alpha, float64 in 0..1; floats are taken as they are."""
    if pixels.dtype.kind == "u":
        return pixels.astype(np.float64) / np.iinfo(pixels.dtype).max
    return pixels.astype(np.float64)


def error_maps(pred: np.ndarray, true: np.ndarray, stretched: bool = False) -> ErrorMaps:
    """Compare two mattes (H, W) float64, 0..1; `stretched`: each is brought to the range 0..1 for the gradient.

    Raises ValueError for two sizes.
    """
    if pred.shape != true.shape:
        raise ValueError(f"mattes of two sizes: {pred.shape} and {true.shape}")
    difference = pred - true
    grad = gradient(_stretch(pred) if stretched else pred) - gradient(_stretch(true) if stretched else true)
    return ErrorMaps(np.abs(difference), difference**2, grad**2, _connectivity_error(pred, true))


def scores_of(maps: ErrorMaps, region: np.ndarray | None = None, change: np.ndarray | None = None) -> Scores:
    """Sum error maps over a region (H, W) bool, or the whole picture; `change` is that of `change_map`."""
    absolute, squared, grad, conn = (
        float(part.sum() if region is None else part[region].sum())
        for part in (maps.absolute, maps.squared, maps.gradient, maps.connectivity)
    )
    n = maps.absolute.size if region is None else int(np.count_nonzero(region))
    return Scores(
        mad=absolute / n * 1e3 if n else None,
        mse=squared / n * 1e3 if n else None,
        sad=absolute / 1e3,
        grad=grad / 1e3,
        conn=conn / 1e3,
        dtssd=None if change is None else dtssd(change, region),
    )


def mad(pred: np.ndarray, true: np.ndarray) -> float:
    """Return the mean absolute difference of two masks or mattes (H, W), x 1e3, over the whole picture."""
    return float(np.abs(as_alpha(pred) - as_alpha(true)).mean() * 1e3)


def change_map(pred: np.ndarray, pred_before: np.ndarray, true: np.ndarray, true_before: np.ndarray) -> np.ndarray:
    """Return ((p_t - p_t-1) - (g_t - g_t-1))^2, (H, W) float64, of mattes (H, W) float64 in 0..1."""
    change: np.ndarray = ((pred - pred_before) - (true - true_before)) ** 2
    return change


def dtssd(change: np.ndarray, region: np.ndarray | None = None) -> float | None:
    """Return the root of the mean of a change map, x 1e2 (Erofeev et al. 2015); None for an empty region."""
    chosen = change if region is None else change[region]
    return float(np.sqrt(chosen.mean()) * 1e2) if chosen.size else None


def gradient(alpha: np.ndarray) -> np.ndarray:
    """Return the magnitude of the gradient of a matte, (H, W) float64 both, by gaussian derivatives.

    Filters of sigma 1.4, cut where the gaussian falls below 1e-2, of L2 norm 1; borders are replicated (Rhemann et al.
    2009, A perceptually motivated online benchmark for image matting).
    """
    smooth, slope = gaussian_filters()
    along_x = cv2.sepFilter2D(alpha, cv2.CV_64F, slope, smooth, borderType=cv2.BORDER_REPLICATE)
    along_y = cv2.sepFilter2D(alpha, cv2.CV_64F, smooth, slope, borderType=cv2.BORDER_REPLICATE)
    magnitude: np.ndarray = np.hypot(along_x, along_y)
    return magnitude


def gaussian_filters() -> tuple[np.ndarray, np.ndarray]:
    """Return a gaussian and its derivative, (9,) float64 each; their outer product has the L2 norm 1."""
    half = math.ceil(SIGMA * math.sqrt(-2 * math.log(math.sqrt(2 * math.pi) * SIGMA * EPSILON)))
    at = np.arange(-half, half + 1, dtype=np.float64)
    smooth = np.exp(-(at**2) / (2 * SIGMA**2))
    slope = at * smooth
    return smooth / np.linalg.norm(smooth), slope / np.linalg.norm(slope)


def unknown_of_trimap(trimap: np.ndarray) -> np.ndarray:
    """Return the unknown region of a trimap (H, W) uint8 of about 0, 128 and 255, as (H, W) bool."""
    low, high = TRIMAP_UNKNOWN
    region: np.ndarray = (trimap >= low) & (trimap < high)
    return region


def unknown_of_truth(true: np.ndarray, radius_px: int) -> np.ndarray:
    """Return the band around the soft pixels of a true matte (H, W) float64, as (H, W) bool.

    All above 0.05 dilated, less all from 0.95 eroded, by a square of 2 x radius + 1 pixels; outside the picture nothing
    is eroded.
    """
    square = cv2.getStructuringElement(cv2.MORPH_RECT, (2 * radius_px + 1, 2 * radius_px + 1))
    outer = cv2.dilate((true > SOFT[0]).astype(np.uint8), square)
    inner = cv2.erode((true >= SOFT[1]).astype(np.uint8), square)
    region: np.ndarray = (outer > 0) & (inner == 0)
    return region


def mean_scores(rows: list[Scores]) -> Scores:
    """Return the mean of each metric over the rows that have it."""
    means = {}
    for name in NAMES:
        known = [value for row in rows if (value := getattr(row, name)) is not None]
        means[name] = math.fsum(known) / len(known) if known else None
    return Scores(**means)


def _connectivity_error(pred: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Return |phi(pred) - phi(true)|, (H, W) float64 (Rhemann et al. 2009, section 4)."""
    level = np.ones(pred.shape)
    inside = np.ones(pred.shape, dtype=bool)
    for step in range(1, STEPS + 1):
        threshold = step / STEPS
        part = _largest_part((pred >= threshold) & (true >= threshold))
        left = inside & ~part
        level[left] = (step - 1) / STEPS
        inside &= part
        if not inside.any():
            break
    difference: np.ndarray = np.abs(_phi(pred, level) - _phi(true, level))
    return difference


def _phi(alpha: np.ndarray, level: np.ndarray) -> np.ndarray:
    distance = alpha - level
    phi: np.ndarray = 1 - distance * (distance >= THETA)
    return phi


def _largest_part(mask: np.ndarray) -> np.ndarray:
    """Return the largest 4-connected part of a mask (H, W) bool; of equal ones the first in reading order."""
    n_labels, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    if n_labels < 2:
        return np.zeros(mask.shape, dtype=bool)
    areas = stats[1:, cv2.CC_STAT_AREA]
    largest = np.flatnonzero(areas == areas.max()) + 1
    if len(largest) > 1:
        flat = labels.ravel()
        largest = flat[np.isin(flat, largest)][:1]
    part: np.ndarray = labels == largest[0]
    return part


def _stretch(alpha: np.ndarray) -> np.ndarray:
    low, high = alpha.min(), alpha.max()
    stretched: np.ndarray = (alpha - low) / (high - low) if high > low else np.zeros_like(alpha)
    return stretched


def variant(region: str, stretched: bool = False) -> str:
    """Name the variant of every metric in words; `region` says where they are summed."""
    mattes = "mattes stretched to 0..1" if stretched else "mattes not stretched"
    low, high = TRIMAP_UNKNOWN
    regions = {
        "whole": "whole picture",
        "trimap": f"unknown region of the trimap ({low} to {high - 1})",
    }
    return (
        "MAD = mean |p - g| x 1e3; MSE = mean (p - g)^2 x 1e3; SAD = sum |p - g| / 1000; "
        "Grad = sum of squared differences of the gradient's magnitude / 1000 (gaussian derivatives, sigma 1.4, "
        f"9x9 by epsilon 1e-2, L2 norm 1, borders replicated, {mattes}); "
        "Conn = sum |phi(p) - phi(g)| / 1000 (steps of 0.1, theta 0.15, largest 4-connected part); "
        "dtSSD = sqrt(mean ((p_t - p_t-1) - (g_t - g_t-1))^2) x 1e2 (first frame of a clip not counted); "
        f"alpha 0..1; region: {regions.get(region, region)}; means: over files, dtSSD over the frames that have one"
    )
