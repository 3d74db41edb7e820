"""Pictures of a report: a frame and its mask as small views of equal size that a person can compare."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from manifests.errors import InputFault, StoreFault

U8 = NDArray[np.uint8]

VIEWS = ("frame", "mask", "checker", "black", "white", "green", "difference")
"""In the order of their keys: the picture, its alpha, four composites, and the difference to the plate."""

LONGEST_PX = 768
"""The longer side of a view; smaller pictures stay as they are."""
QUALITY = 80
"""Of WebP: edges of a matte still look as they are, at some 30 kB a view."""
DIFFERENCE_GAIN = 4
"""By which differences are multiplied, so that a shifted plate's edges are seen."""

_CHECKER = (102, 153)
_CHECKER_PX = 16
_COLOURS: Mapping[str, tuple[int, int, int]] = {"black": (0, 0, 0), "white": (255, 255, 255), "green": (0, 177, 64)}


def views_of(frame: U8 | None, mask: U8 | None, plate: U8 | None) -> dict[str, U8]:
    """Return those of VIEWS that can be made, each (h, w, 3) uint8 RGB of one size.

    frame, plate: (H, W, 3) uint8 RGB; mask: (H, W) uint8. A plate of another size than its frame is left out, and
    raises nothing; a mask of another size raises InputFault of status `undecodable`.
    """
    views: dict[str, U8] = {}
    if frame is not None:
        views["frame"] = shrink(frame)
    if mask is not None:
        small = shrink(mask)
        views["mask"] = _gray(small)
    if frame is not None and mask is not None:
        views |= _composites(frame, mask)
    if frame is not None and plate is not None and plate.shape == frame.shape:
        views["difference"] = _difference(frame, plate)
    return views


def shrink(picture: U8, longest_px: int = LONGEST_PX) -> U8:
    """Return a picture (H, W) or (H, W, 3) uint8 whose longer side is at most `longest_px`, averaged over areas."""
    height, width = picture.shape[:2]
    scale = longest_px / max(height, width)
    if scale >= 1:
        return picture
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def encode_view(view: U8) -> bytes:
    """Encode a view (h, w, 3) uint8 RGB as WebP."""
    done, data = cv2.imencode(".webp", cv2.cvtColor(view, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_WEBP_QUALITY, QUALITY])
    if not done:
        raise StoreFault(f"OpenCV could not encode a picture of {view.shape[1]}x{view.shape[0]} pixels as WebP.")
    return bytes(data.tobytes())


def encode_sheet(sheet: U8, kind: str) -> bytes:
    """Encode a sheet (H, W, 3) uint8 RGB as `kind`: png, jpg or webp."""
    try:
        done, data = cv2.imencode(f".{kind}", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
    except cv2.error as err:  # WebP ends at 16383 pixels, JPEG at 65535
        raise StoreFault(f"a sheet of {sheet.shape[1]}x{sheet.shape[0]} pixels is too large for {kind}") from err
    if not done:
        raise StoreFault(f"a sheet of {sheet.shape[1]}x{sheet.shape[0]} pixels cannot be encoded as {kind}")
    return bytes(data.tobytes())


def _composites(frame: U8, mask: U8) -> dict[str, U8]:
    """Put a frame over a checker and flat colours; mixed at full size, so that edges are what a user would get."""
    if mask.shape != frame.shape[:2]:
        raise InputFault(
            "undecodable",
            f"the mask has {mask.shape[1]}x{mask.shape[0]} pixels, its frame {frame.shape[1]}x{frame.shape[0]}",
        )
    kept = shrink(np.asarray(cv2.multiply(frame, cv2.merge([mask, mask, mask]), scale=1 / 255), dtype=np.uint8))
    through = 255 - _gray(shrink(mask))
    height, width = kept.shape[:2]
    grounds = {name: np.full((height, width, 3), colour, np.uint8) for name, colour in _COLOURS.items()}
    grounds = {"checker": _checker(height, width), **grounds}
    return {
        name: np.asarray(cv2.add(kept, cv2.multiply(ground, through, scale=1 / 255)), dtype=np.uint8)
        for name, ground in grounds.items()
    }


def _checker(height: int, width: int) -> U8:
    rows, columns = np.arange(height) // _CHECKER_PX, np.arange(width) // _CHECKER_PX
    odd = (rows[:, None] + columns) % 2
    return _gray(np.array(_CHECKER, np.uint8)[odd])


def _difference(frame: U8, plate: U8) -> U8:
    """Colour the largest difference of the channels: black where there is none, through red to bright yellow."""
    red, green, blue = cv2.split(cv2.absdiff(frame, plate))  # numpy's max over channels takes ten times as long
    largest = np.asarray(cv2.max(cv2.max(red, green), blue), dtype=np.uint8)
    strong = cv2.convertScaleAbs(shrink(largest), alpha=DIFFERENCE_GAIN)
    return np.asarray(cv2.cvtColor(cv2.applyColorMap(strong, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB), dtype=np.uint8)


def _gray(picture: U8) -> U8:
    return np.asarray(cv2.merge([picture, picture, picture]), dtype=np.uint8)
