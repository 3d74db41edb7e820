"""One run of a decoder over a video's packets: each frame in its turn, or the fault that damage leaves in its place."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Generator, Iterator
from typing import TypeAlias

import av.error
from av import VideoFrame
from av.codec.context import ThreadType
from av.packet import Packet
from av.video.stream import VideoStream

from manifests.errors import InputFault
from matting_tasks.video_index import MAX_DELAY, Opened, Source, open_video, packets_of
from matting_tasks.video_order import VideoIndex

_FLAGS_ALL = ("h264", "mpeg4")
"""Decoders that mark each frame they know to be damaged: they need not stop there, and at odd headers neither."""

_FORBIDDEN = (b"\0\0\0", b"\0\0\1", b"\0\0\2")

_MAX_PADDING_BYTES = 8
"""Zeros behind a NAL unit that some muxers leave there; more are a hole."""

Shown: TypeAlias = VideoFrame | InputFault


class NeedsCare(Exception):
    """Say that a pass met damage, which only a pass on one thread can put to its packet."""


class SeekMissed(Exception):
    """Say that a container did not find a keyframe that it lists."""


class Pass:
    """Decodes from a packet on: `shown` yields (frame number, frame or fault) in order, from `first`'s frame on.

    On several threads any damage raises NeedsCare. With care, damage is put to its packet, and to all frames that
    build on it. `sent` is the last packet that the decoder was given.
    """

    def __init__(self, source: Source, index: VideoIndex, first: int, n_threads: int, careful: bool) -> None:
        """Prepare to begin at packet `first`, a keyframe or 0."""
        self.first = first
        self.sent = first
        self.shown = self._in_time() if index.has_times else self._in_turn()
        self._source = source
        self._index = index
        self._n_threads = 1 if careful else n_threads
        self._careful = careful
        self._begin = bisect_left(index.key_packets, first) if index.has_times else 0
        self._leading = max(index.packets[: self._begin], default=-1) > first
        self._newest = self._begin - 1
        self._late: set[int] = set()
        self._n_since = 0
        self._is_disordered = False
        self._damaged: list[int] = []
        self._lost: set[int] = set()

    def _in_time(self) -> Generator[tuple[int, Shown]]:
        """Number frames by their time; hold each back until all that was decoded before it has shown its damage."""
        waiting: deque[tuple[int, VideoFrame | None]] = deque()
        for packet, frames, failed in self._decoded():
            if failed:
                self._note_failure(packet)
            for frame in frames:
                waiting.extend(self._numbered(frame))
            while waiting and not self._late and self._index.settled_by[waiting[0][0]] <= self._newest:
                yield self._judge(*waiting.popleft())
        waiting.extend(self._note_lost(self._index.n_frames))
        while waiting:
            yield self._judge(*waiting.popleft())

    def _numbered(self, frame: VideoFrame) -> list[tuple[int, VideoFrame | None]]:
        """Return a frame with its number, behind those that should have been shown before it."""
        number = self._index.number_of(frame.pts)
        if number is not None and (number < self._begin or number >= self._index.n_frames):
            return []
        if number is None or number <= self._newest:
            self._need_care()
            self._is_disordered |= number in self._late
            return []
        lost = self._note_lost(number)
        self._wait_for(range(number - len(lost), number))
        if frame.is_corrupt:
            self._note_damage(int(self._index.packets[number]))
        self._newest = number
        return [*lost, (number, frame)]

    def _wait_for(self, missing: range) -> None:
        """Hold frames back behind a gap as long as a frame may be late: one that comes shows that the times are wrong.

        So it is where the table that reorders frames was lost: each has then the time of another one.
        """
        self._n_since = 0 if missing else self._n_since + 1
        self._late.update(missing)
        if self._n_since > MAX_DELAY and not self._is_disordered:
            self._late.clear()

    def _in_turn(self) -> Generator[tuple[int, Shown]]:
        """Number frames by counting them: behind the first damage no number can be told."""
        count = 0
        for _, frames, failed in self._decoded():
            for frame in frames:
                failed = failed or frame.is_corrupt
                if not failed:
                    yield count, frame
                    count += 1
            if failed:
                self._need_care()
                break
        else:
            return
        while True:
            yield (
                count,
                InputFault("undecodable", f"the data are damaged at frame {count}, and its container has no times"),
            )
            count += 1

    def _decoded(self) -> Iterator[tuple[int, list[VideoFrame], bool]]:
        """Yield for each packet what the decoder then showed, and whether it failed; -1 stands for the end."""
        with open_video(self._source) as video:
            context = video.stream.codec_context
            context.thread_count = self._n_threads
            context.thread_type = ThreadType.FRAME if self._n_threads > 1 else ThreadType.SLICE
            trusted = (self._careful or self._leading) and self._index.has_times and context.name in _FLAGS_ALL
            context.options = {"err_detect": "crccheck" if trusted else "crccheck+explode"}
            if self._careful:
                context.options |= {"strict": "strict"}
            n_prefix = _prefix_bytes(context.name, context.extradata or b"")
            for number, packet in self._packets(video):
                is_sound = packet is None or not (packet.is_corrupt or _has_hole(packet, n_prefix))
                try:
                    yield number, context.decode(packet), not is_sound
                except av.error.MemoryError:
                    raise
                except av.error.FFmpegError:
                    yield number, [], True

    def _packets(self, video: Opened) -> Iterator[tuple[int, Packet[VideoStream] | None]]:
        """Yield (number in the order of decoding, packet) up to where the file is cut, and at last (-1, None)."""
        rows = self._index.rows
        if self.first:
            row = rows[self.first]
            try:
                video.container.seek((row.pts if row.dts is None else row.dts) or 0, stream=video.stream)
            except av.error.FFmpegError as err:
                raise SeekMissed from err
        begun = False
        for count, packet in enumerate(packets_of(video)):
            number = self._index.packet_of_pts.get(packet.pts, -1) if self._index.has_times else count
            if not begun and number > self.first:
                raise SeekMissed
            begun = True
            if number < 0 or (self._index.has_times and not rows[number].whole):
                break
            self.sent = max(self.sent, number)
            if packet.size:
                yield number, packet
        self._source.check()
        self.sent = len(rows)
        yield -1, None

    def _need_care(self) -> None:
        if not self._careful:
            raise NeedsCare

    def _note_failure(self, packet: int) -> None:
        """Note that a packet is damaged, unless its frame comes before the first one: that needs earlier packets."""
        self._need_care()
        if packet >= 0 and not 0 <= self._index.numbers[packet] < self._begin:
            self._note_damage(packet)

    def _note_lost(self, number: int) -> list[tuple[int, VideoFrame | None]]:
        """Note that the frames before `number` were never shown; return them."""
        lost = range(self._newest + 1, number)
        for missing in lost:
            self._note_damage(int(self._index.packets[missing]))
        return [(missing, None) for missing in lost]

    def _note_damage(self, packet: int) -> None:
        self._need_care()
        self._lost.add(packet)
        if not self._index.rows[packet].is_disposable:
            insort(self._damaged, packet)

    def _judge(self, number: int, frame: VideoFrame | None) -> tuple[int, Shown]:
        """Return a frame that is whole, and builds on whole ones only."""
        packet = int(self._index.packets[number])
        if self._is_disordered:
            return number, InputFault("undecodable", "its index is damaged: its frames are shown in another order")
        if frame is None or packet in self._lost:
            return number, InputFault("undecodable", f"the data of frame {number} are damaged")
        nearest = bisect_left(self._damaged, packet) - 1
        if nearest >= 0 and self._damaged[nearest] >= self._index.key_packets[number]:
            guilty = int(self._index.numbers[self._damaged[nearest]])
            named = f"frame {guilty}, whose data are damaged" if guilty >= 0 else "hidden data, which are damaged"
            return number, InputFault("undecodable", f"frame {number} builds on {named}")
        return number, frame


def _prefix_bytes(codec: str, header: bytes) -> int:
    """Return the size of the length before each NAL unit in an mp4 (ISO/IEC 14496-15, 5.3.3 and 8.3.3), or 0."""
    place = {"h264": 4, "hevc": 21}.get(codec, len(header))
    return (header[place] & 3) + 1 if header.startswith(b"\x01") and place < len(header) else 0


def _has_hole(packet: Packet[VideoStream], n_prefix: int) -> bool:
    """Tell whether a packet cannot be what its encoder wrote: zeros often decode without an error.

    The lengths of its NAL units must fill it, and three bytes that would begin another unit must not occur in one
    (ITU-T H.264, 7.4.1; H.265, 7.4.2).
    """
    data = bytes(packet) if n_prefix else b""
    position = 0
    while position < len(data):
        begin = position + n_prefix
        position = begin + int.from_bytes(data[position:begin])
        unit = data[begin:position]
        n_zeros = len(unit) - len(unit.rstrip(b"\0"))
        unit = unit[: len(unit) - n_zeros]
        if not unit or n_zeros > _MAX_PADDING_BYTES or unit[0] & 0x80 or any(mark in unit for mark in _FORBIDDEN):
            return True
    return position != len(data)
