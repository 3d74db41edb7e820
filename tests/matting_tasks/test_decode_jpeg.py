from __future__ import annotations

import io
import struct
import subprocess
import sys
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from fakes import draw_picture, to_jpeg
from PIL import Image

from manifests.errors import InputFault
from matting_tasks.decode import decode_image
from matting_tasks.decode_jpeg import END, SCAN, decode_jpeg, segments

HEIGHT, WIDTH = 120, 160
END_MARK = b"\xff\xd9"
SEEN = 8
"""Levels: a picture that differs by no more from the whole one is not counted as garbled."""


def with_pillow(pixels: np.ndarray, **options: object) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "JPEG", **options)
    return sink.getvalue()


ENCODERS: dict[str, Callable[[np.ndarray], bytes]] = {
    "opencv": to_jpeg,
    "opencv 4:4:4": lambda pixels: to_jpeg(
        pixels, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444
    ),
    "opencv progressive": lambda pixels: to_jpeg(pixels, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    "opencv restarting": lambda pixels: to_jpeg(pixels, cv2.IMWRITE_JPEG_RST_INTERVAL, 4),
    "pillow": lambda pixels: with_pillow(pixels, quality=90),
    "pillow optimised": lambda pixels: with_pillow(pixels, quality=90, optimize=True, subsampling=0),
    "pillow progressive": lambda pixels: with_pillow(pixels, quality=90, progressive=True),
    "pillow gray": lambda pixels: with_pillow(pixels[:, :, 1], quality=95),
}
BASELINE = tuple(name for name in ENCODERS if "progressive" not in name)


def segment(mark: int, payload: bytes) -> bytes:
    return bytes([0xFF, mark]) + struct.pack(">H", len(payload) + 2) + payload


def head_and_scan(jpeg: bytes) -> tuple[list[bytes], bytes]:
    """Split a JPEG into the segments before its first scan, and the rest without its end mark."""
    head = []
    for found in segments(jpeg):
        if found.mark == SCAN:
            return head, jpeg[found.first : -2]
        head.append(jpeg[found.first : found.behind])
    raise AssertionError("a JPEG without a scan")


def scan_bytes(jpeg: bytes) -> tuple[int, int]:
    """Return where the coded data of the first scan begin and those of the last end."""
    return next(found.behind for found in segments(jpeg) if found.mark == SCAN), len(jpeg) - 2


def opencv_pixels(jpeg: bytes) -> np.ndarray:
    pixels = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
    assert pixels is not None
    return pixels


def overwritten(jpeg: bytes, place: int, new: bytes) -> bytes:
    place = min(place, len(jpeg) - 2 - len(new))
    return jpeg[:place] + new + jpeg[place + len(new) :]


Damage = Callable[[np.random.Generator, bytes, int, bytes], bytes]
DAMAGES: dict[str, tuple[float, Damage]] = {
    "cut": (0, lambda rng, jpeg, place, other: jpeg[:place]),
    "cut, with an end mark": (0, lambda rng, jpeg, place, other: jpeg[:place] + END_MARK),
    "4 KB of zeros": (0.02, lambda rng, jpeg, place, other: overwritten(jpeg, place, bytes(4096))),
    "512 bytes of noise": (0.03, lambda rng, jpeg, place, other: overwritten(jpeg, place, rng.bytes(512))),
    "512 zeros": (0.15, lambda rng, jpeg, place, other: overwritten(jpeg, place, bytes(512))),
    "spliced with another": (0.2, lambda rng, jpeg, place, other: jpeg[:place] + other[place:]),
    "doubled bytes": (0.3, lambda rng, jpeg, place, other: jpeg[: place + int(rng.integers(1, 65))] + jpeg[place:]),
    "lost bytes": (0.6, lambda rng, jpeg, place, other: jpeg[:place] + jpeg[place + int(rng.integers(1, 65)) :]),
    "8 bytes of noise": (0.55, lambda rng, jpeg, place, other: overwritten(jpeg, place, rng.bytes(8))),
    "a flipped bit": (
        0.55,
        lambda rng, jpeg, place, other: overwritten(jpeg, place, bytes([jpeg[place] ^ 1 << int(rng.integers(8))])),
    ),
}
"""What is done to a scan, and the share that may pass garbled: of bits that still make up a scan of the right length,
libjpeg cannot tell that they were others. OpenCV alone passes nearly all but what has lost its end mark."""


@pytest.mark.parametrize("damage", DAMAGES)
def test_of_damaged_scans_only_those_pass_that_are_whole_in_form(damage: str) -> None:
    limit, damaged = DAMAGES[damage]
    rng = np.random.default_rng(list(damage.encode()))
    n_garbled = n_files = 0
    for encode in ENCODERS.values():
        jpeg, other = encode(draw_picture(1, HEIGHT, WIDTH)), encode(draw_picture(2, HEIGHT, WIDTH))
        whole, (first, behind) = decode_image(jpeg).pixels, scan_bytes(jpeg)
        for _ in range(26):
            n_files += 1
            try:
                pixels = decode_image(damaged(rng, jpeg, int(rng.integers(first, behind - 64)), other)).pixels
            except InputFault as fault:
                assert fault.status == "undecodable"
                continue
            n_garbled += pixels.shape != whole.shape or int(cv2.absdiff(pixels, whole).max()) > SEEN
    assert n_garbled <= limit * n_files


@pytest.mark.parametrize("encoder", [name for name in ENCODERS if name not in BASELINE])
def test_a_progressive_jpeg_that_ends_between_two_scans_is_undecodable(encoder: str) -> None:
    jpeg = ENCODERS[encoder](draw_picture(3, HEIGHT, WIDTH))
    found = list(segments(jpeg))
    ends = [found[i + 1].first for i, one in enumerate(found) if one.mark == SCAN]
    assert len(ends) > 5
    for end in ends[:-1]:
        with pytest.raises(InputFault, match="before all of its scans"):
            decode_image(jpeg[:end] + END_MARK)
    assert decode_image(jpeg[: ends[-1]] + END_MARK).note is None


def test_what_libjpeg_says_is_in_the_fault() -> None:
    jpeg = to_jpeg(draw_picture(4, HEIGHT, WIDTH))
    with pytest.raises(InputFault, match="libjpeg says: Corrupt JPEG data: premature end of data segment"):
        decode_image(jpeg[: len(jpeg) // 2] + END_MARK)
    first, behind = scan_bytes(jpeg)
    with pytest.raises(InputFault, match="libjpeg says: Corrupt JPEG data: .* extraneous bytes before marker 0xd9"):
        decode_image(jpeg[:behind] + jpeg[first:])


@pytest.mark.parametrize("encoder", ENCODERS)
def test_pixels_are_those_of_opencv(encoder: str) -> None:
    rng = np.random.default_rng(5)
    for height, width in rng.integers(1, 90, (30, 2)):
        jpeg = ENCODERS[encoder](draw_picture(int(rng.integers(1000)), int(height), int(width)))
        assert np.array_equal(decode_image(jpeg).pixels, opencv_pixels(jpeg))


ODDITIES: dict[str, Callable[[bytes], bytes]] = {
    "bytes between the segments of the header": lambda jpeg: (
        jpeg[:2] + b"".join(one + b"\0junk" for one in head_and_scan(jpeg)[0]) + head_and_scan(jpeg)[1] + END_MARK
    ),
    "a bad colour profile": lambda jpeg: jpeg[:2] + segment(0xE2, b"ICC_PROFILE\0\x07\x03abc") + jpeg[2:],
    "an unknown JFIF": lambda jpeg: jpeg.replace(b"JFIF\0\x01", b"JFIF\0\x09", 1),
    "padding before the end mark": lambda jpeg: jpeg[:-2] + bytes(4096) + END_MARK,
    "padding and fill bytes before the end mark": lambda jpeg: jpeg[:-2] + bytes(13) + b"\xff\xff" + END_MARK,
}
PLAIN: dict[str, Callable[[bytes], bytes]] = {
    "a picture behind it": lambda jpeg: jpeg[:2] + segment(0xE2, b"MPF\0" + bytes(80)) + jpeg[2:] + jpeg,
    "comments": lambda jpeg: jpeg[:2] + segment(0xFE, b"said") * 5 + jpeg[2:],
    "every application's data": lambda jpeg: (
        jpeg[:2] + b"".join(segment(mark, b"data" * 20) for mark in range(0xE1, 0xF0)) + jpeg[2:]
    ),
    "a second end mark": lambda jpeg: jpeg + END_MARK,
}


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("oddity", ODDITIES)
def test_what_is_odd_but_whole_is_the_same_picture_with_a_note(encoder: str, oddity: str) -> None:
    jpeg = ENCODERS[encoder](draw_picture(6, HEIGHT, WIDTH))
    picture = decode_image(ODDITIES[oddity](jpeg))
    assert np.array_equal(picture.pixels, decode_image(jpeg).pixels)
    assert "odd but whole; libjpeg says: " in (picture.note or "")


@pytest.mark.parametrize("encoder", BASELINE)
def test_a_sequential_scan_that_names_no_coefficients_is_the_same_picture_with_a_note(encoder: str) -> None:
    jpeg = ENCODERS[encoder](draw_picture(6, HEIGHT, WIDTH))
    first, _ = scan_bytes(jpeg)
    picture = decode_image(jpeg[: first - 3] + bytes(3) + jpeg[first:])
    assert np.array_equal(picture.pixels, decode_image(jpeg).pixels)
    assert "Invalid SOS parameters" in (picture.note or "")


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("addition", PLAIN)
def test_what_is_not_of_the_picture_is_not_noted(encoder: str, addition: str) -> None:
    jpeg = ENCODERS[encoder](draw_picture(7, HEIGHT, WIDTH))
    picture, plain = decode_image(PLAIN[addition](jpeg)), decode_image(jpeg)
    assert np.array_equal(picture.pixels, plain.pixels)
    assert picture.note == plain.note


@pytest.mark.parametrize("n_zeros", [40, 400])
@pytest.mark.parametrize("encoder", BASELINE)
def test_zeros_in_place_of_the_end_of_a_scan_are_no_padding(encoder: str, n_zeros: int) -> None:
    jpeg = ENCODERS[encoder](draw_picture(8, HEIGHT, WIDTH))
    with pytest.raises(InputFault):
        decode_image(jpeg[: -2 - n_zeros] + bytes(n_zeros + 100) + END_MARK)


def test_a_shortage_of_memory_in_libjpeg_is_no_fault_of_the_picture() -> None:
    def short_of_memory(*_: object, **__: object) -> np.ndarray:
        raise ValueError("Insufficient memory (case 4)")

    with pytest.raises(MemoryError):
        decode_jpeg(to_jpeg(draw_picture(9)), short_of_memory)


def test_segments_end_with_the_end_mark() -> None:
    jpeg = to_jpeg(draw_picture(9))
    assert [found.mark for found in segments(jpeg + jpeg)][-1] == END
    assert sum(found.mark == END for found in segments(jpeg + jpeg)) == 1


def test_opencv_decodes_where_simplejpeg_is_not_installed() -> None:
    script = (
        "import sys\n"
        "sys.modules['simplejpeg'] = None\n"
        "import cv2, numpy as np\n"
        "from matting_tasks.decode import decode_image\n"
        "data = cv2.imencode('.jpg', np.full((40, 30, 3), 90, np.uint8))[1].tobytes()\n"
        "print(decode_image(data).pixels.mean())\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert ended.stdout == "90.0\n", ended.stderr


def test_a_rare_sampling_of_the_chroma_is_said_to_be_that() -> None:
    jpeg = to_jpeg(draw_picture(9, HEIGHT, WIDTH))
    with pytest.raises(InputFault, match="chroma is sampled in a way that cannot be read strictly"):
        decode_image(jpeg.replace(b"\x01\x22\x00\x02\x11\x01", b"\x01\x42\x00\x02\x11\x01"))
