"""Alphas: the matte that a picture or the frame of a video holds, for comparing; never converted in silence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

import cv2
import numpy as np

from manifests.errors import InputFault
from manifests.storage import Folder, user_temporary_file
from matting_tasks.decode import decode_image, read_header
from matting_tasks.decode_video import VideoReader

COLOUR_TOLERANCE = 16
"""Levels by which the channels of a JPEG of gray may differ; more is a picture in colour, not a mask."""


@dataclass(frozen=True, slots=True)
class StoredAlpha:
    """values: (H, W) uint8 or uint16, full range; note: what was taken of the file, or None."""

    values: np.ndarray
    note: str | None = None


def read_alpha(data: bytes) -> StoredAlpha:
    """Read the matte of a JPEG or PNG: its gray, one of three equal channels, or its alpha channel if it has one.

    An alpha channel that is opaque all over says nothing: the gray beside it is taken. Raises InputFault of status
    `undecodable` for what `decode_image` refuses, and for pictures in colour.
    """
    header = read_header(data)
    picture = decode_image(data)  # whole or refused
    if header.kind == "JPEG":
        return StoredAlpha(gray_of(picture.pixels, header.kind))
    pixels = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise InputFault("undecodable", "the PNG file cannot be decoded: its data are damaged")
    if pixels.ndim == 2:
        return StoredAlpha(pixels)
    if pixels.shape[2] == 4:
        alpha = pixels[:, :, 3]
        if int(alpha.min()) < np.iinfo(alpha.dtype).max:
            return StoredAlpha(np.ascontiguousarray(alpha), "alpha channel of an RGBA PNG")
        return StoredAlpha(gray_of(pixels[:, :, :3], "PNG"), "gray of an RGBA PNG that is opaque all over")
    return StoredAlpha(gray_of(pixels, "PNG"))


def gray_of(pixels: np.ndarray, kind: str) -> np.ndarray:
    """Return the first of three equal channels (H, W, 3); raises InputFault where they are not equal."""
    tolerance = 0 if kind == "PNG" else COLOUR_TOLERANCE
    spread = max(int(cv2.absdiff(pixels[:, :, 0], pixels[:, :, channel]).max()) for channel in (1, 2))
    if spread > tolerance:
        raise InputFault("undecodable", f"a {kind} in colour, not a mask: its channels differ by up to {spread} levels")
    return np.ascontiguousarray(pixels[:, :, 0])


def read_stored(path: str, folder: Folder) -> StoredAlpha:
    """Read the matte of a file; one that the store does not give is an InputFault too."""
    with _as_fault():
        return read_alpha(folder.read(path))


class Alphas(Protocol):
    """The mattes of a sequence, by place."""

    def read(self, place: int) -> str | np.ndarray | InputFault:
        """Return a matte (H, W) uint8, or the path of one, or what is wrong; status `short_video` behind the end."""
        ...


@contextmanager
def open_alphas(side: str | tuple[str, ...], folder: Folder) -> Iterator[Alphas]:
    """Open a video, or name the pictures of a folder; a video in a store is copied first. Raises InputFault."""
    if not isinstance(side, str):
        yield _Pictures(side)
        return
    with ExitStack() as open_files:
        with _as_fault():
            path = folder.local_path(side) or _copied(side, folder, open_files)
            video = VideoReader(path)
        open_files.callback(video.close)
        yield _Video(video)


@dataclass(frozen=True, slots=True)
class _Video:
    reader: VideoReader

    def read(self, place: int) -> np.ndarray | InputFault:
        try:
            return gray_of(self.reader.read(place), "video")
        except InputFault as fault:
            return fault


@dataclass(frozen=True, slots=True)
class _Pictures:
    paths: tuple[str, ...]

    def read(self, place: int) -> str | InputFault:
        if place < len(self.paths):
            return self.paths[place]
        return InputFault("short_video", f"there are {len(self.paths)} pictures")


def _copied(path: str, folder: Folder, open_files: ExitStack) -> Path:
    copy = user_temporary_file(PurePosixPath(path).suffix)
    open_files.callback(copy.unlink)
    folder.copy_to(path, copy)
    return copy


@contextmanager
def _as_fault() -> Iterator[None]:
    """Turn what a store does not give into an InputFault: one file is to be named, and the others go on."""
    try:
        yield
    except InterruptedError:
        raise
    except OSError as err:
        raise InputFault("undecodable", f"it cannot be read: {err}") from err
