"""Decoding a video: the frame of a number as uint8 RGB, or the reason why it cannot be had; never another frame."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import cv2
import numpy as np
from av import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation

from manifests.errors import InputFault
from matting_tasks.video_index import Seekable, Source, count_frames, open_video, read_index
from matting_tasks.video_pass import NeedsCare, Pass, SeekMissed, Shown

_MATRICES: dict[int, int] = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
    10: Colorspace.BT2020,
}
"""The matrix_coefficients of ITU-T H.273, table 4, and what swscale calls them."""


@dataclass(frozen=True, slots=True)
class VideoHeader:
    """What a container says of its first video stream; `rate` in frames per second, 0 where it does not say."""

    n_frames: int
    width: int
    height: int
    rate: Fraction
    codec: str


def probe_video(source: Path | BinaryIO | Seekable) -> VideoHeader:
    """Read what a video's container says, without decoding; an mp4's pictures are not read either.

    `source` is a path or a seekable binary file, which stays open. Frames that an edit list hides do not count; a
    container without a count is read to its end. Raises InputFault of status `undecodable` with the reason, and the
    OSError of the store.
    """
    with ExitStack() as stack:
        file = stack.enter_context(source.open("rb", buffering=0)) if isinstance(source, Path) else source
        wrapped = Source(file)
        video = stack.enter_context(open_video(wrapped))
        stream = video.stream
        return VideoHeader(
            n_frames=count_frames(wrapped, video),
            width=stream.width,
            height=stream.height,
            rate=Fraction(stream.average_rate or stream.base_rate or 0),
            codec=stream.codec_context.name,
        )


class VideoReader:
    """Decodes wanted frames of one video, forward; a damaged file is decoded again on one thread, frame by frame.

    `n_frames` is how many frames the file holds, or at most holds where its packets have no times. `note` says what
    was left out or converted, or None, once a frame was read. Not for several threads at once.
    """

    def __init__(self, path: Path, n_threads: int = 0) -> None:
        """Read the index; `n_threads` 0 takes up to 4. Raises as `probe_video` does."""
        self.note: str | None = None
        self._n_threads = n_threads or min(4, len(os.sched_getaffinity(0)))
        self._careful = False
        self._may_seek = True
        self._wanted = -1
        self._last: tuple[int, Shown] | None = None
        self._pass: Pass | None = None
        self._n_shown = 0
        with ExitStack() as opening:
            self._source = Source(opening.enter_context(path.open("rb", buffering=0)))
            self._index = read_index(self._source)
            self._closing = opening.pop_all()
        self.n_frames = self._index.n_frames

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file and free the decoder; may be repeated."""
        self._last = None
        self._begin_anew()
        self._closing.close()

    def read(self, source_frame: int) -> np.ndarray:
        """Decode a frame: (H, W, 3) uint8 RGB, its own memory; numbers may be repeated, and must not fall.

        Raises InputFault of status `short_video` at and behind the end of what can be decoded, `undecodable` for a
        frame that is damaged or builds on a damaged one, ValueError for a falling number, the store's OSError.
        """
        if source_frame < max(self._wanted, 0):
            raise ValueError(f"frames are read forward: {source_frame} is wanted after {self._wanted}")
        self._wanted = source_frame
        shown = self._last[1] if self._last is not None and self._last[0] == source_frame else self._find(source_frame)
        self._last = source_frame, shown
        if isinstance(shown, InputFault):
            raise InputFault(shown.status, shown.message)
        self.note = _note(shown)
        return to_rgb(shown, self._n_threads)

    def _find(self, number: int) -> Shown:
        if number >= self.n_frames:
            return self._too_short(number)
        shown = self._retried(number)
        if isinstance(shown, InputFault) and self._pass is not None and self._pass.first:
            self._may_seek = False
            self._begin_anew()
            shown = self._retried(number)
        return shown

    def _retried(self, number: int) -> Shown:
        """Decode on to a frame; begin anew with care behind damage, and at the beginning behind a missed seek."""
        while True:
            try:
                return self._forward(number)
            except NeedsCare:
                self._careful = True
                self._begin_anew()
            except SeekMissed:
                self._may_seek = False
                self._begin_anew()

    def _begin_anew(self) -> None:
        """Drop the decoder and its pictures at once; the generator and its pass hold each other."""
        if self._pass is not None:
            self._pass.shown.close()
        self._pass, self._n_shown = None, 0

    def _forward(self, number: int) -> Shown:
        """Decode on to a frame, from the keyframe before it where that lies beyond all packets decoded so far."""
        key = int(self._index.key_packets[number]) if self._index.has_times and self._may_seek else 0
        if self._pass is None or key > self._pass.sent:
            self._begin_anew()
            self._pass = Pass(self._source, self._index, key, self._n_threads, self._careful)
        for found, shown in self._pass.shown:
            self._n_shown = found + 1
            if found == number:
                return shown
        self.n_frames = self._n_shown
        return self._too_short(number)

    def _too_short(self, number: int) -> InputFault:
        return InputFault("short_video", f"the video has {self.n_frames} frames, frame {number} is wanted")


def to_rgb(frame: VideoFrame, n_threads: int = 1) -> np.ndarray:
    """Convert a decoded frame of any format to (H, W, 3) uint8 RGB with the matrix and the range that its tags name.

    Untagged frames are taken as players take them: BT.709 from 720 rows on, BT.601 below, limited range, full for gray
    and RGB. Transfer and primaries are left as they are. Rounded to nearest, chroma interpolated: swscale's fast way
    is 1.2 levels too dark on average.
    """
    matrix = _MATRICES.get(frame.colorspace) or (Colorspace.ITU709 if frame.height >= 720 else Colorspace.ITU601)
    name = frame.format.name
    is_full = name.startswith("yuvj") or frame.format.is_rgb or frame.color_range == ColorRange.JPEG
    is_full |= name.startswith("gray") and frame.color_range == ColorRange.UNSPECIFIED
    planar = frame.reformat(
        format="gbrp",  # as exact as rgb24, in half the time: swscale has vector code for it
        src_colorspace=matrix,
        dst_colorspace=matrix,
        src_color_range=ColorRange.JPEG if is_full else ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG,
        interpolation=Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT,
        threads=n_threads,
    )
    green, blue, red = (np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size) for plane in planar.planes)
    return np.ascontiguousarray(cv2.merge([plane[:, : frame.width] for plane in (red, green, blue)]))


def _note(frame: VideoFrame) -> str | None:
    notes = [f"rotation of {frame.rotation} degrees ignored"] if frame.rotation else []
    if frame.format.name.startswith("gray"):
        notes.append("gray picture, channels replicated")
    if "a" in frame.format.name.removeprefix("gray").rstrip("lbe0123456789"):
        notes.append("alpha channel dropped")
    return ", ".join(notes) or None
