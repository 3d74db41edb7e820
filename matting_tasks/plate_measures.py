"""Measures of a plate beside a frame: gain, shift, residual and shadow of the background, on small copies of both."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

SMALL_PX = 256
"""Side of the copies that are measured, whatever the shape of the picture: that of the lowres masks."""
DARK, BRIGHT = 12, 248
"""Levels below are too noisy for a ratio, levels above may be clipped."""
LEAST_BACKGROUND = 0.02
"""Share of the picture below which the background tells nothing."""
MARGIN_PX = 7
"""The matte is widened by so much: fine hair reaches further than its alpha tells."""
SHADOW = 0.9
"""The background is in shadow where every channel is below this share of the plate (times the gain)."""
OBSERVABLE = 9.0
"""Peak-to-sidelobe ratio from which a shift counts; of plain walls with noise it stays below 6."""
STEP = 2
"""Every second pixel of every second row is enough for a median, and half the size for a shift."""
FARTHEST = 0.06
"""Shifts up to this share of a side are looked for."""
COARSE_PX, FINE_PX = 3.0, 1.2
"""Structure wider than the first is lighting; what is narrower than the second is taken for noise."""
BAND = 0.18
"""Width of the frequencies that are correlated, in cycles a pixel."""
PEAK_PX = 5
"""What is so near to the highest point of a correlation belongs to it."""
_MAD = 1.4826
"""The standard deviation of normal noise over its median absolute deviation."""

F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Beside:
    """A frame and its plate as they are measured: (256, 256, 3) uint8 each, of pictures of that shape."""

    frame: np.ndarray
    plate: np.ndarray
    height_over_width: float


@dataclass(frozen=True, slots=True)
class PlateMeasures:
    """How a frame's background fits its plate; None is what cannot be told.

    plate_gain: |gain - 1| of the channel that is furthest from 1. plate_shift: share of the width. plate_residual:
    median difference over the noise. plate_shadow: share of the background, 0..1.
    """

    plate_gain: float | None = None
    plate_shift: float | None = None
    plate_residual: float | None = None
    plate_shadow: float | None = None


@dataclass(frozen=True, slots=True)
class Shift:
    """How far a frame lies right of and below its plate, in pixels, and how far the peak stands out of the rest."""

    right_px: float
    down_px: float
    peak_to_sidelobe: float

    def of_width(self, side_px: int, height_over_width: float) -> float:
        """Return its length as a share of the width, in square copies of pictures of that shape."""
        return float(np.hypot(self.right_px, self.down_px * height_over_width) / side_px)


def to_small(pixels: np.ndarray) -> NDArray[np.uint8]:
    """Average a picture (H, W, 3) uint8 over areas to the copy that is measured, (256, 256, 3) uint8."""
    small: NDArray[np.uint8] = cv2.resize(pixels, (SMALL_PX, SMALL_PX), interpolation=cv2.INTER_AREA)
    return small


def measure_plate(beside: Beside, lowres: np.ndarray, visible: Mask | None) -> PlateMeasures:
    """Measure a frame beside its plate, outside the lowres mask (h, w) uint8.

    visible: (256, 256) bool, or None where all is. Definitions: median of frame over plate; phase correlation of what
    is left of both without their coarse structure; median of |frame - gain * plate| over the noise, which is the
    median absolute deviation of the frame's fine structure; see docs/check.md.
    """
    frame, plate, where = beside.frame, beside.plate, background_of(lowres, visible)
    if where.mean() < LEAST_BACKGROUND:
        return PlateMeasures()
    sparse = where[::STEP, ::STEP]
    thin_frame, thin_plate = frame[::STEP, ::STEP], plate[::STEP, ::STEP]
    gain = gain_of(thin_frame, thin_plate, sparse)
    if gain is None:
        return PlateMeasures()
    difference, shadow = _compare(thin_frame, thin_plate, sparse, gain)
    half = SMALL_PX // STEP
    grays = [cv2.resize(to_gray(picture), (half, half), interpolation=cv2.INTER_AREA) for picture in (frame, plate)]
    shift = shift_of(grays[0], grays[1], sparse)
    is_seen = shift is not None and shift.peak_to_sidelobe >= OBSERVABLE
    return PlateMeasures(
        plate_gain=float(np.abs(gain - 1).max()),
        plate_shift=shift.of_width(half, beside.height_over_width) if shift is not None and is_seen else None,
        plate_residual=difference / noise_of(frame, where),
        plate_shadow=shadow,
    )


def background_of(lowres: np.ndarray, visible: Mask | None) -> Mask:
    """Return where nothing of the person is, (256, 256) bool, by a lowres mask (h, w) uint8 widened by a margin."""
    if lowres.shape != (SMALL_PX, SMALL_PX):
        lowres = cv2.resize(lowres, (SMALL_PX, SMALL_PX), interpolation=cv2.INTER_AREA)
    size = 2 * MARGIN_PX + 1
    person = cv2.dilate((lowres > 2).astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
    where: Mask = person == 0
    return where if visible is None else where & (cv2.erode(visible.astype(np.uint8), np.ones((5, 5))) > 0)


def gain_of(frame: np.ndarray, plate: np.ndarray, where: Mask) -> F32 | None:
    """Return the median of frame over plate for each channel, (3,), or None where too little can be divided."""
    ours, theirs = frame[where], plate[where]
    usable = ((theirs >= DARK) & (theirs <= BRIGHT) & (ours <= BRIGHT)).all(axis=1)
    if usable.sum() < LEAST_BACKGROUND / 4 * where.size:
        return None
    return np.asarray(np.median(ours[usable] / theirs[usable].astype(np.float32), axis=0), np.float32)


def noise_of(picture: np.ndarray, where: Mask) -> float:
    """Return the standard deviation of a picture's (h, w, 3) noise in levels, by the fine structure of its background.

    Half of the pixels may show edges. At least what rounding to levels makes.
    """
    green = picture[..., 1].astype(np.float32)
    fine = green - cv2.GaussianBlur(green, (0, 0), FINE_PX)
    fine = fine[::STEP, ::STEP][where[::STEP, ::STEP]]
    return max(_MAD * float(np.median(np.abs(fine))), 1 / 12**0.5)


def shift_of(frame: F32, plate: F32, where: Mask) -> Shift | None:
    """Return how far frame (h, w) lies from plate (h, w), by phase correlation of their high-passed pixels in `where`.

    None where one of them is empty. A featureless wall gives a shift with a low peak-to-sidelobe ratio.
    """
    spectra = [cv2.dft(high_pass(gray, where), flags=cv2.DFT_COMPLEX_OUTPUT) for gray in (frame, plate)]
    cross = cv2.mulSpectrums(spectra[0], spectra[1], 0, conjB=True)
    length = cv2.magnitude(cross[..., 0], cross[..., 1])
    if not length.any():
        return None
    cross *= (_band(where.shape) / (length + 1e-9 + 1e-3 * length.mean()))[..., None]
    surface = np.fft.fftshift(cv2.dft(cross, flags=cv2.DFT_INVERSE | cv2.DFT_SCALE | cv2.DFT_REAL_OUTPUT))
    return _peak(surface)


def high_pass(gray: F32, where: Mask) -> F32:
    """Return a picture (h, w) without its coarse structure, and 0 outside `where`, which has no part in it."""
    kept = where.astype(np.float32)
    weight = cv2.GaussianBlur(kept, (0, 0), COARSE_PX)
    coarse = cv2.GaussianBlur(gray * kept, (0, 0), COARSE_PX) / np.maximum(weight, 1e-6)
    return np.asarray((gray - coarse) * kept, np.float32)


def _compare(frame: np.ndarray, plate: np.ndarray, where: Mask, gain: F32) -> tuple[float, float]:
    """Return the median difference in levels and the share in shadow, of the background."""
    expected = plate[where] * gain
    found = frame[where].astype(np.float32)
    shadow = (found < SHADOW * expected).all(axis=1) & (expected.min(axis=1) >= DARK)
    return float(np.median(np.abs(found - expected).max(axis=1))), float(shadow.mean())


def to_gray(picture: np.ndarray) -> F32:
    """Return the luma of a picture (h, w, 3) uint8 RGB as (h, w) levels."""
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.float32)


@lru_cache(maxsize=8)
def _band(shape: tuple[int, int]) -> F32:
    """Return the weights of frequencies, (h, w): the finest are noise, and a wider peak has a place between pixels."""
    rows, columns = np.fft.fftfreq(shape[0]), np.fft.fftfreq(shape[1])
    return np.asarray(np.exp(-(rows[:, None] ** 2 + columns**2) / (2 * BAND**2)), np.float32)


def _peak(surface: F32) -> Shift:
    """Find the highest point of a correlation surface whose middle is no shift, to a fraction of a pixel."""
    height, width = surface.shape
    reach = max(2, round(FARTHEST * width)), max(2, round(FARTHEST * height))
    middle = width // 2, height // 2
    near = surface[middle[1] - reach[1] : middle[1] + reach[1] + 1, middle[0] - reach[0] : middle[0] + reach[0] + 1]
    row, column = np.unravel_index(int(near.argmax()), near.shape)
    y, x = int(row) + middle[1] - reach[1], int(column) + middle[0] - reach[0]
    peak = surface[max(0, y - PEAK_PX) : y + PEAK_PX + 1, max(0, x - PEAK_PX) : x + PEAK_PX + 1]
    n_rest = surface.size - peak.size
    mean = (float(surface.sum()) - float(peak.sum())) / n_rest
    square = (float(np.vdot(surface, surface)) - float((peak * peak).sum())) / n_rest
    ratio = (float(surface[y, x]) - mean) / max(square - mean**2, 1e-24) ** 0.5
    right = x - middle[0] + _between(surface[y, x - 1 : x + 2])
    down = y - middle[1] + _between(surface[y - 1 : y + 2, x])
    return Shift(right, down, float(ratio))


def _between(three: F32) -> float:
    """Return where between the neighbours of a highest value a parabola through all three has its top, -0.5..0.5."""
    before, top, after = (float(value) for value in three)
    bend = before - 2 * top + after
    return 0.0 if bend >= 0 else float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5))
