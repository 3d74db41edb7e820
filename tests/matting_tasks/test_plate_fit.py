from __future__ import annotations

import numpy as np
import pytest

from matting_tasks.plate_fit import differences, fit_plate, foreign_outline

EVERYWHERE = np.ones((256, 256), bool)


def wall(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    light = np.linspace(90, 150, 256)[None, :, None]
    return np.clip(light + rng.normal(0, 1.5, (256, 256, 3)), 0, 255).astype(np.uint8)


def with_person(picture: np.ndarray, left: int) -> np.ndarray:
    """Put somebody of many colours before a picture, who covers 60 % of it at most."""
    frame = picture.copy()
    rng = np.random.default_rng(7)
    frame[80:, left : left + 110] = np.kron(rng.integers(0, 255, (16, 10, 3)), np.ones((11, 11, 1)))[:176].astype(
        np.uint8
    )
    return frame


def outline(frame: np.ndarray, plate: np.ndarray) -> float:
    expected = plate.astype(np.float32)
    foreign, whole = foreign_outline(frame, expected, differences(frame, expected, EVERYWHERE), EVERYWHERE)
    assert whole > 100
    return foreign / whole


def test_a_plate_as_it_is_wins_over_a_gain() -> None:
    fit = fit_plate(with_person(wall(1), 70), wall(2), EVERYWHERE)
    assert fit.gain.tolist() == [1, 1, 1]
    assert fit.share == pytest.approx(1 - 176 * 110 / 256**2, abs=0.06)


@pytest.mark.parametrize("gain", (0.77, 1.3))
def test_the_gain_of_the_wall_is_found_behind_a_person(gain: float) -> None:
    bright = np.clip(wall(1) * gain, 0, 255).astype(np.uint8)
    fit = fit_plate(with_person(bright, 70), wall(2), EVERYWHERE)
    assert fit.gain == pytest.approx([gain] * 3, abs=0.02)


def test_nothing_visible_fits_nothing() -> None:
    assert fit_plate(wall(), wall(), np.zeros((256, 256), bool)).share == 0


def test_a_person_in_the_frame_owns_the_outline() -> None:
    assert outline(with_person(wall(1), 70), wall(2)) < 0.05


def test_a_person_in_the_plate_owns_it_there() -> None:
    assert outline(wall(1), with_person(wall(2), 70)) > 0.95


def test_of_a_person_in_both_each_owns_about_half() -> None:
    assert 0.4 < outline(with_person(wall(1), 60), with_person(wall(2), 90)) < 0.6


def test_equal_pictures_have_no_outline() -> None:
    plate = wall(1)
    nothing = differences(plate, plate.astype(np.float32), EVERYWHERE)
    assert not nothing.any()
    assert foreign_outline(plate, plate.astype(np.float32), nothing, EVERYWHERE) == (0, 0)
