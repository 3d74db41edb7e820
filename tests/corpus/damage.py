"""Damage: what disks, networks and half-done copies make of the bytes of a file, by name and from a seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

import numpy as np

from matting_tasks.decode_jpeg import SCAN, segments

Rng = np.random.Generator
Damage = Callable[[Rng, bytes], bytes]


class Place(Protocol):
    """Say between which bytes of a file a damage begins."""

    def __call__(self, data: bytes) -> tuple[int, int]:
        """Return the first place, and the one behind the last."""


def anywhere(data: bytes) -> tuple[int, int]:
    """Take any byte."""
    return 0, len(data)


def in_scans(data: bytes) -> tuple[int, int]:
    """Take the coded data of a JPEG, up to its end mark."""
    return next(found.behind for found in segments(data) if found.mark == SCAN), len(data) - 2


def in_header(data: bytes) -> tuple[int, int]:
    """Take what is before the coded data of a JPEG, without its start mark."""
    return 2, next(found.behind for found in segments(data) if found.mark == SCAN)


def cut(rng: Rng, data: bytes) -> bytes:
    """Keep the first bytes only, at least one."""
    return data[: int(rng.integers(1, len(data)))]


def cut_with_end_mark(rng: Rng, data: bytes) -> bytes:
    """Cut the scan of a JPEG and put its end mark behind, as cameras do that run out of room."""
    return data[: int(rng.integers(*in_scans(data)))] + b"\xff\xd9"


def hole(n_bytes: int, place: Place = anywhere) -> Damage:
    """Have bytes become zeros: a block that was never written."""
    return lambda rng, data: _over(data, _at(rng, data, place, n_bytes), bytes(n_bytes))


def noise(n_bytes: int, place: Place = anywhere) -> Damage:
    """Have bytes become any others: a block of another file."""
    return lambda rng, data: _over(data, _at(rng, data, place, n_bytes), rng.bytes(n_bytes))


def flips(n_bits: int, place: Place = anywhere) -> Damage:
    """Turn single bits over."""

    def flipped(rng: Rng, data: bytes) -> bytes:
        turned = bytearray(data)
        for _ in range(n_bits):
            turned[_at(rng, data, place, 1)] ^= 1 << int(rng.integers(8))
        return bytes(turned)

    return flipped


def lost(rng: Rng, data: bytes) -> bytes:
    """Leave some bytes out."""
    at = _at(rng, data, anywhere, 64)
    return data[:at] + data[at + int(rng.integers(1, 65)) :]


def doubled(rng: Rng, data: bytes) -> bytes:
    """Have some bytes twice."""
    at = _at(rng, data, anywhere, 64)
    return data[: at + int(rng.integers(1, 65))] + data[at:]


def swapped(rng: Rng, data: bytes) -> bytes:
    """Have two blocks in each other's place."""
    first, second = sorted(int(place) for place in rng.choice(max(2, len(data) // 256), 2, replace=False))
    blocks = [data[at : at + 256] for at in range(0, len(data), 256)]
    if second < len(blocks):
        blocks[first], blocks[second] = blocks[second], blocks[first]
    return b"".join(blocks)


def spliced(other: bytes) -> Damage:
    """Go on with the bytes of another file, as when two were written at once."""

    def joined(rng: Rng, data: bytes) -> bytes:
        at = int(rng.integers(1, min(len(data), len(other))))
        return data[:at] + other[at:]

    return joined


def trailing(rng: Rng, data: bytes) -> bytes:
    """Have bytes behind the end, as some copiers leave; no picture is harmed."""
    return data + rng.bytes(int(rng.integers(1, 200)))


def cases(
    seed: int, whole: Mapping[str, bytes], damages: Mapping[str, Damage], n_each: int
) -> Iterator[tuple[str, str, bytes]]:
    """Yield (damage, key of the undamaged file, bytes): `n_each` of each damage, over the files in turn."""
    keys = sorted(whole)
    for number, (name, damaged) in enumerate(damages.items()):
        rng = np.random.default_rng([seed, number])
        for turn in range(n_each):
            key = keys[turn % len(keys)]
            yield name, key, damaged(rng, whole[key])


def _at(rng: Rng, data: bytes, place: Place, n_bytes: int) -> int:
    first, behind = place(data)
    return int(rng.integers(first, max(first + 1, behind - n_bytes + 1)))


def _over(data: bytes, at: int, new: bytes) -> bytes:
    return (data[:at] + new + data[at + len(new) :])[: len(data)]
