"""How well a plate fits a frame in which a person stands somewhere, and whose outline the differences follow."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from matting_tasks.plate_measures import BRIGHT, DARK, F32, Mask

SAME = 12.0
"""Levels that frame and plate may differ by, in the worst channel, to show the same."""
NOTABLE = 13.0
"""Levels of difference from which something is there in one of them and not in the other."""
LEAST_PIXELS = 500
"""Fewer pixels tell no gain."""
AS_IT_IS = 0.8
"""No gain is believed in while the plate as it is explains so much of what it would explain with it."""
GAINS = 0.92
"""Logarithm of the largest gain that is looked for, and of the smallest: 0.4 to 2.5."""
GAIN_STEP = 0.02
LEAST_DIFFERENCE = 0.01
"""Share of the picture that must differ for an outline to tell anything."""
CLEARER = 8.0
"""Levels by which the contrast of one must pass the other's to own a piece of outline."""
_OUT_PX, _IN_PX = 4, 3


@dataclass(frozen=True, slots=True)
class Fit:
    """How a plate fits a frame: the share of the pixels that show the same, and the gain (3,) that they need.

    `as_it_is` is their share without any gain.
    """

    share: float
    gain: F32
    as_it_is: float


def fit_plate(frame: np.ndarray, plate: np.ndarray, where: Mask) -> Fit:
    """Fit a plate (h, w, 3) uint8 to a frame (h, w, 3) uint8 by the gain that explains most of the pixels in `where`.

    The person's pixels have all kinds of ratios to the plate's, those of the background one and the same.
    """
    ours, theirs = frame[where].astype(np.float32), plate[where].astype(np.float32)
    if not len(ours):
        return Fit(0.0, np.ones(3, np.float32), 0.0)
    plain, gain = np.ones(3, np.float32), _commonest_gain(ours, theirs)
    as_it_is, with_gain = (float((np.abs(ours - theirs * g).max(axis=1) < SAME).mean()) for g in (plain, gain))
    is_plain = as_it_is >= AS_IT_IS * with_gain
    return Fit(as_it_is, plain, as_it_is) if is_plain else Fit(with_gain, gain, as_it_is)


def foreign_outline(frame: np.ndarray, expected: np.ndarray, differs: np.ndarray, where: Mask) -> tuple[int, int]:
    """Return how much of the outline of what differs is the plate's, and how long it is, both in pixels.

    frame (h, w, 3) uint8, expected (h, w, 3) float32: the plate with its gain; differs: see `differences`. Along the
    outline of a person who stands in the frame alone, the frame has an edge and the plate goes on; along that of one
    who stands in the plate alone it is the other way round. So a person left in a plate owns half of all outlines.
    """
    if differs.sum() < LEAST_DIFFERENCE * where.sum():
        return 0, 0
    inner = cv2.erode(where.astype(np.uint8), np.ones((13, 13), np.uint8)) > 0
    outline = (differs > 0) & (cv2.erode(differs, np.ones((3, 3), np.uint8)) == 0) & inner
    rows, columns = np.nonzero(outline)
    soft = cv2.GaussianBlur(differs.astype(np.float32), (0, 0), 2)
    inwards = [cv2.Sobel(soft, cv2.CV_32F, *order)[outline] for order in ((1, 0), (0, 1))]
    length = np.hypot(*inwards) + 1e-6
    across = np.stack([rows, columns]), np.stack([inwards[1] / length, inwards[0] / length])
    ours, theirs = (_contrast(picture, *across) for picture in (frame.astype(np.float32), expected))
    return int((theirs > ours + CLEARER).sum()), int(((theirs > ours + CLEARER) | (ours > theirs + CLEARER)).sum())


def _commonest_gain(ours: F32, theirs: F32) -> F32:
    """Return the gain (3,) that most pixels (n, 3) have, by a histogram of their logarithms."""
    usable = ((theirs >= DARK) & (theirs <= BRIGHT) & (ours >= DARK / 2) & (ours <= BRIGHT)).all(axis=1)
    if usable.sum() < LEAST_PIXELS:
        return np.ones(3, np.float32)
    ours, theirs = ours[usable], theirs[usable]
    logs = np.log(ours.sum(axis=1) / theirs.sum(axis=1))
    counts, edges = np.histogram(logs, bins=round(2 * GAINS / GAIN_STEP), range=(-GAINS, GAINS))
    place = int(np.convolve(counts, (1, 2, 3, 2, 1), "same").argmax())
    near = np.abs(logs - (edges[place] + GAIN_STEP / 2)) < 3 * GAIN_STEP
    if not near.any():
        return np.ones(3, np.float32)
    return np.asarray(np.median(ours[near] / theirs[near], axis=0), np.float32)


def differences(frame: np.ndarray, expected: np.ndarray, where: Mask) -> np.ndarray:
    """Return where two pictures (h, w, 3) differ over an area, (h, w) uint8 of 0 and 1; thin lines are left out."""
    differs = ((np.abs(frame - expected.astype(np.float32)).max(axis=2) > NOTABLE) & where).astype(np.uint8)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    return np.asarray(cv2.morphologyEx(cv2.morphologyEx(differs, cv2.MORPH_OPEN, kernel), cv2.MORPH_CLOSE, kernel))


def _contrast(picture: F32, places: np.ndarray, inwards: np.ndarray) -> F32:
    """Return the difference (n,) of a picture's levels inside and outside of an outline, of its worst channel."""
    smooth = cv2.GaussianBlur(picture, (0, 0), 1)
    sides = []
    for steps in (_IN_PX, -_OUT_PX):
        moved = np.rint(places + steps * inwards).astype(np.int64)
        sides.append(smooth[moved[0].clip(0, picture.shape[0] - 1), moved[1].clip(0, picture.shape[1] - 1)])
    return np.asarray(np.abs(sides[0] - sides[1]).max(axis=1), np.float32)
