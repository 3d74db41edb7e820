"""Encoding: uint8 pictures to one video, under a temporary name until all are there."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import av.error
import cv2
import numpy as np
from av import VideoFrame
from av.packet import Packet
from av.video.reformatter import ColorRange, Colorspace, Interpolation
from av.video.stream import VideoStream

from manifests.errors import StoreFault
from matting_tasks.video_source import BT709, VideoInfo
from matting_tasks.video_target import Target

CRF = 16
"""Constant quality of x264 where no bitrate is given: no difference to be seen."""

_EXACT = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT


class VideoWriter:
    """Encodes one video with the times of its source.

    mp4: H.264 in limited range with the BT.709 matrix, and tagged so; 4:2:0, or 4:4:4 where a side is odd, for 4:2:0
    cannot hold it. ffv1: FFV1 in Matroska, gray or RGB, without any loss.
    """

    def __init__(self, target: Target, info: VideoInfo) -> None:
        """Open the file under its temporary name."""
        self._target, self._clock = target, info.clock
        self._temporary = target.temporary()
        with _told(target.path):
            muxing = {"movflags": "+faststart"} if target.form == "mp4" else {}
            self._container = av.open(str(self._temporary), "w", options=muxing)
            self._stream = self._add_stream(target, info)

    def _add_stream(self, target: Target, info: VideoInfo) -> VideoStream:
        lossless = target.form == "ffv1"
        odd = info.size.width % 2 or info.size.height % 2
        colour = "bgr0" if lossless else "yuv444p" if odd else "yuv420p"
        options = {"level": "3", "slices": "4"} if lossless else {"preset": "veryfast"}
        if info.clock.times is not None and not lossless:
            options["bf"] = "0"  # mp4 keeps the durations of frames in the order of decoding
        if not lossless and target.bit_rate is None:
            options["crf"] = str(CRF)
        stream: VideoStream = self._container.add_stream(
            "ffv1" if lossless else "libx264", rate=info.clock.rate, options=options
        )
        stream.width, stream.height = info.size
        stream.pix_fmt = "gray" if lossless and target.name == "alpha" else colour
        if target.bit_rate is not None and not lossless:
            stream.bit_rate = target.bit_rate
        context = stream.codec_context
        stream.time_base = context.time_base = info.clock.time_base
        context.color_range = ColorRange.JPEG if lossless else ColorRange.MPEG
        context.color_primaries, context.color_trc = info.primaries, info.transfer
        if not lossless:
            context.colorspace = BT709
        if info.pixel_aspect != 1:
            context.sample_aspect_ratio = info.pixel_aspect
        return stream

    def write(self, place: int, pixels: np.ndarray) -> None:
        """Encode one picture."""
        frame = _to_frame(pixels, self._stream.pix_fmt or "")
        frame.time_base = self._clock.time_base
        frame.pts = self._clock.time_of(place)
        with _told(self._target.path):
            self._mux(self._stream.encode(frame))

    def _mux(self, packets: Sequence[Packet[VideoStream]]) -> None:
        for packet in packets:
            if self._clock.times is not None and packet.pts is not None:
                packet.duration = self._clock.duration_from(packet.pts)  # the encoder knows the mean one only
            self._container.mux(packet)

    def finish(self) -> None:
        """Encode what is held back, write the index, and bring the file to the disk."""
        with _told(self._target.path):
            self._mux(self._stream.encode())
            self._container.close()
        with self._temporary.open("rb") as file:
            os.fsync(file.fileno())

    def commit(self) -> None:
        """Rename the file."""
        self._temporary.replace(self._target.path)

    def close(self) -> None:
        """Close and remove the file."""
        with contextlib.suppress(av.error.FFmpegError):  # of a full disk, say: it is removed anyway
            self._container.close()
        self._temporary.unlink(missing_ok=True)


def _to_frame(pixels: np.ndarray, pix_fmt: str) -> VideoFrame:
    """Bring (H, W, 3) RGB or (H, W) gray, full range, to a frame of the encoder's format."""
    if pix_fmt == "gray":
        return VideoFrame.from_ndarray(pixels, "gray")
    rgb = pixels if pixels.ndim == 3 else cv2.merge([pixels, pixels, pixels])
    frame = VideoFrame.from_ndarray(np.ascontiguousarray(rgb), "rgb24")
    if pix_fmt == "bgr0":
        return frame.reformat(format=pix_fmt)
    return frame.reformat(
        format=pix_fmt,
        dst_colorspace=Colorspace.ITU709,
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.MPEG,
        interpolation=_EXACT,
    )


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn what FFmpeg raises into a StoreFault that names the file."""
    try:
        yield
    except av.error.MemoryError as err:
        raise MemoryError(f"no memory to encode {path}") from err
    except av.error.FFmpegError as err:
        raise StoreFault(f"{path} cannot be written: {err.strerror}. Check that its folder has room.") from err
