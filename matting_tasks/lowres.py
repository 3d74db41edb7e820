"""Lowres: the small masks and pictures of frames read ahead by threads; what is damaged is missing and named."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable

import numpy as np

from manifests.errors import InputFault
from manifests.packs import read_mask
from manifests.storage import Folder
from matting_tasks.decode import decode_gray
from matting_tasks.hull import LOWRES_PX
from matting_tasks.threads import map_ahead

N_THREADS = 4
N_AHEAD = 32
"""Pictures of 64 KiB that wait."""

Wanted = tuple[str, str]
"""The paths of a frame's lowres mask and lowres picture; empty where it has none."""
Pair = tuple[np.ndarray | None, np.ndarray | None]
"""A lowres mask and a lowres picture, each (256, 256) uint8, None where there is none to read."""


class LowresReader:
    """Reads lowres masks of an output root and pictures of a capture, and remembers the masks that it could not read.

    `unread` has a reason by path. A store that fails is an OSError, in its frame's turn.
    """

    def __init__(self, out: Folder, pictures: Folder | None = None, tell: Callable[[], None] | None = None) -> None:
        """Name the folders; `tell` is called for each frame that was read."""
        self.unread: dict[str, str] = {}
        self._out, self._pictures = out, pictures
        self._tell = tell or (lambda: None)

    def read_ahead(self, wanted: Iterable[Wanted]) -> Generator[Pair, None, None]:
        """Yield masks and pictures in order; a bounded number of them is held."""
        for pair in map_ahead(self._read, wanted, N_THREADS, N_AHEAD):
            self._tell()
            yield pair

    def has_picture(self, path: str) -> bool:
        """Tell whether a lowres picture can be read."""
        return self._picture(path) is not None

    def _read(self, wanted: Wanted) -> Pair:
        mask_path, picture_path = wanted
        mask = None
        if mask_path:
            try:
                mask = decode_lowres(read_mask(self._out, mask_path))
            except FileNotFoundError:
                self.unread[mask_path] = "it is not there"
            except InputFault as fault:
                self.unread[mask_path] = fault.message
        return mask, self._picture(picture_path)

    def _picture(self, path: str) -> np.ndarray | None:
        if not path or self._pictures is None:
            return None
        try:
            return decode_lowres(self._pictures.read(path))
        except (FileNotFoundError, InputFault):  # it only helps to tell motion from flicker
            return None


def decode_lowres(data: bytes) -> np.ndarray:
    """Decode a lowres mask or picture to (256, 256) uint8; raises InputFault, also for another size."""
    pixels = decode_gray(data)
    if pixels.shape != (LOWRES_PX, LOWRES_PX):
        height, width = pixels.shape
        raise InputFault("undecodable", f"it has {width}x{height} pixels; {LOWRES_PX}x{LOWRES_PX} were expected")
    return pixels
