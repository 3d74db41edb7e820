from __future__ import annotations

import cv2
import numpy as np
import pytest

from manifests.errors import InputFault
from matting_tasks.alphas import gray_of, read_alpha

RAMP = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (64, 1))


def encoded(pixels: np.ndarray, ending: str = ".png") -> bytes:
    return bytes(cv2.imencode(ending, pixels)[1])


def test_gray_three_equal_channels_and_16_bits_are_read_as_they_are() -> None:
    np.testing.assert_array_equal(read_alpha(encoded(RAMP)).values, RAMP)
    np.testing.assert_array_equal(read_alpha(encoded(np.dstack([RAMP] * 3))).values, RAMP)
    deep = RAMP.astype(np.uint16) * 257 + 3
    found = read_alpha(encoded(deep))
    assert found.values.dtype == np.uint16 and found.note is None
    np.testing.assert_array_equal(found.values, deep)


def test_a_jpeg_of_three_equal_channels_is_read() -> None:
    found = read_alpha(encoded(np.dstack([RAMP] * 3), ".jpg"))
    assert np.abs(found.values.astype(int) - RAMP).max() <= 4 and found.note is None


def test_an_alpha_channel_is_taken_and_named() -> None:
    colour = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    found = read_alpha(encoded(np.dstack([colour, RAMP])))
    np.testing.assert_array_equal(found.values, RAMP)
    assert found.note is not None and "alpha channel" in found.note


def test_an_alpha_channel_that_is_opaque_all_over_gives_way_to_the_gray() -> None:
    found = read_alpha(encoded(np.dstack([RAMP, RAMP, RAMP, np.full_like(RAMP, 255)])))
    np.testing.assert_array_equal(found.values, RAMP)
    assert found.note is not None and "opaque" in found.note


@pytest.mark.parametrize("ending", [".png", ".jpg"])
def test_a_picture_in_colour_is_no_mask(ending: str) -> None:
    colour = np.zeros((64, 64, 3), np.uint8)
    colour[:, 32:] = (40, 200, 90)
    with pytest.raises(InputFault, match="in colour"):
        read_alpha(encoded(colour, ending))


@pytest.mark.parametrize("ending", [".png", ".jpg"])
def test_what_is_cut_or_foreign_is_refused(ending: str) -> None:
    whole = encoded(RAMP, ending)
    for data in (whole[:-40], b"", b"text, no picture"):
        with pytest.raises(InputFault):
            read_alpha(data)


def test_channels_of_a_video_may_differ_a_little() -> None:
    pixels = np.dstack([RAMP, RAMP, RAMP])
    pixels[0, 0, 2] += 3
    np.testing.assert_array_equal(gray_of(pixels, "video"), RAMP)
