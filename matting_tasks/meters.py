"""Meters: what a worker counts of its own work, in plain numbers; whoever shows them reads a copy."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from matting_tasks.batches import Matted

Item = TypeVar("Item")
Result = TypeVar("Result")

PHASES = ("decode", "device_queue", "device", "encode", "commit")
"""Where the time of a shard goes: waiting for decoded frames, for the device to be free, on the device, waiting for
frames to be encoded and written, and at the end for its pack and receipt."""


class InHand:
    """The frames of the shards of one call, between its stages.

    Seconds are those of the thread that pulls the frames through, so at any moment it is in one phase only. Fields that
    several threads write are kept under a lock; it costs less than a microsecond a frame.
    """

    def __init__(self, n_shards: int) -> None:
        """Begin with nothing read."""
        self.n_shards = n_shards
        self.n_read = self.n_taken = self.n_matted = self.n_passed = self.n_written = 0
        self.decode_s = self.matting_s = self.device_s = self.encode_s = self.commit_s = 0.0
        self._lock = threading.Lock()

    def reading(self, reader: Callable[[Item], Result]) -> Callable[[Item], Result]:
        """Return a reader of frames that counts them; it runs on several threads."""

        def read(item: Item) -> Result:
            result = reader(item)
            with self._lock:
                self.n_read += 1
            return result

        return read

    def writing(self, writer: Callable[[Item], Result]) -> Callable[[Item], Result]:
        """Return a writer of masks that counts them; it runs on several threads."""

        def write(item: Item) -> Result:
            result = writer(item)
            with self._lock:
                self.n_written += 1
            return result

        return write

    def read(self, frames: Iterator[Item]) -> Iterator[Item]:
        """Pass decoded frames on; what it takes to get one is waiting for decode."""
        for frame, seconds in _timed(frames):
            self.decode_s += seconds
            self.n_taken += 1
            yield frame

    def matted(self, frames: Iterator[tuple[int, Matted]]) -> Iterator[tuple[int, Matted]]:
        """Pass matted frames on; what it takes to get one beside its decoding is the device, or waiting for it."""
        decoded_s = self.decode_s
        for numbered, seconds in _timed(frames):
            self.matting_s += seconds - (self.decode_s - decoded_s)
            decoded_s = self.decode_s
            measures = numbered[1].measures
            self.device_s += measures.get("device_s", 0.0)
            self.n_matted += "device_s" in measures  # else its row will say why it is not matted
            self.n_passed += 1
            yield numbered

    def written(self, rows: Iterator[Item]) -> Iterator[Item]:
        """Pass rows on; what it takes to get one beside its matting is waiting for encode, the time between commits."""
        before_s = self.decode_s + self.matting_s
        for row, seconds in _timed(rows):
            upstream_s = self.decode_s + self.matting_s
            self.encode_s += seconds - (upstream_s - before_s)
            before_s = upstream_s
            given = time.perf_counter()
            yield row
            self.commit_s += time.perf_counter() - given

    @property
    def phases(self) -> dict[str, float]:
        """Return the seconds of each of PHASES so far."""
        queue_s = max(0.0, self.matting_s - self.device_s)
        return dict(zip(PHASES, (self.decode_s, queue_s, self.device_s, self.encode_s, self.commit_s), strict=True))


class Meters:
    """The numbers of a worker since it began; any thread may write and read them."""

    def __init__(self) -> None:
        """Begin at zero."""
        self._lock = threading.Lock()
        self._open: list[InHand] = []
        self._ended: Mapping[str, float] = {}
        self._n_matted = 0
        self._by_status: Counter[str] = Counter()
        self._by_kind: Counter[str] = Counter()

    @contextmanager
    def take(self, n_shards: int) -> Iterator[InHand]:
        """Keep an account of the frames of so many shards while they are in hand."""
        hand = InHand(n_shards)
        with self._lock:
            self._open.append(hand)
        try:
            yield hand
        finally:
            with self._lock:
                self._open.remove(hand)
                self._ended = _added(self._ended, [hand.phases])
                self._n_matted += hand.n_matted

    def committed(self, by_status: Mapping[str, int]) -> None:
        """Count the frames of a shard that is committed, by the status of their rows."""
        with self._lock:
            self._by_status.update(by_status)

    def failed(self, kind: str) -> None:
        """Count a shard that is not committed, by the kind of its failure."""
        with self._lock:
            self._by_kind[kind] += 1

    def phases(self) -> dict[str, float]:
        """Return the seconds of each of PHASES, of all calls together: with two at once, two a second."""
        with self._lock:
            return _added(self._ended, (hand.phases for hand in self._open))

    def frames(self) -> dict[str, int]:
        """Return the frames of committed shards, by the status of their rows."""
        with self._lock:
            return dict(self._by_status)

    def failures(self) -> dict[str, int]:
        """Return the shards that were not committed, by the kind of failure."""
        with self._lock:
            return dict(self._by_kind)

    @property
    def n_matted(self) -> int:
        """Count the frames that came off the device, committed or not."""
        with self._lock:
            return self._n_matted + sum(hand.n_matted for hand in self._open)

    def depths(self) -> tuple[int, int, int]:
        """Return the shards in hand, their frames decoded ahead of the device, and those that wait to be written."""
        with self._lock:
            hands = list(self._open)
        ahead = sum(max(0, hand.n_read - hand.n_taken) for hand in hands)
        behind = sum(max(0, hand.n_passed - hand.n_written) for hand in hands)
        return sum(hand.n_shards for hand in hands), ahead, behind


def _timed(items: Iterator[Item]) -> Iterator[tuple[Item, float]]:
    """Yield items, each with the seconds that it was waited for."""
    while True:
        started = time.perf_counter()
        try:
            item = next(items)
        except StopIteration:
            return
        yield item, time.perf_counter() - started


def _added(ended: Mapping[str, float], others: Iterable[Mapping[str, float]]) -> dict[str, float]:
    total = {phase: ended.get(phase, 0.0) for phase in PHASES}
    for other in others:
        for phase in PHASES:
            total[phase] += other[phase]
    return total
