"""Good pictures: the kinds of files that a capture may hold, all 64 x 64 and made from one seed."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator

import cv2
import numpy as np
from fakes import draw_picture, to_jpeg, to_png
from PIL import Image

from matting_tasks.decode_jpeg import SCAN, segments

SIDE = 64
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
END_MARK = b"\xff\xd9"


def picture(seed: int) -> np.ndarray:
    """Draw (64, 64, 3) uint8 RGB."""
    return draw_picture(seed, SIDE, SIDE)


def with_pillow(pixels: np.ndarray, kind: str = "JPEG", **options: object) -> bytes:
    """Encode by Pillow."""
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, kind, **options)
    return sink.getvalue()


def jpegs(seed: int = 0) -> dict[str, bytes]:
    """Return JPEGs of one picture by encoder and kind; all are within what cleanplate reads."""
    pixels = picture(seed)
    sampling = cv2.IMWRITE_JPEG_SAMPLING_FACTOR
    return {
        "opencv": to_jpeg(pixels, cv2.IMWRITE_JPEG_QUALITY, 95),
        "opencv-q60": to_jpeg(pixels, cv2.IMWRITE_JPEG_QUALITY, 60),
        "opencv-444": to_jpeg(pixels, sampling, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
        "opencv-422": to_jpeg(pixels, sampling, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422),
        "opencv-411": to_jpeg(pixels, sampling, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_411),
        "opencv-restarting": to_jpeg(pixels, cv2.IMWRITE_JPEG_RST_INTERVAL, 2),
        "pillow-optimised": with_pillow(pixels, quality=90, optimize=True),
        "pillow-gray": with_pillow(pixels[:, :, 1], quality=95),
        "pillow-progressive": with_pillow(pixels, quality=90, progressive=True),
        "opencv-progressive": to_jpeg(pixels, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    }


def pngs(seed: int = 0) -> dict[str, bytes]:
    """Return PNGs of one picture by kind."""
    pixels = picture(seed)
    image = Image.fromarray(pixels)
    wide = pixels.astype(np.uint16) * 257
    alpha = np.dstack([pixels, np.full((SIDE, SIDE), 200, np.uint8)])
    return {
        "rgb": to_png(pixels),
        "gray": to_png(pixels[:, :, 1]),
        "rgb-16": to_png(wide),
        "gray-16": to_png(wide[:, :, 1]),
        "rgba": to_png(alpha),
        "gray-alpha": _png(image.convert("LA")),
        "palette": _png(image.convert("P")),
        "black-white": _png(image.convert("1")),
    }


def yuv_410() -> bytes:
    """Return a flat gray JPEG whose chroma has a quarter of the columns and half of the rows: 4:1:0.

    No encoder at hand writes it. In the usual Huffman tables a block like the one before it is 00 1010 in luma and
    00 00 in chroma (ITU-T T.81, K.3).
    """
    jpeg = to_jpeg(np.full((SIDE, SIDE, 3), 128, np.uint8))
    scan = next(found for found in segments(jpeg) if found.mark == SCAN)
    head = jpeg[: scan.behind].replace(b"\x01\x22\x00\x02\x11\x01", b"\x01\x42\x00\x02\x11\x01")
    n_units = (SIDE // 32) * (SIDE // 16)
    bits = ("001010" * 8 + "0000" * 2) * n_units
    bits += "1" * (-len(bits) % 8)
    return head + int(bits, 2).to_bytes(len(bits) // 8) + END_MARK


def cmyk() -> bytes:
    """Return a CMYK JPEG."""
    sink = io.BytesIO()
    Image.fromarray(picture(0)).convert("CMYK").save(sink, "JPEG", quality=90)
    return sink.getvalue()


def turned(orientation: int) -> bytes:
    """Return a JPEG whose EXIF says that it is to be turned; 1 is upright."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return with_pillow(picture(0), quality=95, exif=exif.tobytes())


def png_claiming(width: int, height: int, body: bytes = b"") -> bytes:
    """Return a PNG whose header claims a size; its data are `body`, compressed."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return PNG_MAGIC + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")


def jpeg_claiming(jpeg: bytes, width: int, height: int) -> bytes:
    """Return a JPEG whose frame header claims another size."""
    frame = next(found for found in segments(jpeg) if found.mark in (0xC0, 0xC2))
    place = frame.behind - len(frame.payload) + 1
    return jpeg[:place] + struct.pack(">HH", height, width) + jpeg[place + 4 :]


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def foreign_files() -> Iterator[tuple[str, bytes]]:
    """Yield files that are no JPEG or PNG, by what they are."""
    image = Image.fromarray(picture(0))
    for kind in ("GIF", "BMP", "TIFF", "WEBP", "PPM"):
        sink = io.BytesIO()
        image.save(sink, kind)
        yield kind, sink.getvalue()
    jpeg = to_jpeg(picture(0))
    yield "nothing", b""
    yield "one byte", b"\xff"
    yield "a start mark", b"\xff\xd8"
    yield "a start and an end mark", b"\xff\xd8\xff\xd9"
    yield "the magic of PNG", PNG_MAGIC
    yield "zeros", bytes(4096)
    yield "ones", b"\xff" * 4096
    yield "a page", b"<!DOCTYPE html><html><body>404 Not Found</body></html>"
    yield "a pointer of git-lfs", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n"
    yield "a compressed JPEG", zlib.compress(jpeg)
    yield "a JPEG in text", jpeg.hex().encode()
    yield "a JPEG read as text", jpeg.decode("latin-1").encode("utf-8")
    yield "a PNG with the ends of lines changed", to_png(picture(0)).replace(b"\r\n", b"\n")
    yield "a JPEG behind a byte", b"\0" + jpeg
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0))
    yield "a PNG without data", PNG_MAGIC + head + chunk(b"IEND", b"")
    yield "a PNG of no size", png_claiming(0, 0)


def _png(image: Image.Image) -> bytes:
    sink = io.BytesIO()
    image.save(sink, "PNG")
    return sink.getvalue()
