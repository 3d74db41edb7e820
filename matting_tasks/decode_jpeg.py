"""JPEG, strictly: a scan of which libjpeg warns is damaged, and is a fault instead of a half gray picture."""

from __future__ import annotations

import functools
import importlib
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from manifests.errors import InputFault
from matting_tasks.second_reader import check_again

END = 0xD9
SCAN = 0xDA
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Marks of a frame header; the rest of that row are tables."""

_ODD_SAMPLING = "Could not determine subsampling"
"""TurboJPEG's words for 4:1:0 and other rare kinds, which OpenCV would read, but without a word about damage."""

_END = bytes((0xFF, END))
_SEQUENTIAL = (0xC0, 0xC1, 0xC9)
_PROGRESSIVE = (0xC2, 0xCA)
_MARK = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment of a JPEG: its mark's last byte, what follows its length, and its first byte and that behind it."""

    mark: int
    payload: bytes
    first: int
    behind: int


Decoder = Callable[..., np.ndarray]
"""simplejpeg.decode_jpeg."""


def decode_jpeg(data: bytes, decoder: Decoder) -> tuple[np.ndarray, str | None]:
    """Decode a whole JPEG to (H, W, 3) uint8 RGB and a note, if libjpeg warns of what is no part of the picture.

    The pixels are those of OpenCV, which is built on the same library. Raises InputFault of status `undecodable` with
    libjpeg's first warning, or with that of the second reader.
    """
    frame = next((segment.mark for segment in segments(data) if segment.mark in FRAMES), 0)
    try:
        pixels = _decode_strictly(data, decoder)
        check_again(_bare(data), frame)
        return pixels, None
    except ValueError as err:
        said = str(err)
    if _ODD_SAMPLING in said:
        raise InputFault(
            "undecodable",
            "the JPEG file's chroma is sampled in a way that cannot be read strictly, or its header is damaged: store "
            f"it as 4:4:4, 4:2:2 or 4:2:0; libjpeg says: {said}",
        )
    for tidy in _tidied(data):
        try:
            pixels = _decode_strictly(tidy, decoder)
        except ValueError:
            continue
        check_again(tidy, frame)
        return pixels, f"odd but whole; libjpeg says: {said}"
    raise InputFault("undecodable", f"the JPEG file cannot be decoded; libjpeg says: {said}")


@functools.cache
def strict_decoder() -> Decoder | None:
    """Return simplejpeg's decoder; None where it is not installed, and OpenCV has to do, which hides the warnings."""
    try:
        decoder: Decoder = importlib.import_module("simplejpeg").decode_jpeg
    except ImportError:
        return None
    return decoder


def segments(data: bytes) -> Iterator[Segment]:
    """Yield the segments of a JPEG up to its end mark (ITU-T T.81, B.1); a thumbnail inside of one is passed over."""
    behind = 2
    while (found := _MARK.search(data, behind)) is not None:
        mark, start = found.group()[-1], found.end()
        if mark == END:
            yield Segment(END, b"", found.start(), start)
            return
        if start + 2 > len(data):
            return
        (length,) = struct.unpack_from(">H", data, start)
        behind = start + length
        yield Segment(mark, data[start + 2 : behind], found.start(), behind)


def lacks_scans(frame: Segment, scans: list[Segment]) -> bool:
    """Tell if a coefficient of some component is in no scan, or not to its last bit (ITU-T T.81, B.2.3 and G.1.1.1).

    So is a progressive file that was cut between two scans and given an end mark: libjpeg decodes it without a warning.
    """
    missing = {component: set(range(64)) for component in frame.payload[6::3]}
    for scan in scans:
        n_components = scan.payload[0] if scan.payload else 0
        spectrum = scan.payload[1 + 2 * n_components :]
        if len(spectrum) < 3:
            continue
        first, last, bits = spectrum[:3] if frame.mark in _PROGRESSIVE else (0, 63, 0)
        if bits & 0x0F == 0:
            for component in scan.payload[1 : 1 + 2 * n_components : 2]:
                missing.get(component, set()).difference_update(range(first, last + 1))
    return any(missing.values())


def _decode_strictly(data: bytes, decoder: Decoder) -> np.ndarray:
    """Decode to (H, W, 3) uint8 RGB; raises ValueError with libjpeg's first warning or its error."""
    try:
        return decoder(data, "RGB", strict=True)
    except ValueError as err:
        if "memory" in str(err).lower():
            raise MemoryError(f"libjpeg says: {err}") from err
        raise


def _tidied(data: bytes) -> Iterator[bytes]:
    """Yield a JPEG without what is no part of its picture; if it is then decoded without a warning, it is whole.

    Left out are, besides what `_bare` leaves out, zeros between the last scan and the end mark. One of those may belong
    to the scan: a hole of zeros has taken more.
    """
    kept = _bare(data)[:-2].rstrip(b"\xff")
    shortest = kept.rstrip(b"\0")
    for n_zeros in range(min(2, len(kept) - len(shortest) + 1)):
        yield shortest + bytes(n_zeros) + _END


def _bare(data: bytes) -> bytes:
    """Return a JPEG without bytes between the segments of its header, and without data that decide no colour."""
    kept, behind, frame, in_scans = bytearray(b"\xff\xd8"), 2, 0, False
    for segment in segments(data):
        if in_scans:
            kept += data[behind : segment.first]
        if segment.mark == END:
            break
        frame = segment.mark if segment.mark in FRAMES else frame
        in_scans = in_scans or segment.mark == SCAN
        kept += _without_oddities(segment, frame)
        behind = segment.behind
    return bytes(kept) + _END


def _without_oddities(segment: Segment, frame: int) -> bytes:
    """Return a segment as bytes: of application data only JFIF's and Adobe's, which name the colours, are kept.

    A sequential scan is always that of all 64 coefficients, whatever some encoders write (libjpeg, jdhuff.c).
    """
    payload = segment.payload
    if segment.mark == 0xE0 and payload.startswith(b"JFIF\0"):
        payload = payload[:5] + b"\x01\x01" + payload[7:]
    elif segment.mark == 0xFE or (0xE0 <= segment.mark <= 0xEF and segment.mark != 0xEE):
        return b""
    elif segment.mark == SCAN and frame in _SEQUENTIAL:
        payload = payload[:-3] + b"\0\x3f\0"
    return struct.pack(">BBH", 0xFF, segment.mark, len(payload) + 2) + payload
