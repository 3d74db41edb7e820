"""A video's index: its container opened, and the packets that it lists."""

from __future__ import annotations

import struct
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Protocol

import av
import av.error
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.stream import VideoStream

from manifests.errors import InputFault
from matting_tasks.decode import MAX_PIXELS
from matting_tasks.video_order import Row, VideoIndex, count_only, in_time

_MOV, _MATROSKA = "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"

_CONTAINERS = f"{_MOV},{_MATROSKA},avi,h264,hevc,m4v,mjpeg,mpegts,mpeg,mpegvideo,flv,ivf,obu,ogg,asf,nut,yuv4mpegpipe"
"""A playlist or a list of pictures would make FFmpeg open other files, and a text is a video to it."""

_EBML = b"\x1aE\xdf\xa3"

_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"uuid", b"styp", b"sidx", b"moof")

_MAX_CUT_BYTES = 1 << 36
"""How much of a cut file is read as zeros at most."""

MAX_DELAY = 16
"""The most frames that h264 and hevc show before one decoded earlier (ITU-T H.264, A.3.1). Of those at the end of a cut
file nobody knows which others were to come between them."""


class Seekable(Protocol):
    """A binary file that can be read from anywhere: an open one, or one behind a store's ranged reads."""

    def read(self, size: int = -1, /) -> bytes | None:
        """Return at most that many bytes, none at the end; raises OSError."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move the position as io.IOBase does, and return it."""


class Source:
    """A seekable file on its way to FFmpeg; keeps the error of its store, and can read as zeros behind its end."""

    def __init__(self, file: Seekable) -> None:
        """Wrap a file that the caller closes; reading begins at its first byte."""
        self.file = file
        self.size_bytes = file.seek(0, 2)
        self.shown_bytes = self.size_bytes
        self.error: OSError | None = None
        self._position = file.seek(0)

    def read(self, n_bytes: int) -> bytes:
        """Read up to that many bytes, none at the end or after an error: PyAV may raise one later, elsewhere."""
        if self.error is not None:
            return b""
        try:
            data = self.file.read(max(0, min(n_bytes, self.size_bytes - self._position))) or b""
        except OSError as err:
            self.error = err
            return b""
        if self._position + len(data) >= self.size_bytes:
            behind = self.shown_bytes - max(self._position, self.size_bytes)
            data += bytes(max(0, min(n_bytes - len(data), behind)))
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move, as io.IOBase does."""
        position = offset + (0, self._position, self.shown_bytes)[whence]
        try:
            self.file.seek(min(position, self.size_bytes))
        except OSError as err:
            self.error = err
        self._position = position
        return position

    def check(self) -> None:
        """Raise the error of the store that FFmpeg was not told."""
        if self.error is not None:
            raise self.error

    def tell(self) -> int:
        """Return the position."""
        return self._position


@dataclass(frozen=True, slots=True)
class Opened:
    """An open container and its first video stream; `is_indexed` if it is an mp4 whose one index lists all packets."""

    container: InputContainer
    stream: VideoStream
    is_indexed: bool


@contextmanager
def open_video(source: Source) -> Generator[Opened]:
    """Open a video; raises InputFault of status `undecodable` with the reason, or the store's OSError.

    What FFmpeg raises inside the block is translated alike.
    """
    if not source.size_bytes:
        raise InputFault("undecodable", "the file is empty (0 bytes)")
    kinds, head = _walk_boxes(source)
    source.seek(0)
    is_open = False
    options = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "", "analyzeduration": "0"}
    try:
        with av.open(source, "r", container_options=options, metadata_errors="replace") as container:
            is_indexed = container.format.name == _MOV and b"moof" not in kinds
            is_open = True
            yield Opened(container, _video_stream(container), is_indexed)
    except av.error.MemoryError as err:
        if kinds and not is_open:  # FFmpeg had to hold no more than the tables of the index
            raise InputFault("undecodable", "its index is damaged: it claims more entries than memory holds") from err
        raise MemoryError("no memory for a video's packets or frames") from err
    except av.error.FFmpegError as err:
        source.check()
        known = kinds or head.startswith((_EBML, b"RIFF"))
        said = "the video cannot be read" if known else f"not a video: the file begins with {head[:8].hex(' ')}"
        raise InputFault("undecodable", f"{said}: {err.strerror}") from err
    source.check()


def _walk_boxes(source: Source) -> tuple[set[bytes], bytes]:
    """Return the kinds of the outermost boxes of an mp4 (ISO/IEC 14496-12, 4.2) and the first bytes of any file.

    The walk ends at the first fragment. Raises InputFault where the index is cut or missing: FFmpeg takes a part of it
    as the whole.
    """
    kinds: set[bytes] = set()
    source.seek(0)
    head = box = source.read(16)
    position = 0
    while box[4:8] in _BOXES and b"moof" not in kinds:
        kinds.add(box[4:8])
        (size,) = struct.unpack_from(">I", box)
        if size == 1 and len(box) == 16:
            (size,) = struct.unpack_from(">Q", box, 8)
        end = position + size if size >= 8 else source.size_bytes
        if box[4:8] == b"moov" and end > source.size_bytes:
            there = f"it ends at byte {end}, the file at {source.size_bytes}"
            raise InputFault("undecodable", f"truncated: its index (moov) is cut: {there}")
        if end >= source.size_bytes:
            break
        position = source.seek(end)
        box = source.read(16)
    source.check()
    if kinds and b"moov" not in kinds:
        raise InputFault("undecodable", "truncated: its index (moov) is missing")
    return kinds, head


def _video_stream(container: InputContainer) -> VideoStream:
    streams = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    if not streams:
        raise InputFault("undecodable", "the file has no video stream")
    stream = streams[0]
    if stream.codec_context is None:
        raise InputFault("undecodable", "its codec is not known to this FFmpeg")
    if not stream.width or not stream.height:
        raise InputFault("undecodable", f"the size of its {stream.codec_context.name} pictures cannot be found")
    if stream.width * stream.height > MAX_PIXELS:
        raise InputFault("undecodable", f"{stream.width}x{stream.height} pixels are more than cleanplate decodes")
    return stream


def count_frames(source: Source, video: Opened) -> int:
    """Count the frames that a container lists: in an mp4's index without its pictures, in others every packet."""
    if video.is_indexed:
        return sum(not entry.is_discard for entry in video.stream.index_entries)
    return sum(row.is_shown for row in _rows(source, video))


def read_index(source: Source) -> VideoIndex:
    """List the packets of a video in one pass; raises as `open_video` does."""
    with open_video(source) as video:
        if video.is_indexed:
            _check_sizes(source, video)
            end = max((entry.pos + entry.size for entry in video.stream.index_entries), default=0)
            source.shown_bytes = min(max(source.size_bytes, end), source.size_bytes + _MAX_CUT_BYTES)
        try:
            rows = tuple(_rows(source, video))
        finally:
            source.shown_bytes = source.size_bytes
        is_cut = len(rows) != len(video.stream.index_entries) if video.is_indexed else _is_cut(source, video)
        times = {row.pts for row in rows}
        has_times = video.container.format.name in (_MOV, _MATROSKA) and None not in times and len(times) == len(rows)
        reorders = video.stream.codec_context.has_b_frames
        if has_times and video.is_indexed:
            _check_times(rows, bool(reorders))
    index = in_time(rows) if has_times else count_only(rows)
    if not is_cut:
        return index
    delays = (packet - number for packet, number in enumerate(index.numbers.tolist()) if number >= 0)
    n_unknown = max(delays, default=0) if has_times else MAX_DELAY * reorders
    return replace(index, n_frames=max(0, min(index.n_frames, sum(row.whole for row in rows) - n_unknown)))


def _check_sizes(source: Source, video: Opened) -> None:
    """Raise InputFault where a coded frame is larger than the whole file, before memory is taken for it."""
    largest = max((entry.size for entry in video.stream.index_entries), default=0)
    if largest > source.size_bytes:
        raise InputFault(
            "undecodable",
            f"its index is damaged, or it is truncated: a frame is to have {largest} bytes, the file has "
            f"{source.size_bytes}",
        )


def _check_times(rows: Sequence[Row], reorders: bool) -> None:
    """Raise InputFault where frames are decoded at an even rate and shown at an uneven one: their order was damaged.

    And where the first frames are hidden, as they are to make up for a delay, and no frame is shown later than it is
    decoded although the codec `reorders`. The two times of a frame lie in two tables of an mp4, neither with a checksum
    (ISO/IEC 14496-12, 8.6.1).
    """
    times = [row.dts for row in rows if row.dts is not None]
    decoded = {second - first for first, second in pairwise(times)}
    shown = {second - first for first, second in pairwise(sorted(row.pts or 0 for row in rows))}
    if len(decoded) == 1 and len(shown) > 1:
        raise InputFault("undecodable", "its index is damaged: frames are decoded at an even rate, not shown at one")
    if reorders and rows and not rows[0].is_shown and all(row.pts == row.dts for row in rows):
        raise InputFault("undecodable", "its index is damaged: it lacks the table of when its frames are shown")


def _is_cut(source: Source, video: Opened) -> bool:
    """Tell whether the file ends before its last fragment does, its RIFF or its segment (RFC 9559, 5.1)."""
    if any(entry.pos + entry.size > source.size_bytes for entry in video.stream.index_entries):
        return True
    position = source.tell()
    source.seek(0)
    head = source.read(4096)
    source.seek(position)
    if head.startswith(b"RIFF"):
        return 8 + int.from_bytes(head[4:8], "little") > source.size_bytes
    start = head.find(b"\x18S\x80g") + 4
    if not head.startswith(_EBML) or not 4 <= start <= len(head) - 8:
        return False
    n_bytes = 9 - head[start].bit_length()
    unknown = (1 << 7 * n_bytes) - 1
    size = int.from_bytes(head[start : start + n_bytes]) & unknown
    return size != unknown and start + n_bytes + size > source.size_bytes


def _rows(source: Source, video: Opened) -> Iterator[Row]:
    for packet in packets_of(video):
        whole = not packet.is_corrupt and (packet.pos is None or packet.pos + packet.size <= source.size_bytes)
        yield Row(packet.pts, packet.dts, packet.is_keyframe, not packet.is_discard, packet.is_disposable, whole)


def packets_of(video: Opened) -> Iterator[Packet[VideoStream]]:
    """Yield the packets of a stream without the empty one that PyAV adds for flushing; a cut file just ends."""
    try:
        for packet in video.container.demux(video.stream):
            if packet.size or packet.pts is not None:
                yield packet
    except av.error.InvalidDataError:
        return
