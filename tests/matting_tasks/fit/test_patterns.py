"""What patterns look like from outside: shapes, sameness for the same seed, and colours."""

from __future__ import annotations

import numpy as np
import pytest

from matting_tasks.fit.patterns import draw_colours, draw_pattern, fractal, to_u8


@pytest.mark.parametrize("size", [(1, 1), (7, 90), (64, 48), (200, 333)])
def test_patterns_fill_any_size(size: tuple[int, int]) -> None:
    for seed in range(40):
        picture = draw_pattern(np.random.default_rng(seed), *size)
        assert picture.shape == (*size, 3)
        assert picture.dtype == np.uint8


def test_patterns_are_the_same_for_the_same_seed_and_others_for_another() -> None:
    first, again, other = (draw_pattern(np.random.default_rng(seed), 60, 80) for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_patterns_show_structure_mostly() -> None:
    spreads = [draw_pattern(np.random.default_rng(seed), 64, 64).std(axis=(0, 1)).max() for seed in range(60)]
    assert np.median(spreads) > 8


def test_colours_lie_in_range() -> None:
    colours = np.concatenate([draw_colours(np.random.default_rng(seed), 5) for seed in range(50)])
    assert colours.shape == (250, 3)
    assert colours.min() >= 0
    assert colours.max() <= 255
    assert np.ptp(colours, axis=0).min() > 150


def test_fractal_noise_is_smooth_and_lies_in_0_to_1() -> None:
    field = fractal(np.random.default_rng(0), 90, 120, (3, 4))
    assert field.min() >= 0
    assert field.max() <= 1
    assert np.abs(np.diff(field, axis=1)).mean() < field.std() / 2


def test_rounding_keeps_to_the_range_of_uint8() -> None:
    assert to_u8(np.asarray([-3.0, 0.4, 0.6, 254.6, 900.0])).tolist() == [0, 0, 1, 255, 255]
