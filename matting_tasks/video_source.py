"""Video sources: one video, or the pictures of a folder, as frames in order with the times at which they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import NamedTuple, Protocol

import av.error
import cv2
import numpy as np
from av import VideoFrame

from manifests.errors import InputFault, UsageError
from matting_tasks.decode import decode_image, read_header
from matting_tasks.decode_video import VideoReader
from matting_tasks.picture_list import frame_numbers, list_pictures
from matting_tasks.video_clock import DEFAULT_RATE, Clock, clock_of
from matting_tasks.video_index import Opened, Source, open_video, packets_of, read_index

BT709 = 1
_UNSPECIFIED = (0, 2)
_MOST_DAMAGED = 64
"""Packets that are tried for a frame that says how it is turned."""

_TURNS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, -180: cv2.ROTATE_180, -90: cv2.ROTATE_90_CLOCKWISE}
"""What brings a frame upright whose display matrix turns it by so many degrees counterclockwise."""


class Size(NamedTuple):
    """A size in pixels."""

    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Resize:
    """What frames are resized to before they are matted: a size in pixels, or a factor of their own."""

    size: Size | None = None
    factor: float = 1.0

    def of(self, own: Size) -> Size:
        """Return the size in pixels of a picture that has its own."""
        return self.size or Size(*(max(1, round(side * self.factor)) for side in own))


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What is known of a source before it is decoded.

    size: of the frames as `read` gives them; native: upright, before resizing. n_frames can be expected of the n_listed
    that its container lists. pixel_aspect: width / height of a pixel. primaries and transfer: codes of ITU-T H.273.
    numbers: by which its pictures are named.
    """

    name: str
    size: Size
    native: Size
    n_frames: int
    n_listed: int
    clock: Clock
    pixel_aspect: Fraction = Fraction(1)
    primaries: int = BT709
    transfer: int = BT709
    numbers: tuple[int, ...] | None = None

    def number_of(self, place: int) -> int:
        """Return the number that a frame is known by: its place in a video, that in the name of a picture."""
        return place if self.numbers is None else self.numbers[place]


@dataclass(frozen=True, slots=True)
class SourceFrame:
    """A frame of a source: pixels (H, W, 3) uint8 RGB, or the fault that stands in their place."""

    place: int
    pixels: np.ndarray | None = None
    fault: InputFault | None = None


class VideoSource(Protocol):
    """Frames 0 .. n_frames - 1, read in order on one thread."""

    info: VideoInfo

    def read(self, place: int) -> SourceFrame:
        """Decode a frame, upright and resized; a fault of status `short_video` says that there are no more."""
        ...

    def close(self) -> None:
        """Let go of what is open; may be repeated."""
        ...


def open_source(path: Path, rate: Fraction | None, resize: Resize) -> VideoSource:
    """Open a video, a folder of pictures, or pictures by a pattern of their names; `rate` is that of pictures.

    Raises UsageError where there is nothing to matte, saying what was expected.
    """
    pictures = list_pictures(path)
    if pictures is not None:
        return PictureFrames(path, pictures, rate or DEFAULT_RATE, resize)
    if rate is not None:
        raise UsageError(f"--rate is for pictures; {path} is a video and has its own. Leave it out.")
    try:
        return VideoFrames(path, resize)
    except InputFault as fault:
        raise UsageError(
            f"{path} cannot be used as a video: {fault}. Name a video (mp4, mov, mkv, avi, webm, ...) or a folder of "
            "jpg or png pictures."
        ) from fault


class VideoFrames:
    """The frames of a video, turned upright as players show them."""

    def __init__(self, path: Path, resize: Resize) -> None:
        """Read the index; raises InputFault, and the OSError of the disk."""
        with path.open("rb", buffering=0) as file:
            source = Source(file)
            index = read_index(source)
            times = [index.rows[packet].pts or 0 for packet in index.packets.tolist()] if index.has_times else []
            with open_video(source) as video:
                stream, first = video.stream, _first_frame(video)
                rotation = 0 if first is None else first.rotation
                own = Size(stream.width, stream.height)
                aspect = Fraction(stream.sample_aspect_ratio or 1)
                clock = clock_of(times, Fraction(stream.time_base or 1), Fraction(stream.average_rate or 0))
        self._turn = _TURNS.get(rotation)
        if abs(rotation) == 90:
            own, aspect = Size(own.height, own.width), 1 / aspect
        size = resize.of(own)
        self.info = VideoInfo(
            name=str(path),
            size=size,
            native=own,
            n_frames=index.n_frames,
            n_listed=index.n_listed,
            clock=clock,
            pixel_aspect=aspect * Fraction(own.width * size.height, own.height * size.width),
            primaries=_tag(first, "color_primaries"),
            transfer=_tag(first, "color_trc"),
        )
        self._reader = VideoReader(path)

    def read(self, place: int) -> SourceFrame:
        """Decode a frame."""
        try:
            pixels = self._reader.read(place)
        except InputFault as fault:
            return SourceFrame(place, fault=fault)
        if self._turn is not None:
            pixels = cv2.rotate(pixels, self._turn)
        return _finished(place, pixels, self.info)

    def close(self) -> None:
        """Close the file."""
        self._reader.close()


class PictureFrames:
    """Pictures of one size, in the order of their numbers."""

    def __init__(self, path: Path, pictures: Sequence[Path], rate: Fraction, resize: Resize) -> None:
        """Find the size, that of the first readable picture; raises UsageError where there is none."""
        self._pictures = pictures
        own = next((size for picture in pictures if (size := _size_of(picture)) is not None), None)
        if own is None:
            raise UsageError(f"{path}: none of its {len(pictures)} pictures can be read (the first: {pictures[0]}).")
        n_frames, numbers = len(pictures), frame_numbers(pictures)
        clock = Clock(rate, 1 / rate)
        self.info = VideoInfo(str(path), resize.of(own), own, n_frames, n_frames, clock, numbers=numbers)

    def read(self, place: int) -> SourceFrame:
        """Decode a picture; raises the OSError of the disk."""
        picture = self._pictures[place]
        try:
            return _finished(place, decode_image(picture.read_bytes()).pixels, self.info)
        except InputFault as fault:
            return SourceFrame(place, fault=InputFault(fault.status, f"{picture.name}: {fault.message}"))

    def close(self) -> None:
        """Do nothing: no file stays open."""


def gaps_of(info: VideoInfo) -> int:
    """Count the numbers that are missing between the pictures of a folder."""
    return sum(after - before - 1 for before, after in pairwise(info.numbers or ()))


def resize_picture(pixels: np.ndarray, size: Size) -> np.ndarray:
    """Bring a picture (H, W, 3) uint8 to a size: by the area of the pixels where it shrinks, else bicubic."""
    if (pixels.shape[1], pixels.shape[0]) == size:
        return pixels
    shrinks = size.width <= pixels.shape[1] and size.height <= pixels.shape[0]
    resized: np.ndarray = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    return resized


def _finished(place: int, pixels: np.ndarray, info: VideoInfo) -> SourceFrame:
    found = Size(pixels.shape[1], pixels.shape[0])
    if found != info.native:
        sizes = f"it is {found.width}x{found.height}, the others are {info.native.width}x{info.native.height}"
        return SourceFrame(place, fault=InputFault("undecodable", sizes))
    return SourceFrame(place, resize_picture(pixels, info.size))


def _first_frame(video: Opened) -> VideoFrame | None:
    """Decode the first frame that can be had, for what it says of itself."""
    context = video.stream.codec_context
    context.thread_count = 1  # several threads hold frames back
    for packet in chain(islice(packets_of(video), _MOST_DAMAGED), [None]):
        try:
            frames = context.decode(packet)
        except av.error.MemoryError:
            raise
        except av.error.FFmpegError:
            continue
        if frames:
            return frames[0]
    return None


def _tag(frame: VideoFrame | None, name: str) -> int:
    code = _UNSPECIFIED[0] if frame is None else int(getattr(frame, name))
    return BT709 if code in _UNSPECIFIED else code


def _size_of(picture: Path) -> Size | None:
    """Return the size of a picture that can be read, as its header has it."""
    try:
        header = read_header(picture.read_bytes())
    except InputFault:
        return None
    return Size(header.width, header.height) if header.complete else None
