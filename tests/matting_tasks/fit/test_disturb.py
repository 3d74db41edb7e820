"""Disturbances: within their ranges, now and then beyond them, now and then none at all."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from matting_tasks.fit.disturb import Disturbance, draw, stack

N = 800


@pytest.fixture(scope="module")
def drawn() -> list[Disturbance]:
    return [draw(np.random.default_rng([11, number])) for number in range(N)]


def shifts(drawn: list[Disturbance]) -> np.ndarray:
    # places run from -1 to 1: shares of the side are half as much
    return np.array([np.abs(one.plate_affine[:, 2]).max() / 2 for one in drawn])


def has_exact_plate(one: Disturbance) -> bool:
    still = np.array_equal(one.plate_affine, np.eye(2, 3, dtype=np.float32))
    same = (one.plate_gain == 1).all() and (one.plate_offset == 0).all()
    return bool(still and same and one.blur[1] == one.noise[1] == one.quality[1] == 0)


def test_the_same_generator_draws_the_same_numbers_and_another_others() -> None:
    first, again, other = (draw(np.random.default_rng(seed)) for seed in (3, 3, 4))
    for field in fields(Disturbance):
        values = getattr(first, field.name)
        assert values.dtype == np.float32 and np.array_equal(values, getattr(again, field.name))
    assert not np.array_equal(first.look, other.look)


def test_plates_move_within_one_percent_and_one_in_four_within_two(drawn: list[Disturbance]) -> None:
    moved = shifts(drawn)
    assert moved.max() <= 0.02 and (moved <= 0.01).mean() > 0.9 and (moved > 0.01).any()
    assert 0.3 < (moved == 0).mean() < 0.6
    angles = np.rad2deg([np.arctan2(one.plate_affine[1, 0], one.plate_affine[0, 0]) for one in drawn])
    assert np.abs(angles).max() <= 2.001 and np.abs(angles).max() > 1.2 and abs(angles.mean()) < 0.1
    scales = [np.hypot(one.plate_affine[0, 0], one.plate_affine[1, 0]) for one in drawn]
    assert min(scales) >= 0.9899 and max(scales) <= 1.0101


def test_plates_are_brighter_and_darker_alike_mostly_within_the_published_range(drawn: list[Disturbance]) -> None:
    gains = np.array([one.plate_gain for one in drawn])
    assert np.abs(gains - 1).max() <= 0.36 + 1e-6
    assert (np.abs(gains - 1) < 0.18).mean() > 0.85
    within = [draw(np.random.default_rng([seed]), 0.0).plate_gain for seed in range(2000)]
    assert 0.17 < np.abs(np.array(within) - 1).max() <= 0.18 + 1e-6
    assert abs(np.log(gains).mean()) < 0.02
    assert max(np.abs(one.plate_offset).max() for one in drawn) <= 0.05


def test_a_share_of_plates_is_exact(drawn: list[Disturbance]) -> None:
    assert 0.05 < np.mean([has_exact_plate(one) for one in drawn]) < 0.12


def test_noise_blur_and_quality_are_sigmas_and_qualities_or_none(drawn: list[Disturbance]) -> None:
    noise, blur = np.array([one.noise for one in drawn]), np.array([one.blur for one in drawn])
    assert noise.min() == 0 and 0.05 < noise.max() <= 0.06 and (noise <= 0.03).mean() > 0.8
    assert blur[:, 0].max() <= 0.9 and blur[:, 1].max() <= 2.8 and (blur == 0).mean() > 0.5
    quality = np.array([one.quality for one in drawn])
    compressed = quality[quality > 0]
    assert 25 <= compressed.min() < 35 and 90 < compressed.max() <= 97
    assert 0.4 < len(compressed) / quality.size < 0.65
    assert 0.2 < np.mean([one.is_video[0] for one in drawn]) < 0.4


def test_shadows_darken_softly_and_never_brighten(drawn: list[Disturbance]) -> None:
    shadows = np.array([one.shadow for one in drawn])
    assert shadows.max() <= 1 and shadows.min() > (1 - 0.6) ** 3
    none = (shadows == 1).all(axis=(1, 2))
    assert 0.3 < none.mean() < 0.55
    assert (shadows[~none].min(axis=(1, 2)) < 0.85).mean() > 0.3


def test_colour_matrices_stay_near_no_change(drawn: list[Disturbance]) -> None:
    look, relight = np.array([one.look for one in drawn]), np.array([one.relight for one in drawn])
    still = np.eye(3, 4)
    assert np.abs(look - still).max() < 0.35 and np.abs(relight - still).max() < 1
    assert np.abs(relight - still).mean() > 2 * np.abs(look - still).mean() > 0
    gammas = np.array([one.gamma[0] for one in drawn])
    assert np.exp(-0.3) <= gammas.min() < 1 < gammas.max() <= np.exp(0.3)


def test_stacked_numbers_have_a_row_each(drawn: list[Disturbance]) -> None:
    stacked = stack(drawn[:5])
    for field in fields(Disturbance):
        values = getattr(stacked, field.name)
        assert len(values) == 5 and np.array_equal(values[3], getattr(drawn[3], field.name))
