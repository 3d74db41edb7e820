"""Decoding: the bytes of a picture to uint8 RGB, its structure checked first: decoders fill a cut one with gray."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import cv2
import numpy as np

from manifests.errors import InputFault
from matting_tasks.decode_jpeg import END, FRAMES, SCAN, Segment, decode_jpeg, lacks_scans, segments, strict_decoder

MAX_PIXELS = 1 << 28
"""Larger pictures are refused before decoding (the rig's have 7 million pixels)."""

HEAD_BYTES = 1 << 16

_BLOCKS_PER_BYTE = 8
"""Of a Huffman-coded JPEG: the mean of each 8x8 block takes a bit at least (ITU-T T.81, F.1.2.1)."""

_ARITHMETIC = range(0xC9, 0xD0)

_MAX_DEFLATE_RATIO = 1032
"""A code of one bit for the length and one for the distance stands for 258 bytes (RFC 1951, 3.2.5)."""

_PALETTE = 3

_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class Header:
    """What the header of a picture says; `orientation` is EXIF's (1 = upright), `complete` if its end was found.

    `lacks_scans`: the end was found before all scans of the JPEG. `least_bytes`: no file with fewer has so many pixels.
    """

    kind: str
    width: int
    height: int
    n_channels: int
    orientation: int = 1
    complete: bool = False
    lacks_scans: bool = False
    least_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Picture:
    """pixels: (H, W, 3) uint8, RGB; note: what was left out or converted, or None."""

    pixels: np.ndarray
    note: str | None


def decode_image(data: bytes) -> Picture:
    """Decode a JPEG or PNG; gray is replicated, an alpha channel dropped, 16 bits scaled to 8, EXIF not applied.

    Raises InputFault of status `undecodable` with the reason for empty, truncated, foreign, CMYK and damaged files.
    """
    header = read_header(data)
    if not header.complete:
        raise _undecodable(f"the {header.kind} file is truncated: it ends after {len(data)} bytes without an end mark")
    if header.kind == "JPEG" and header.n_channels == 4:
        raise _undecodable("a CMYK JPEG: its colours cannot be known without its profile; store it as RGB")
    if len(data) < header.least_bytes:
        raise _undecodable(
            f"a damaged {header.kind}: its header claims {header.width}x{header.height} pixels, and {len(data)} bytes "
            "cannot hold them"
        )
    if header.lacks_scans:
        raise _undecodable("the JPEG file is damaged: its end mark comes before all of its scans")
    decoder = strict_decoder() if header.kind == "JPEG" else None
    if decoder is not None:
        pixels, oddity = decode_jpeg(data, decoder)
    else:
        pixels, oddity = _decode_with_opencv(data, header), None
    notes = [note for note in (_note(header), oddity) if note is not None]
    return Picture(np.ascontiguousarray(pixels), "; ".join(notes) or None)


def decode_gray(data: bytes) -> np.ndarray:
    """Decode a picture to its first channel, (H, W) uint8; raises InputFault of status `undecodable`."""
    return np.ascontiguousarray(decode_image(data).pixels[:, :, 0])


def read_header(data: bytes) -> Header:
    """Walk the structure of a whole picture, or of its first bytes; raises InputFault where it is no picture."""
    if not data:
        raise _undecodable("the file is empty (0 bytes)")
    if data.startswith(b"\xff\xd8"):
        header = _walk_jpeg(data)
    elif data.startswith(_PNG):
        header = _walk_png(data)
    else:
        raise _undecodable(f"neither JPEG nor PNG: the file begins with {data[:8].hex(' ')}")
    if header.width * header.height > MAX_PIXELS:
        raise _undecodable(f"{header.width}x{header.height} pixels are more than cleanplate decodes ({MAX_PIXELS})")
    return header


def _decode_with_opencv(data: bytes, header: Header) -> np.ndarray:
    """Decode to (H, W, 3) uint8 RGB; what libjpeg warns of passes."""
    flags = cv2.IMREAD_IGNORE_ORIENTATION
    flags |= cv2.IMREAD_COLOR_RGB if header.kind == "JPEG" else cv2.IMREAD_UNCHANGED
    try:
        pixels = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), flags)
    except cv2.error as err:
        if err.code == cv2.Error.StsNoMem:
            raise MemoryError(f"no memory for a picture of {header.width}x{header.height} pixels") from err
        raise _undecodable(f"the {header.kind} file cannot be decoded: {err.err or err}") from err
    if pixels is None:
        raise _undecodable(f"the {header.kind} file cannot be decoded: its data are damaged")
    return _to_rgb(pixels) if header.kind == "PNG" else pixels


def _walk_jpeg(data: bytes) -> Header:
    """Follow the segments to the end mark."""
    frame: Segment | None = None
    orientation, complete, scans = 1, False, []
    for segment in segments(data):
        if segment.mark == END:
            complete = True
        elif segment.mark == SCAN:
            scans.append(segment)
        elif segment.mark in FRAMES and len(segment.payload) >= 6:
            frame = segment
        elif segment.mark == 0xE1 and segment.payload.startswith(b"Exif\0\0"):
            orientation = _exif_orientation(segment.payload[6:])
    height, width, n_channels = struct.unpack_from(">HHB", frame.payload, 1) if frame is not None else (0, 0, 0)
    if frame is None or not width or not height:
        raise _undecodable(f"a JPEG without a readable frame header in its {len(data)} bytes: truncated or damaged")
    n_blocks = 0 if frame.mark in _ARITHMETIC else -(-width // 8) * -(-height // 8)
    lacks = complete and lacks_scans(frame, scans)
    return Header("JPEG", width, height, n_channels, orientation, complete, lacks, n_blocks // _BLOCKS_PER_BYTE)


def _exif_orientation(tiff: bytes) -> int:
    """Return tag 0x0112 of the first directory (TIFF 6.0, section 2), 1 where there is none."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    try:
        if order is None:
            return 1
        (start,) = struct.unpack_from(f"{order}I", tiff, 4)
        (n_entries,) = struct.unpack_from(f"{order}H", tiff, start)
        for entry in range(n_entries):
            tag, _, _, value = struct.unpack_from(f"{order}HHIH", tiff, start + 2 + 12 * entry)
            if tag == 0x0112:
                return int(value)
    except struct.error:
        pass
    return 1


def _walk_png(data: bytes) -> Header:
    """Follow the chunks to IEND, checking each whole chunk's CRC (PNG, third edition, section 5)."""
    position, shape, complete = len(_PNG), None, False
    while position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        end = position + 12 + length
        if end > len(data):
            break
        kind = data[position + 4 : position + 8]
        if zlib.crc32(data[position + 4 : end - 4]) != struct.unpack_from(">I", data, end - 4)[0]:
            raise _undecodable(f"a damaged PNG: the checksum of chunk {kind!r} does not match")
        if kind == b"IHDR" and length == 13:
            shape = struct.unpack_from(">IIBB", data, position + 8)
        if kind == b"IEND":
            complete = True
            break
        position = end
    if shape is None or not shape[0] or not shape[1]:
        raise _undecodable(f"a PNG without a readable header in its {len(data)} bytes: truncated or damaged")
    n_channels = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}.get(shape[3], 0)
    bits = shape[2] * (1 if shape[3] == _PALETTE else n_channels)
    least = shape[0] * shape[1] * bits // 8 // _MAX_DEFLATE_RATIO
    return Header("PNG", shape[0], shape[1], n_channels, 1, complete, least_bytes=least)


def _to_rgb(pixels: np.ndarray) -> np.ndarray:
    """Bring what imdecode gives unchanged ((H, W) or (H, W, 3 | 4), 8 or 16 bit, BGR) to (H, W, 3) uint8 RGB."""
    if pixels.dtype == np.uint16:
        pixels = ((pixels.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    if pixels.ndim == 2:
        return np.repeat(pixels[:, :, None], 3, axis=2)
    return pixels[:, :, 2::-1]


def _note(header: Header) -> str | None:
    if header.orientation != 1:
        return f"EXIF orientation {header.orientation} ignored"
    if header.n_channels == 1:
        return "gray picture, channels replicated"
    return "alpha channel dropped" if header.kind == "PNG" and header.n_channels in (2, 4) else None


def _undecodable(reason: str) -> InputFault:
    return InputFault("undecodable", reason)
