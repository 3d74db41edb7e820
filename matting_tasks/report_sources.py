"""Sources of a report's pictures: a frame, its plate and its mask read again, or the reason why one cannot be shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np
from numpy.typing import NDArray

from manifests.errors import InputFault
from manifests.packs import read_mask as read_file
from manifests.storage import Folder
from matting_tasks.decode import decode_gray, decode_image
from matting_tasks.geometry import apply, geometry_of

U8 = NDArray[np.uint8]

UNREAD = "unread"
"""Status of an InputFault for what the store did not give: another try may."""


def read_picture(folder: Folder, path: str, geometry: str = "native") -> U8:
    """Return a picture (H, W, 3) uint8 RGB behind the geometry; raises InputFault with the reason."""
    pixels = decode_image(_bytes_of(folder, path)).pixels
    return apply(geometry_of(geometry, pixels.shape[1], pixels.shape[0]), pixels)


def read_mask(out: Folder, path: str) -> U8:
    """Return a mask (H, W) uint8; raises InputFault with the reason."""
    return np.asarray(decode_gray(_bytes_of(out, path)), dtype=np.uint8)


def read_video_frames(
    folder: Folder, path: str, source_frames: Sequence[int], geometry: str = "native"
) -> dict[int, U8 | InputFault]:
    """Return frames of a video by number, each (H, W, 3) uint8 RGB behind the geometry, or why it cannot be had.

    The video is opened once; one that is in an object store is copied to this machine's folder for temporary files.
    """
    wanted = sorted(set(source_frames))
    try:
        from matting_tasks.decode_video import VideoReader  # captures of pictures are shown without PyAV

        with ExitStack() as stack:
            local = folder.local_path(path)
            if local is None:
                copy = stack.enter_context(TemporaryFile(prefix="cleanplate-"))
                local = Path(f"/dev/fd/{copy.fileno()}")
                folder.copy_to(path, local)
            reader = stack.enter_context(VideoReader(local))
            return {number: _read(reader.read, number, geometry) for number in wanted}
    except ImportError:
        return {number: InputFault("undecodable", "it is in a video, and PyAV is not installed") for number in wanted}
    except InputFault as fault:
        return {number: fault for number in wanted}
    except OSError as err:
        return {number: _unread(path, err) for number in wanted}


def _read(read: Callable[[int], U8], number: int, geometry: str) -> U8 | InputFault:
    try:
        pixels = read(number)
        return apply(geometry_of(geometry, pixels.shape[1], pixels.shape[0]), pixels)
    except InputFault as fault:
        return fault


def _bytes_of(folder: Folder, path: str) -> bytes:
    try:
        return read_file(folder, path)
    except OSError as err:
        raise _unread(path, err) from err


def _unread(path: str, err: OSError) -> InputFault:
    if isinstance(err, FileNotFoundError):
        return InputFault(UNREAD, f"{path} is not there")
    return InputFault(UNREAD, f"{path} cannot be read ({err})")
