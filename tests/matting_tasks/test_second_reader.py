from __future__ import annotations

import io
import subprocess
import sys

import cv2
import numpy as np
import pytest
from corpus.jpeg_form import Malformed, check_form
from PIL import Image

from manifests.errors import InputFault
from matting_tasks.decode import decode_image
from matting_tasks.decode_jpeg import strict_decoder


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 8 + 2, width // 8 + 2, 3), dtype=np.uint8)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.int16)
    return (smooth + rng.integers(-9, 10, smooth.shape)).clip(0, 255).astype(np.uint8)


def flipped(jpeg: bytes, seed: int, n_files: int) -> list[bytes]:
    """Return copies of a JPEG with one bit of its scan flipped each, which libjpeg decodes without a warning."""
    rng, decoder = np.random.default_rng(seed), strict_decoder()
    assert decoder is not None
    begin, found = jpeg.index(b"\xff\xda") + 14, []
    for place, bit in zip(rng.integers(begin, len(jpeg) - 2, n_files), rng.integers(0, 8, n_files), strict=True):
        data = bytearray(jpeg)
        data[place] ^= 1 << bit
        try:
            decoder(bytes(data), "RGB", strict=True)
        except ValueError:
            continue
        found.append(bytes(data))
    return found


def is_out_of_form(jpeg: bytes) -> bool:
    try:
        check_form(jpeg)
    except Malformed:
        return True
    return False


def test_scans_that_break_their_form_are_named_though_libjpeg_reads_them() -> None:
    jpeg = bytes(cv2.imencode(".jpg", picture(64, 64), [cv2.IMWRITE_JPEG_QUALITY, 90])[1])
    broken = [data for data in flipped(jpeg, 1, 1000) if is_out_of_form(data)]
    named = 0
    for data in broken:
        try:
            decode_image(data)
        except InputFault as fault:
            assert fault.status == "undecodable" and "FFmpeg" in fault.message
            named += 1
    assert len(broken) >= 8
    assert named >= 0.6 * len(broken)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("sampling", [0, 1, 2])
def test_whole_pictures_pass(progressive: bool, sampling: int) -> None:
    rng = np.random.default_rng(sampling)
    for seed, (height, width) in enumerate(rng.integers(1, 90, (40, 2)).tolist()):
        buffer = io.BytesIO()
        shown = Image.fromarray(picture(height, width, seed))
        restart = {"restart_marker_blocks": 3} if seed % 3 == 0 else {}
        how = {"quality": int(rng.integers(1, 101)), "optimize": seed % 2 == 0}
        shown.save(buffer, "JPEG", subsampling=sampling, progressive=progressive, **how, **restart)
        assert decode_image(buffer.getvalue()).pixels.shape == (height, width, 3)


def test_damage_in_a_comment_is_none_of_the_picture() -> None:
    jpeg = bytes(cv2.imencode(".jpg", picture(32, 32))[1])
    odd = jpeg[:2] + b"\xff\xe1\x00\x0aExif\0\0\xff\xff" + jpeg[2:]
    np.testing.assert_array_equal(decode_image(odd).pixels, decode_image(jpeg).pixels)


def test_nothing_is_looked_at_without_pyav() -> None:
    without = "import sys; sys.modules['av'] = None; from matting_tasks.second_reader import check_again"
    subprocess.run([sys.executable, "-c", f"{without}; check_again(b'no JPEG', 0xC0)"], check=True, timeout=60)
