"""Pictures as a source of pieces: files decoded when they are drawn, the last ones kept, patterns where there are none.

What is drawn depends on the generator and the list of paths alone, not on what is kept.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from manifests.errors import InputFault, UsageError
from manifests.layouts.pattern import PICTURES
from matting_tasks.decode import Header, read_header
from matting_tasks.fit.patterns import draw_pattern
from matting_tasks.fit.records import U8

LONG_SIDE_PX = 1280
"""Larger pictures are shrunk to this: a piece of half of one still has as many pixels as an example."""

PATTERN_SHARE = 0.12
"""How often `crop` draws a pattern although there are pictures."""

_STRETCH = 1.7  # a piece is not enlarged by more, so that it keeps some detail, unless the picture itself is smaller

logger = logging.getLogger(__name__)


def find_pictures(places: Sequence[Path]) -> list[Path]:
    """Return the pictures that are named or lie anywhere in the named folders, sorted, each once.

    Raises UsageError for a place that is not there or holds no picture.
    """
    found: set[Path] = set()
    for place in places:
        files = [place] if place.is_file() else sorted(place.rglob("*"))
        shown = {file for file in files if file.suffix.lower() in PICTURES and file.is_file()}
        if not shown:
            raise UsageError(
                f"{place}: expected pictures ({' '.join(PICTURES)}), found none. Name a folder of pictures."
            )
        found |= shown
    return sorted(found)


class Pictures:
    """Give random pieces of pictures, or patterns where there are none; the last `cache` pictures stay decoded."""

    def __init__(self, paths: Sequence[Path], cache: int = 64) -> None:
        """Look at all files; those that are no whole picture go to `unreadable`.

        Raises UsageError where there are paths and none of them can be read.
        """
        self._cache = max(cache, 1)
        self._decoded: OrderedDict[Path, U8] = OrderedDict()
        self._faults: dict[Path, str] = {}
        self._all = tuple(paths)
        for path in self._all:
            fault = _fault_of(path)
            if fault is not None:
                self._note(path, fault)
        self._paths = tuple(path for path in self._all if path not in self._faults)
        self._refuse_if_empty()

    def __len__(self) -> int:
        """Count the pictures that can be read."""
        return len(self._all) - len(self._faults)

    @property
    def unreadable(self) -> tuple[str, ...]:
        """Return the files that could not be read so far, each with the reason; they are never drawn."""
        return tuple(f"{path}: {fault}" for path, fault in self._faults.items())

    def crop(self, rng: np.random.Generator, height: int, width: int, zoom: tuple[float, float] = (0.25, 1.0)) -> U8:
        """Return a random piece of a random picture, now and then a pattern: (height, width, 3) uint8, RGB."""
        if rng.random() < PATTERN_SHARE:
            return draw_pattern(rng, height, width)
        return self.piece(rng, height, width, zoom)

    def piece(self, rng: np.random.Generator, height: int, width: int, zoom: tuple[float, float] = (0.25, 1.0)) -> U8:
        """Return a random piece of a random picture, half of them mirrored: (height, width, 3) uint8, RGB.

        The piece is between `zoom[0]` and `zoom[1]` (0..1) times as large as the largest of its shape in the picture.
        Draws a pattern where there are no pictures. Raises UsageError once no picture is left that can be read.
        """
        if not self._paths:
            return draw_pattern(rng, height, width)
        picture = self._picture(int(rng.integers(len(self._paths))))
        cut = _cut(rng, picture, height, width, zoom)
        shrinks = cut.shape[0] >= height
        pixels = cv2.resize(cut, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        return np.ascontiguousarray(pixels[:, ::-1]) if rng.random() < 0.5 else pixels

    def _picture(self, index: int) -> U8:
        """Return the picture of an index, or the next one that can be read."""
        for step in range(len(self._paths)):
            path = self._paths[(index + step) % len(self._paths)]
            if path in self._decoded:
                self._decoded.move_to_end(path)
                return self._decoded[path]
            if path in self._faults:
                continue
            try:
                self._decoded[path] = _decode(path)
            except (InputFault, OSError) as err:
                self._note(path, str(err))
                continue
            if len(self._decoded) > self._cache:
                self._decoded.popitem(last=False)
            return self._decoded[path]
        self._refuse_if_empty()
        raise UsageError("no picture is left that can be read")

    def _note(self, path: Path, fault: str) -> None:
        self._faults[path] = fault
        logger.warning("%s: not used as a picture: %s", path, fault)

    def _refuse_if_empty(self) -> None:
        if self._all and not len(self):
            said = "; ".join(self.unreadable[:3])
            raise UsageError(f"expected pictures, found {len(self._all)} files that cannot be read: {said}.")


def _fault_of(path: Path) -> str | None:
    """Return why a file cannot be a picture, as far as its bytes say before they are decoded."""
    try:
        _checked_header(path.read_bytes())
    except (InputFault, OSError) as err:
        return str(err)
    return None


def _checked_header(data: bytes) -> Header:
    """Return the header of a picture's bytes; InputFault where they are no picture or are cut short."""
    header = read_header(data)
    if not header.complete or header.lacks_scans or len(data) < header.least_bytes:
        raise InputFault("undecodable", f"the {header.kind} file is truncated or damaged")
    return header


def _decode(path: Path) -> U8:
    """Decode a picture shrunk to LONG_SIDE_PX: (H, W, 3) uint8, RGB. Raises InputFault or OSError."""
    data = path.read_bytes()
    header = _checked_header(data)
    long_side = max(header.width, header.height)
    mode = next((flag for factor, flag in _REDUCED if long_side >= factor * LONG_SIDE_PX), cv2.IMREAD_COLOR)
    flags = mode | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as err:
        raise InputFault("undecodable", f"OpenCV: {err}") from err
    if bgr is None:
        raise InputFault("undecodable", f"OpenCV could not decode the {header.kind} file")
    scale = LONG_SIDE_PX / max(bgr.shape[:2])
    if scale < 1:
        size = max(round(bgr.shape[1] * scale), 1), max(round(bgr.shape[0] * scale), 1)
        bgr = cv2.resize(bgr, size, interpolation=cv2.INTER_AREA)
    pixels: U8 = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
    return pixels


def _cut(rng: np.random.Generator, picture: U8, height: int, width: int, zoom: tuple[float, float]) -> U8:
    """Cut a random piece of the shape (height, width) out of (H, W, 3)."""
    tall, wide = picture.shape[:2]
    largest = min(tall / height, wide / width)
    factor = max(largest * rng.uniform(*zoom), min(largest, 1 / _STRETCH))
    rows, columns = (min(max(round(side * factor), 1), limit) for side, limit in ((height, tall), (width, wide)))
    top, left = int(rng.integers(tall - rows + 1)), int(rng.integers(wide - columns + 1))
    return picture[top : top + rows, left : left + columns]


_REDUCED = (
    (8, cv2.IMREAD_REDUCED_COLOR_8),
    (4, cv2.IMREAD_REDUCED_COLOR_4),
    (2, cv2.IMREAD_REDUCED_COLOR_2),
)
