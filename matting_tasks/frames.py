"""Reading: one frame of a shard from the capture to uint8 pixels, or to the reason why it cannot be matted."""

from __future__ import annotations

import errno
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile, gettempdir
from typing import TYPE_CHECKING

import numpy as np

from manifests.capture import fingerprint_of, hash_of_file
from manifests.errors import InputFault
from manifests.recipe import Recipe
from manifests.records import FileStat, Frame, Shard
from matting_tasks.decode import decode_image, read_header
from matting_tasks.geometry import Geometry, apply, geometry_of
from matting_tasks.listed import check_unchanged, read_listed, vanished
from matting_tasks.plate_measures import Beside, to_small
from matting_tasks.plates import Plates, Visible

if TYPE_CHECKING:
    from matting_tasks.decode_video import VideoReader

VIDEO_THREADS = 1
"""Of a video's decoder, beside the one of ours that asks it: several videos are decoded at once."""


@dataclass(frozen=True, slots=True)
class ReadFrame:
    """A frame on its way: pixels (H, W, 3) uint8 RGB and its visible mask, or the fault that its row will name.

    `geometry` is what the pixels have passed through, `beside` is for the measures of its plate. `looked_at` is False
    for a frame that was left alone, because its plate is at fault.
    """

    frame: Frame
    pixels: np.ndarray | None = None
    visible: Visible | None = None
    fault: InputFault | None = None
    note: str | None = None
    decode_s: float = 0.0
    geometry: Geometry | None = None
    looked_at: bool = True
    beside: Beside | None = None


@dataclass(frozen=True, slots=True)
class Decoded:
    """A picture as it lies in the capture, (H, W, 3) uint8 RGB, and what was noted of it."""

    pixels: np.ndarray
    note: str | None


@dataclass(frozen=True, slots=True)
class Taken:
    """A frame that was decoded, or what is wrong with it, and the seconds that it took."""

    frame: Frame
    found: Decoded | InputFault
    seconds: float


def open_reader(
    shard: Shard,
    plates: Plates,
    plate_size: tuple[int, int] | None,
    recipe: Recipe,
    small_plate: np.ndarray | None = None,
) -> FrameReader:
    """Return the reader for the kind of a shard's frames.

    plate_size: (width, height), None if no plate sets it. small_plate: (256, 256, 3) uint8, or None where frames are
    not measured beside it.
    """
    kind = VideoFrameReader if shard.frames[0].kind == "video" else PictureReader
    return kind(shard, plates, plate_size, recipe, small_plate)


class FrameReader(ABC):
    """Reads the frames of one shard in two steps: `take` decodes, `finish` makes of it what is matted.

    One that is `sequential` must be asked to take frames in order, by one thread; any may finish them.
    """

    sequential = False

    def __init__(
        self,
        shard: Shard,
        plates: Plates,
        plate_size: tuple[int, int] | None,
        recipe: Recipe,
        small_plate: np.ndarray | None = None,
    ) -> None:
        """Keep what is needed; nothing is read yet."""
        self.shard = shard
        self.plates = plates
        self.plate_size = plate_size
        self.recipe = recipe
        self.small_plate = small_plate

    def __call__(self, frame: Frame) -> ReadFrame:
        """Read a frame; raises InputChanged for a file that is not the one listed, OSError for the store."""
        return self.finish(self.take(frame))

    def take(self, frame: Frame) -> Taken:
        """Decode a frame, or find what is wrong with it; raises as a call of the reader does."""
        started = time.perf_counter()
        try:
            if frame.frame in self.shard.crashed:
                raise InputFault("crashed", "it ended every worker that touched it, and was left out")
            decoded = self.decode(frame)
        except InputFault as fault:
            return Taken(frame, InputFault(fault.status, f"{frame.path}: {fault.message}"), _since(started))
        return Taken(frame, decoded, _since(started))

    def finish(self, taken: Taken) -> ReadFrame:
        """Bring a decoded frame through the geometry, and put its visible mask and its small copy beside it."""
        started, frame, decoded = time.perf_counter(), taken.frame, taken.found
        if isinstance(decoded, InputFault):
            return ReadFrame(frame, fault=decoded, decode_s=taken.seconds)
        try:
            geometry = geometry_of(self.recipe.geometry, decoded.pixels.shape[1], decoded.pixels.shape[0])
            pixels = apply(geometry, decoded.pixels)
            visible = self._visible(frame, geometry, pixels)
        except InputFault as fault:
            about_visible = frame.visible_path is not None and fault.message.startswith(frame.visible_path)
            named = fault if about_visible else InputFault(fault.status, f"{frame.path}: {fault.message}")
            return ReadFrame(frame, fault=named, decode_s=taken.seconds + _since(started))
        plate = self.small_plate
        beside = None if plate is None else Beside(to_small(pixels), plate, pixels.shape[0] / pixels.shape[1])
        seconds = taken.seconds + _since(started)
        return ReadFrame(frame, pixels, visible, None, decoded.note, seconds, geometry, beside=beside)

    @abstractmethod
    def decode(self, frame: Frame) -> Decoded:
        """Read and decode a frame; raises InputFault besides."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what is open."""

    def check_size(self, width: int, height: int) -> None:
        """Raise InputFault where a frame's size is not that of its plate."""
        if self.plate_size is not None and (width, height) != self.plate_size:
            wide, high = self.plate_size
            raise InputFault("plate_mismatch", f"it is {width}x{height}, its camera's plate is {wide}x{high}")

    def read_file(self, path: str, fingerprint: str) -> bytes:
        """Return the bytes of a file that is still the one that the manifest names."""
        return read_listed(self.plates.capture, self.shard, path, fingerprint)

    def _visible(self, frame: Frame, geometry: Geometry, pixels: np.ndarray) -> Visible | None:
        if self.recipe.visible and geometry.pads:
            return self.plates.visible_of(geometry)
        if not self.recipe.visible or frame.visible_path is None:
            return None
        data = self.read_file(frame.visible_path, frame.visible_fingerprint or "")
        try:
            visible = self.plates.visible(data)
        except InputFault as fault:
            raise InputFault(fault.status, f"{frame.visible_path}: {fault.message}") from fault
        if visible.pixels.shape != pixels.shape[:2]:
            height, width = visible.pixels.shape
            raise InputFault(
                "undecodable",
                f"{frame.visible_path} is {width}x{height}, its frame is {pixels.shape[1]}x{pixels.shape[0]}",
            )
        return visible


def _since(started: float) -> float:
    return time.perf_counter() - started


class PictureReader(FrameReader):
    """Reads frames that are pictures, in any order and on several threads."""

    def decode(self, frame: Frame) -> Decoded:
        """Read and decode a picture, its size compared by the header, before any pixel is decoded."""
        data = self.read_file(frame.path, frame.fingerprint)
        header = read_header(data)
        self.check_size(header.width, header.height)
        picture = decode_image(data)
        return Decoded(picture.pixels, picture.note)

    def close(self) -> None:
        """Do nothing: no file stays open."""


class VideoFrameReader(FrameReader):
    """Reads frames of one video: it is brought to this machine, opened and decoded once."""

    sequential = True
    _video: VideoReader | None = None
    _fault: InputFault | None = None

    def decode(self, frame: Frame) -> Decoded:
        """Decode forward to a frame."""
        if self._fault is not None:
            raise self._fault
        if self._video is None:
            try:
                self._video = self._open(frame)
            except InputFault as fault:
                self._fault = fault
                raise
        pixels = self._video.read(frame.source_frame)
        self.check_size(pixels.shape[1], pixels.shape[0])
        return Decoded(pixels, self._video.note)

    def close(self) -> None:
        """Close the video."""
        if self._video is not None:
            self._video.close()
            self._video = None

    def _open(self, frame: Frame) -> VideoReader:
        """Open the video of a frame: from this machine's disk, or a copy of it that no name leads to."""
        local = self.plates.capture.local_path(frame.path)
        try:
            if local is not None:
                found = local.stat()
                return self._checked(frame, local, FileStat(frame.path, found.st_size, found.st_mtime_ns))
            with TemporaryFile(prefix="cleanplate-") as copy:  # a kill leaves nothing behind
                path = Path(f"/dev/fd/{copy.fileno()}")
                return self._checked(frame, path, self._copied(frame, path))
        except FileNotFoundError as err:
            raise vanished(self.shard, frame.path) from err

    def _copied(self, frame: Frame, target: Path) -> FileStat:
        try:
            return self.plates.capture.copy_to(frame.path, target)
        except OSError as err:
            if err.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise OSError(
                f"{gettempdir()} has no room for a copy of {frame.path} ({frame.size_bytes / 1e6:.0f} MB): make room "
                "there, or name another folder by TMPDIR"
            ) from err

    def _checked(self, frame: Frame, path: Path, stat: FileStat) -> VideoReader:
        rule = self.shard.fingerprint_rule
        found = hash_of_file(path) if rule == "content" else fingerprint_of(None, stat, rule)
        check_unchanged(self.shard, frame.path, frame.fingerprint, found)
        from matting_tasks.decode_video import VideoReader  # captures of pictures are matted without PyAV

        return VideoReader(path, VIDEO_THREADS)
