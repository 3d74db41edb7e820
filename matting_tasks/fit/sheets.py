"""Sheets: colour times alpha and alpha, (H, W, 4) float32 with RGB 0..255 and alpha 0..1, laid one over the other."""

from __future__ import annotations

import cv2
import numpy as np

from matting_tasks.fit.records import U8
from matting_tasks.fit.shapes import F32, Box


def blank(size: tuple[int, int]) -> F32:
    """Return an empty sheet of a picture (height, width)."""
    return np.zeros((*size, 4), np.float32)


def lay(sheet: F32, box: Box, colour: F32, mask: F32) -> None:
    """Lay colour (h, w, 3) RGB 0..255 with mask (h, w) 0..1 over a box of the sheet, in place."""
    y0, y1, x0, x1 = box
    part = sheet[y0:y1, x0:x1]
    solid = cv2.merge([*cv2.split(np.asarray(colour, np.float32)), np.ones_like(mask)])
    cv2.multiply(part, cv2.merge([1 - mask] * 4), dst=part)
    cv2.accumulateProduct(solid, cv2.merge([mask] * 4), part)


def lay_sheet(below: F32, above: F32) -> None:
    """Lay one sheet over another of its size, in place."""
    cv2.multiply(below, cv2.merge([1 - above[..., 3]] * 4), dst=below)
    cv2.accumulate(above, below)


def noise(rng: np.random.Generator, size: tuple[int, int], cells: tuple[int, int]) -> F32:
    """Make a smooth field (height, width) of about unit variance, with so many cells down and across."""
    grid = rng.standard_normal((cells[0] + 1, cells[1] + 1)).astype(np.float32)
    way = cv2.INTER_CUBIC if cells[0] * cells[1] < 1000 else cv2.INTER_LINEAR
    field: F32 = cv2.resize(grid, (size[1], size[0]), interpolation=way)
    return field


def lit(colour: F32, shade: F32) -> F32:
    """Multiply a colour (3,) or a surface (h, w, 3), RGB 0..255, by a field of light (h, w)."""
    if colour.ndim == 1:
        product: F32 = cv2.merge([shade * value for value in colour.astype(np.float32)])
    else:
        product = cv2.multiply(np.asarray(colour, np.float32), cv2.merge([shade] * 3), dtype=cv2.CV_32F)
    return product


def relief(mask: F32, light: tuple[float, float], depth_px: float) -> F32:
    """Shade a mask (h, w) as a body bulging towards the viewer: about -1..1, bright where it faces `light` (x, y)."""
    height, width = mask.shape
    step = max(1, int(depth_px / 4))
    small = cv2.resize(mask, (max(4, width // step), max(4, height // step)), interpolation=cv2.INTER_AREA)
    sigma = max(0.8, depth_px / step)
    small = cv2.GaussianBlur(small, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    slope_y, slope_x = np.gradient(small)
    facing = -(slope_x * light[0] + slope_y * light[1]) * sigma * 2.5
    field: F32 = cv2.resize(facing.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return field


def straight(sheet: F32) -> tuple[U8, U8]:
    """Divide a sheet into colour (H, W, 3) and alpha (H, W), uint8; where alpha is 0 the colours nearby run on."""
    height, width = sheet.shape[:2]
    small = cv2.resize(sheet, (max(2, width // 6), max(2, height // 6)), interpolation=cv2.INTER_AREA)
    near = cv2.GaussianBlur(small, (0, 0), 1.2) + 0.02 * cv2.GaussianBlur(small, (0, 0), 5)
    near += 1e-4 * small.mean((0, 1)) + 1e-9
    near[..., :3] /= near[..., 3:]
    around = cv2.resize(near[..., :3], (width, height), interpolation=cv2.INTER_LINEAR)
    colour = (sheet[..., :3] + 0.004 * around) / (cv2.merge([sheet[..., 3]] * 3) + 0.004)
    return (
        cv2.convertScaleAbs(np.maximum(colour, 0)),
        cv2.convertScaleAbs(sheet[..., 3], alpha=255),
    )
