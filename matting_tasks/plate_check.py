"""The check of a subject's plates, before anything is matted: small frames and plates in, findings out; pure.

Nobody knows the person's outline yet. So everything is decided by what most pixels, or most of an outline, agree on,
and what cannot be seen, such as a shift before a featureless wall, is no fault.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from matting_tasks.plate_fit import differences, fit_plate, foreign_outline
from matting_tasks.plate_measures import OBSERVABLE, Mask, shift_of, to_gray

LIMITS: Mapping[str, tuple[float, float]] = {
    "shifted": (0.003, 0.01),
    "relit": (0.09, 0.18),
    "swapped": (0.1, 0.15),
    "contaminated": (0.37, 0.39),
}
"""What a value must pass for a warning, and for a failure.

shifted: share of the width. relit: |gain - 1| of the worst channel. Both are what BackgroundMattingV2 was trained to
bear (arXiv 2012.07810). swapped: by which share of the pixels another plate fits better. contaminated: the plate's
share of the outlines; measured, see docs/check.md.
"""
LEAST_FIT = 0.1
"""A plate that explains less of its frame tells nothing more about itself."""
LEAST_OUTLINE = 150
"""Pixels of outline in all frames together, of less nothing is concluded."""
ALIKE = 2.5
"""A plate that differs from the frames less than so many times as they among themselves looks like one of them."""
LESS_SURE = 0.06
"""What is added to the limits of `contaminated` for a plate that does not look like one of the frames."""
FAR_WORSE = 0.6
"""A plate that is a copy is the wrong one for the camera that it fits less than so much as well as the other."""
WORSE = 0.8
"""Likewise for a plate that no other camera has, whatever gain it is given."""
ENCODED_TWICE = 4
"""Levels that a picture changes by when a JPEG is decoded and encoded again."""
STEP = 2
"""Every second pixel of every second row is enough to tell plates apart."""
ADDS = 0.02
"""Share of the pixels that a plate must fit better when it is moved back, if a shift is to be called a failure."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What a camera sees: small frames (256, 256, 3) uint8, its plate likewise, visible (256, 256) bool.

    `plate_path` tells plates apart; `height_over_width` is of the pictures as they are.
    """

    camera: str
    frames: Sequence[np.ndarray]
    plate: np.ndarray
    visible: Mask | None
    height_over_width: float
    plate_path: str = ""


@dataclass(frozen=True, slots=True)
class PlateFault:
    """One fault of a camera's plate: verdict is warn | fail, and value is beyond the limit of that verdict."""

    camera: str
    fault: str
    verdict: str
    value: float
    limit: float


def check_views(views: Sequence[View]) -> list[PlateFault]:
    """Return the faults of the plates of one subject's cameras, in the order of the cameras.

    Deterministic. A camera whose plate is another's is not looked at further. Views without plate or frames are passed
    over, and serve nobody.
    """
    usable = [view for view in views if len(view.frames)]
    swapped = _swapped(usable)
    faults: list[PlateFault] = []
    for view in usable:
        found = swapped.get(view.camera)
        faults += [found] if found is not None else _own_faults(view)
    return faults


def judge(camera: str, fault: str, value: float, leniency: float = 0.0) -> PlateFault | None:
    """Hold a value against the limits of a fault, each raised by `leniency`; None where it is within them."""
    warn, fail = (limit + leniency for limit in LIMITS[fault])
    if value <= warn:
        return None
    return (
        PlateFault(camera, fault, "fail", value, fail)
        if value > fail
        else PlateFault(camera, fault, "warn", value, warn)
    )


def _swapped(views: Sequence[View]) -> dict[str, PlateFault]:
    """Return the cameras whose plate is another's.

    Either a plate fits a camera's frames better than its own does, and better than those of the camera that has it. Or
    two plates are one picture, a copy over one that is lost, and it fits one of the cameras far worse than the other.
    Or a plate fits another camera as it is, and this one far worse by any gain: that camera's may be at fault as well.
    Where all walls look alike, no plate is accused.
    """
    thin = [_thin(view) for view in views]
    fits = [[fit_plate(one.frame, other.plate, one.where & other.where) for other in thin] for one in thin]
    found = {}
    for place, view in enumerate(views):
        own, better = fits[place][place], 0.0
        for n, other in enumerate(views):
            if n == place or (other.plate_path and other.plate_path == view.plate_path):
                continue
            foreign, lent = fits[place][n], fits[n][place]
            if foreign.share > fits[n][n].share:
                better = max(better, foreign.share - own.share)
            if own.as_it_is < FAR_WORSE * lent.as_it_is and _is_same(thin[place], thin[n]):
                better = max(better, lent.as_it_is - own.as_it_is)
            if own.share < WORSE * lent.as_it_is:
                better = max(better, lent.as_it_is - own.share)
        fault = judge(view.camera, "swapped", better)
        if fault is not None:
            found[view.camera] = fault
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Thin:
    """The middle frame of a camera, its plate and what counts, of every second pixel of every second row."""

    frame: np.ndarray
    plate: np.ndarray
    where: Mask


def _thin(view: View) -> _Thin:
    frame, plate, where = view.frames[len(view.frames) // 2], view.plate, _inside(view)
    return _Thin(frame[::STEP, ::STEP], plate[::STEP, ::STEP], where[::STEP, ::STEP])


def _is_same(one: _Thin, other: _Thin) -> bool:
    """Tell whether two plates are one picture, which may have been encoded twice."""
    differences = np.abs(one.plate.astype(np.int16) - other.plate)[one.where & other.where]
    return bool(len(differences)) and float((differences <= ENCODED_TWICE).mean()) > 0.99


def _own_faults(view: View) -> list[PlateFault]:
    """Return what is wrong with a plate that is the camera's own."""
    plate, where = view.plate, _inside(view)
    moved, shifted = _unshifted(view, plate, where)
    fits = [fit_plate(frame, moved, where) for frame in view.frames]
    if np.median([fit.share for fit in fits]) < LEAST_FIT:
        return []
    gain = np.median([fit.gain for fit in fits], axis=0)
    found = [
        None if shifted is None else judge(view.camera, "shifted", shifted),
        judge(view.camera, "relit", float(np.abs(gain - 1).max())),
        _contaminated(view, moved * np.asarray(gain, np.float32), where),
    ]
    return [fault for fault in found if fault is not None]


def _unshifted(view: View, plate: np.ndarray, where: Mask) -> tuple[np.ndarray, float | None]:
    """Return the plate moved to where the frames want it, and the shift as a share of the width; None: not observed."""
    gray = to_gray(plate)
    shifts = [shift_of(to_gray(frame), gray, where) for frame in view.frames]
    seen = [shift for shift in shifts if shift is not None and shift.peak_to_sidelobe >= OBSERVABLE]
    if 2 * len(seen) < len(view.frames) or not seen:
        return plate, None
    right, down = (float(np.median([getattr(shift, name) for shift in seen])) for name in ("right_px", "down_px"))
    share = float(np.hypot(right, down * view.height_over_width) / plate.shape[1])
    if share <= LIMITS["shifted"][0]:
        return plate, share
    matrix = np.array([[1, 0, right], [0, 1, down]], np.float32)
    moved = cv2.warpAffine(plate, matrix, plate.shape[1::-1], borderMode=cv2.BORDER_REFLECT)
    before, after = (np.median([fit_plate(frame, one, where).share for frame in view.frames]) for one in (plate, moved))
    least = before + ADDS if share > LIMITS["shifted"][1] else before
    return (np.asarray(moved), share) if after >= least else (plate, None)


def _contaminated(view: View, expected: np.ndarray, where: Mask) -> PlateFault | None:
    """Look for a person in the plate: whose are the outlines of what differs between it and the frames?"""
    maps = [differences(frame, expected, where) for frame in view.frames]
    pairs = zip(view.frames, maps, strict=True)
    pieces = [foreign_outline(frame, expected, differs, where) for frame, differs in pairs]
    foreign, whole = (sum(piece[n] for piece in pieces) for n in (0, 1))
    if whole < LEAST_OUTLINE:
        return None
    moves = [differences(one, other, where).sum() for one, other in pairwise(view.frames)]
    is_alike = bool(moves) and np.median([differs.sum() for differs in maps]) < ALIKE * np.median(moves)
    return judge(view.camera, "contaminated", foreign / whole, 0.0 if is_alike else LESS_SURE)


def _inside(view: View) -> Mask:
    """Return what is visible without its rim."""
    if view.visible is None:
        return np.ones(view.frames[0].shape[:2], bool)
    return np.asarray(cv2.erode(view.visible.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0)
