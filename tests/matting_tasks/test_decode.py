from __future__ import annotations

import io
import struct
import subprocess
import sys
import time
import zlib

import cv2
import numpy as np
import pytest
from fakes import draw_picture, to_jpeg, to_png
from PIL import Image

from manifests.errors import InputFault
from matting_tasks.decode import decode_gray, decode_image, read_header

SIGNATURE = b"\x89PNG\r\n\x1a\n"
ORIENTATION = 0x0112


def with_pillow(picture: Image.Image, kind: str, **options: object) -> bytes:
    sink = io.BytesIO()
    picture.save(sink, kind, **options)
    return sink.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(ihdr: bytes, *rest: bytes) -> bytes:
    return SIGNATURE + chunk(b"IHDR", ihdr) + b"".join(rest) + chunk(b"IEND", b"")


def ihdr(width: int, height: int) -> bytes:
    return struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)


def fault_of(data: bytes) -> InputFault:
    with pytest.raises(InputFault) as caught:
        decode_image(data)
    assert caught.value.status == "undecodable"
    return caught.value


def sample_jpeg(*flags: int, height: int = 48, width: int = 64) -> bytes:
    return to_jpeg(draw_picture(1, height, width), *flags)


def with_segment(jpeg: bytes, marker: int, payload: bytes) -> bytes:
    """Put a segment right behind the start mark."""
    return jpeg[:2] + bytes([0xFF, marker]) + struct.pack(">H", len(payload) + 2) + payload + jpeg[2:]


def test_a_jpeg_is_rgb() -> None:
    red_left = np.zeros((32, 64, 3), np.uint8)
    red_left[:, :32, 0] = 255
    red_left[:, 32:, 2] = 255
    pixels = decode_image(to_jpeg(red_left)).pixels
    assert pixels.dtype == np.uint8
    assert pixels.shape == (32, 64, 3)
    assert np.abs(pixels[16, 8].astype(int) - (255, 0, 0)).max() < 8
    assert np.abs(pixels[16, 56].astype(int) - (0, 0, 255)).max() < 8


def test_a_png_is_exactly_what_was_stored() -> None:
    pixels = draw_picture(2)
    picture = decode_image(to_png(pixels))
    assert np.array_equal(picture.pixels, pixels)
    assert picture.pixels.flags.c_contiguous
    assert picture.note is None


@pytest.mark.parametrize("progressive", [0, 1])
@pytest.mark.parametrize("restarts", [0, 2])
def test_a_truncated_jpeg_is_undecodable_wherever_it_ends(progressive: int, restarts: int) -> None:
    whole = sample_jpeg(cv2.IMWRITE_JPEG_PROGRESSIVE, progressive, cv2.IMWRITE_JPEG_RST_INTERVAL, restarts)
    assert decode_image(whole).pixels.shape == (48, 64, 3)
    for n_bytes in range(1, len(whole)):
        fault_of(whole[:n_bytes])


def test_a_truncated_picture_says_so() -> None:
    for whole in (sample_jpeg(), to_png(draw_picture(1))):
        assert f"truncated: it ends after {len(whole) - 1} bytes" in str(fault_of(whole[:-1]))


def test_a_truncated_jpeg_is_undecodable_when_its_thumbnail_is_whole() -> None:
    thumbnail = sample_jpeg(height=16, width=16)
    assert thumbnail.endswith(b"\xff\xd9")
    whole = with_segment(sample_jpeg(), 0xE1, b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0" + thumbnail)
    header = read_header(whole)
    assert (header.width, header.height, header.complete) == (64, 48, True)
    assert np.array_equal(decode_image(whole).pixels, decode_image(sample_jpeg()).pixels)
    for n_bytes in range(len(thumbnail), len(whole), 7):
        fault_of(whole[:n_bytes])


def test_a_truncated_png_is_undecodable_wherever_it_ends() -> None:
    whole = to_png(draw_picture(3, 12, 16))
    for n_bytes in range(1, len(whole)):
        fault_of(whole[:n_bytes])


def test_a_png_with_a_flipped_bit_is_undecodable_wherever_it_is() -> None:
    whole = to_png(draw_picture(4, 8, 8))
    for place in range(len(whole)):
        fault_of(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])


def test_a_flipped_bit_in_a_png_names_the_checksum() -> None:
    whole = to_png(draw_picture(4, 8, 8))
    place = whole.index(b"IDAT") + 10
    damaged = whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
    assert "checksum of chunk b'IDAT'" in str(fault_of(damaged))


@pytest.mark.parametrize("kept", [0, 1, 20])
def test_a_png_with_too_few_pixels_is_undecodable_when_its_checksums_are_right(kept: int) -> None:
    rows = b"".join(b"\0" + bytes([200, 10, 30]) * 64 for _ in range(64))
    assert decode_image(png_of(ihdr(64, 64), chunk(b"IDAT", zlib.compress(rows)))).pixels.mean() == 80
    fault_of(png_of(ihdr(64, 64), chunk(b"IDAT", zlib.compress(rows[: kept * 193]))))


def test_a_png_without_pixels_is_undecodable() -> None:
    fault_of(png_of(ihdr(64, 64)))


@pytest.mark.parametrize("n_bytes", [0, 4])
def test_a_png_with_a_short_header_is_undecodable(n_bytes: int) -> None:
    fault_of(SIGNATURE + chunk(b"IHDR", bytes(n_bytes)))


@pytest.mark.parametrize("damage", ["an end mark behind half of the scan", "a hole of zeros in the scan"])
def test_a_jpeg_with_a_damaged_scan_is_undecodable(damage: str) -> None:
    whole = sample_jpeg(height=96, width=128)
    half = len(whole) // 2
    if damage.startswith("a hole"):
        fault_of(whole[:half] + bytes(400) + whole[half + 400 :])
    else:
        fault_of(whole[:half] + b"\xff\xd9")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty (0 bytes)"),
        (b"\0" * 5000, "neither JPEG nor PNG: the file begins with 00 00"),
        (b"GIF89a" + bytes(100), "neither JPEG nor PNG: the file begins with 47 49 46"),
        (b"<html><body>403 Forbidden</body></html>", "neither JPEG nor PNG"),
        (b"\xff\xd8" + b"\xff" * 500, "JPEG without a readable frame header"),
        (b"\xff\xd8\xff\xd9", "JPEG without a readable frame header"),
        (b"\xff\xd8" + bytes(range(256)) * 8, "JPEG without a readable frame header"),
        (SIGNATURE, "PNG without a readable header"),
        (SIGNATURE + chunk(b"IEND", b""), "PNG without a readable header"),
        (png_of(ihdr(0, 64)), "PNG without a readable header"),
    ],
)
def test_what_is_no_picture_is_undecodable_with_what_was_found(data: bytes, said: str) -> None:
    assert said in str(fault_of(data))


def test_noise_is_never_anything_but_undecodable() -> None:
    rng = np.random.default_rng(5)
    jpeg, png = sample_jpeg(), to_png(draw_picture(5, 8, 8))
    for _ in range(300):
        noise = rng.bytes(int(rng.integers(1, 400)))
        for head in (b"", b"\xff\xd8", jpeg[:200], SIGNATURE, png[:33]):
            try:
                read_header(head + noise)
            except InputFault as fault:
                assert fault.status == "undecodable"


def test_gray_is_replicated_and_noted() -> None:
    gray = draw_picture(6)[:, :, 0]
    from_png, from_jpeg = decode_image(to_png(gray)), decode_image(to_jpeg(gray))
    assert np.array_equal(from_png.pixels, np.stack([gray] * 3, axis=-1))
    assert np.ptp(from_jpeg.pixels, axis=-1).max() == 0
    assert np.abs(from_jpeg.pixels[..., 0].astype(int) - gray).mean() < 4
    assert from_png.note == from_jpeg.note == "gray picture, channels replicated"


@pytest.mark.parametrize("opacity", [0, 128, 255])
def test_an_alpha_channel_is_dropped_and_noted(opacity: int) -> None:
    pixels = draw_picture(7)
    picture = decode_image(to_png(np.dstack([pixels, np.full(pixels.shape[:2], opacity, np.uint8)])))
    assert np.array_equal(picture.pixels, pixels)
    assert picture.note == "alpha channel dropped"


def test_a_gray_png_with_alpha_keeps_its_gray() -> None:
    gray = draw_picture(8)[:, :, 1]
    both = Image.merge("LA", (Image.fromarray(gray), Image.fromarray(255 - gray)))
    picture = decode_image(with_pillow(both, "PNG"))
    assert np.array_equal(picture.pixels, np.stack([gray] * 3, axis=-1))
    assert picture.note == "alpha channel dropped"


def test_a_palette_png_gives_its_colours() -> None:
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[:8], pixels[8:] = (200, 10, 60), (0, 90, 255)
    palette = with_pillow(Image.fromarray(pixels).quantize(4), "PNG")
    assert np.array_equal(decode_image(palette).pixels, pixels)


def test_16_bits_are_scaled_to_8() -> None:
    every_byte = np.arange(256, dtype=np.uint16).reshape(16, 16) * 257
    assert np.array_equal(decode_image(to_png(every_byte)).pixels[..., 0].ravel(), np.arange(256))
    colour = np.zeros((4, 4, 3), np.uint16)
    colour[:] = (65535, 257 * 100 + 128, 257 * 100 + 129)  # 100.498 and 100.502 of 255
    assert decode_image(to_png(colour)).pixels[0, 0].tolist() == [255, 100, 101]


def test_a_cmyk_jpeg_is_undecodable_with_advice() -> None:
    cmyk = with_pillow(Image.fromarray(draw_picture(9)).convert("CMYK"), "JPEG")
    assert "store it as RGB" in str(fault_of(cmyk))


def test_a_progressive_jpeg_is_the_same_picture() -> None:
    pixels = draw_picture(10)
    plain, progressive = (to_jpeg(pixels, cv2.IMWRITE_JPEG_PROGRESSIVE, on) for on in (0, 1))
    assert plain != progressive
    assert np.array_equal(decode_image(plain).pixels, decode_image(progressive).pixels)


def test_restart_marks_do_not_end_a_jpeg() -> None:
    pixels = draw_picture(11, 64, 160)
    restarting = to_jpeg(pixels, cv2.IMWRITE_JPEG_RST_INTERVAL, 1)
    assert restarting.count(b"\xff\xd7") >= 1
    assert np.array_equal(decode_image(restarting).pixels, decode_image(to_jpeg(pixels)).pixels)


def test_fill_bytes_before_marks_are_passed_over() -> None:
    plain = sample_jpeg()
    filled = plain[:2]
    position = 2
    while plain[position + 1] != 0xDA:
        (length,) = struct.unpack_from(">H", plain, position + 2)
        filled += b"\xff\xff\xff" + plain[position : position + 2 + length]
        position += 2 + length
    filled += b"\xff" + plain[position:-2] + b"\xff\xff" + plain[-2:]
    assert read_header(filled).complete
    assert np.array_equal(decode_image(filled).pixels, decode_image(plain).pixels)


@pytest.mark.parametrize(
    "rest", [b"\0" * 1000, b"trailing text", b"\xff\xd8\xff\xe1", sample_jpeg(height=16, width=16)]
)
def test_bytes_behind_the_end_of_a_picture_change_nothing(rest: bytes) -> None:
    for whole in (sample_jpeg(), to_png(draw_picture(12))):
        assert np.array_equal(decode_image(whole + rest).pixels, decode_image(whole).pixels)


@pytest.mark.parametrize("orientation", [2, 3, 6, 8])
@pytest.mark.parametrize("endian", ["<", ">"])
def test_exif_orientation_is_ignored_and_noted(orientation: int, endian: str) -> None:
    exif = Image.Exif()
    exif.endian = endian
    exif[0x010E] = "a description before it"
    exif[ORIENTATION] = orientation
    pixels = Image.fromarray(draw_picture(13))
    turned = decode_image(with_pillow(pixels, "JPEG", exif=exif))
    assert turned.note == f"EXIF orientation {orientation} ignored"
    assert np.array_equal(turned.pixels, decode_image(with_pillow(pixels, "JPEG")).pixels)


def test_an_upright_or_broken_exif_is_not_noted() -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 1
    assert decode_image(with_pillow(Image.fromarray(draw_picture(13)), "JPEG", exif=exif)).note is None
    for tiff in (b"", b"II", b"MM\0*", b"XX\0*\0\0\0\x08", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff\0\0"):
        assert decode_image(with_segment(sample_jpeg(), 0xE1, b"Exif\0\0" + tiff)).note is None


def test_a_header_of_too_many_pixels_is_refused_before_anything_is_decoded() -> None:
    jpeg = bytearray(sample_jpeg())
    frame = jpeg.index(b"\xff\xc0")
    struct.pack_into(">HH", jpeg, frame + 5, 60000, 60000)
    rows = zlib.compress(bytes(60000))
    started = time.monotonic()
    for bomb in (bytes(jpeg), png_of(ihdr(60000, 60000), chunk(b"IDAT", rows)), png_of(ihdr(1 << 31, 1 << 31))):
        assert "pixels are more than cleanplate decodes" in str(fault_of(bomb))
    assert time.monotonic() - started < 0.5


def test_the_header_is_read_from_the_first_bytes_of_a_picture() -> None:
    jpeg, png = sample_jpeg(), to_png(draw_picture(14, 48, 64))
    for whole, n_bytes in ((jpeg, len(jpeg) // 2), (png, 40)):
        header = read_header(whole[:n_bytes])
        assert (header.width, header.height, header.n_channels) == (64, 48, 3)
        assert not header.complete
        assert read_header(whole).complete


def test_gray_decoding_gives_the_first_channel() -> None:
    pixels = draw_picture(15)
    assert np.array_equal(decode_gray(to_png(pixels)), pixels[:, :, 0])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits its address space as Linux does")
def test_a_shortage_of_memory_is_no_fault_of_the_picture() -> None:
    script = (
        "import resource\n"
        "import cv2, numpy as np\n"
        "from manifests.errors import InputFault\n"
        "from matting_tasks.decode import decode_image\n"
        "cv2.setNumThreads(1)\n"
        "data = cv2.imencode('.jpg', np.full((4000, 4000, 3), 90, np.uint8))[1].tobytes()\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + (16 << 20), resource.RLIM_INFINITY))\n"
        "try:\n"
        "    decode_image(data)\n"
        "except InputFault:\n"
        "    print('undecodable')\n"
        "except Exception:\n"
        "    print('a fault of its own')\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert ended.stdout == "a fault of its own\n", ended.stderr


@pytest.mark.parametrize("side", [4000, 16000])
def test_a_header_that_claims_more_pixels_than_its_bytes_can_hold_is_undecodable_before_decoding(side: int) -> None:
    jpeg, png = to_jpeg(draw_picture(1, 64, 64)), to_png(draw_picture(1, 64, 64))
    place = jpeg.index(b"\xff\xc0") + 5
    bomb = jpeg[:place] + struct.pack(">HH", side, side) + jpeg[place + 4 :]
    with pytest.raises(InputFault, match=f"claims {side}x{side} pixels, and {len(jpeg)} bytes cannot hold them"):
        decode_image(bomb)
    head = struct.pack(">II", side, side) + png[24:29]
    bomb = png[:16] + head + struct.pack(">I", zlib.crc32(b"IHDR" + head)) + png[33:]
    with pytest.raises(InputFault, match="cannot hold them"):
        decode_image(bomb)


def test_the_least_bytes_of_flat_pictures_are_no_more_than_they_have() -> None:
    flat = np.zeros((1500, 2000, 3), np.uint8)
    for pixels in (flat, flat[:, :, 0]):
        assert (
            decode_image(to_jpeg(pixels, cv2.IMWRITE_JPEG_QUALITY, 1, cv2.IMWRITE_JPEG_OPTIMIZE, 1)).pixels.shape
            == flat.shape
        )
        assert decode_image(to_png(pixels)).pixels.shape == flat.shape
