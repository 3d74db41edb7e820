"""The order of a video's packets: in which they are shown, and from which of them decoding can begin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


class Row(NamedTuple):
    """A packet as the container lists it; `whole` if all its bytes lie within the file."""

    pts: int | None
    dts: int | None
    is_key: bool
    is_shown: bool
    is_disposable: bool
    whole: bool


@dataclass(frozen=True, slots=True)
class VideoIndex:
    """The packets of a video, 0 .. n - 1 in the order of decoding, and the frames, 0 .. n - 1 in the order of showing.

    numbers: (n_packets,) int, the frame of a packet, -1 where an edit list hides it; packets and key_packets:
    (n_listed,) int, the packet of a frame and the keyframe from which it can be decoded; settled_by: (n_listed,) int,
    the last frame that is shown of all those decoded before a frame. n_frames are there; the file may be cut before
    n_listed. has_times is False where a frame's number is known only by counting.
    """

    n_frames: int
    n_listed: int
    has_times: bool
    rows: tuple[Row, ...]
    packet_of_pts: dict[int | None, int]
    numbers: np.ndarray
    packets: np.ndarray
    key_packets: np.ndarray
    settled_by: np.ndarray

    def number_of(self, pts: int | None) -> int | None:
        """Return the number of the frame of this time, None where none is shown then."""
        packet = self.packet_of_pts.get(pts)
        return None if packet is None or self.numbers[packet] < 0 else int(self.numbers[packet])


def count_only(rows: tuple[Row, ...]) -> VideoIndex:
    """Return the index of packets that have no presentation times of their own, or not to be trusted."""
    n_shown = sum(row.is_shown for row in rows)
    nothing = np.zeros(0, np.int64)
    return VideoIndex(n_shown, n_shown, False, rows, {}, nothing, nothing, nothing, nothing)


def in_time(rows: tuple[Row, ...]) -> VideoIndex:
    """Return the index of packets by their presentation times, which all differ."""
    numbers = np.full(len(rows), -1, np.int64)
    packets: list[int] = []
    keys: list[int] = []
    key = 0
    for packet in sorted(range(len(rows)), key=lambda packet: rows[packet].pts or 0):
        key = packet if rows[packet].is_key else key
        if rows[packet].is_shown:
            numbers[packet] = len(packets)
            packets.append(packet)
            keys.append(key)
    order = np.array(packets, np.int64)
    cut = [int(number) for number, row in zip(numbers, rows, strict=True) if number >= 0 and not row.whole]
    settled_by = np.maximum.accumulate(numbers)[order] if len(rows) else numbers
    n_listed = len(packets)
    return VideoIndex(
        min(cut, default=n_listed),
        n_listed,
        True,
        rows,
        {row.pts: packet for packet, row in enumerate(rows)},
        numbers,
        order,
        np.array(keys, np.int64),
        settled_by,
    )
