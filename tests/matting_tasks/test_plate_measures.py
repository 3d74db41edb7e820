from __future__ import annotations

import numpy as np
import pytest
from fakes import draw_picture

from matting_tasks.plate_measures import SMALL_PX, Beside, measure_plate, shift_of, to_gray, to_small


def textured(seed: int = 1) -> np.ndarray:
    """Draw a set with fine structure and room above it: (256, 256, 3) uint8, levels 60..180."""
    rng = np.random.default_rng(seed)
    coarse = np.kron(rng.integers(60, 150, (32, 32, 3)), np.ones((8, 8, 1)))
    return (coarse + rng.integers(0, 30, (256, 256, 3))).astype(np.uint8)


def person() -> np.ndarray:
    """Draw the lowres mask of somebody in the middle."""
    lowres = np.zeros((SMALL_PX, SMALL_PX), np.uint8)
    lowres[90:, 70:180] = 255
    return lowres


def before(plate: np.ndarray) -> np.ndarray:
    """Put the person before a plate."""
    frame = plate.copy()
    frame[person() > 0] = (200, 30, 90)
    return frame


def test_a_right_plate_has_no_gain_and_no_shift() -> None:
    plate = textured()
    found = measure_plate(Beside(before(plate), plate, 1.0), person(), None)
    assert found.plate_gain == 0 and found.plate_residual == 0 and found.plate_shadow == 0
    assert found.plate_shift == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("gain", (0.7, 1.2))
def test_gain_is_that_of_the_channel_furthest_from_one(gain: float) -> None:
    plate = textured()
    frame = before(plate).astype(np.float32)
    frame[..., 1] *= gain
    found = measure_plate(Beside(frame.round().astype(np.uint8), plate, 1.0), person(), None)
    assert found.plate_gain == pytest.approx(abs(gain - 1), abs=0.01)


def test_shift_is_a_share_of_the_width_of_the_picture_as_it_is() -> None:
    plate = textured()
    right = measure_plate(Beside(before(np.roll(plate, 5, axis=1)), plate, 1.5), person(), None)
    down = measure_plate(Beside(before(np.roll(plate, 4, axis=0)), plate, 1.5), person(), None)
    assert right.plate_shift == pytest.approx(5 / 256, abs=0.001)
    assert down.plate_shift == pytest.approx(4 * 1.5 / 256, abs=0.001)


def test_the_direction_of_a_shift_is_that_of_the_frame() -> None:
    plate = to_gray(textured())
    found = shift_of(np.roll(plate, (-3, 6), axis=(0, 1)), plate, np.ones(plate.shape, bool))
    assert found is not None
    assert (found.right_px, found.down_px) == (pytest.approx(6, abs=0.1), pytest.approx(-3, abs=0.1))


def test_before_a_wall_without_features_no_shift_is_seen() -> None:
    rng = np.random.default_rng(3)
    frame, plate = (np.clip(rng.normal(140, 2, (256, 256, 3)), 0, 255).astype(np.uint8) for _ in range(2))
    found = measure_plate(Beside(frame, plate, 1.0), person(), None)
    assert found.plate_shift is None
    assert found.plate_gain == pytest.approx(0, abs=0.01)


def test_residual_grows_with_what_is_not_noise() -> None:
    plate = textured()
    other = plate.astype(np.int16)
    other[::2, :, 0] += 12
    alike = measure_plate(Beside(plate, plate, 1.0), person(), None)
    differs = measure_plate(Beside(other.astype(np.uint8), plate, 1.0), person(), None)
    assert alike.plate_residual is not None and differs.plate_residual is not None
    assert alike.plate_residual < differs.plate_residual


def test_shadow_is_the_darker_share_of_the_background() -> None:
    plate = textured()
    frame = plate.copy()
    frame[:64] = (frame[:64] * 0.7).astype(np.uint8)  # of the 256 rows, none of them the person's
    found = measure_plate(Beside(frame, plate, 1.0), np.zeros((256, 256), np.uint8), None)
    assert found.plate_shadow == pytest.approx(0.25, abs=0.02)


def test_what_is_not_visible_has_no_part() -> None:
    plate = textured()
    frame = before(plate)
    visible = np.zeros((256, 256), bool)
    visible[:, 40:216] = True
    frame[:, :38], frame[:, 218:] = 250, 3
    found = measure_plate(Beside(frame, plate, 1.0), person(), visible)
    assert (found.plate_gain, found.plate_residual, found.plate_shadow) == (0, 0, 0)


def test_nothing_is_said_where_the_matte_leaves_no_background() -> None:
    plate = textured()
    found = measure_plate(Beside(plate, plate, 1.0), np.full((256, 256), 255, np.uint8), None)
    assert (found.plate_gain, found.plate_shift, found.plate_residual, found.plate_shadow) == (None,) * 4


def test_a_small_copy_is_the_mean_over_areas() -> None:
    picture = draw_picture(2, 512, 768)
    small = to_small(picture)
    assert small.shape == (256, 256, 3) and small.dtype == np.uint8
    assert small.astype(float).mean() == pytest.approx(picture.astype(float).mean(), abs=0.6)
