from __future__ import annotations

import numpy as np
import pytest

from matting_tasks.instants import area_jumps, area_ratios, beyond_common, relative_overlaps, seam_ratios

N_CAMERAS, N_FRAMES = 5, 20


def areas(spread: float = 0.01) -> np.ndarray:
    """Return areas (C, N) of cameras that see a person who comes nearer, each with a little noise of its own."""
    rng = np.random.default_rng(1)
    nearer = np.linspace(1, 1.5, N_FRAMES)
    return 20000 * nearer * (1 + spread * rng.normal(size=(N_CAMERAS, N_FRAMES)))


def follows() -> np.ndarray:
    found = np.ones((N_CAMERAS, N_FRAMES), dtype=bool)
    found[:, 0] = False
    return found


def test_a_camera_whose_area_jumps_stands_out_alone() -> None:
    area = areas()
    area[2, 10] *= 1.3
    jumps = area_jumps(area, follows())
    assert jumps[2, 10] > 8 and jumps[2, 11] > 8
    others = np.delete(jumps, 2, axis=0)
    assert np.nanmax(others) < 6 and np.isnan(jumps[:, 0]).all()


def test_a_camera_that_jumps_all_the_time_does_not_hide_it() -> None:
    area = areas()
    area[2] *= np.where(np.arange(N_FRAMES) % 2, 1.1, 0.9)
    jumps = area_jumps(area, follows())
    assert np.median(jumps[2, 1:]) > 8
    assert np.nanmax(np.delete(jumps, 2, axis=0)) < 6


def test_what_all_cameras_see_at_once_is_no_jump() -> None:
    area = areas()
    area[:, 10:] *= 0.4  # another take begins
    assert np.nanmax(area_jumps(area, follows())) < 6


def test_areas_that_hardly_move_do_not_make_noise_a_jump() -> None:
    assert np.nanmax(area_jumps(areas(1e-4), follows())) < 1


def test_one_camera_alone_is_measured_against_itself() -> None:
    area = areas(0.002)[:1] * 1.0
    area[0, 10:] *= 2
    jumps = area_jumps(area, follows()[:1])
    assert int(np.nanargmax(jumps[0])) == 10


def test_overlaps_are_less_the_motion_of_all() -> None:
    overlap = np.full((4, 3), 0.9)
    overlap[:, 1] = 0.5
    overlap[3, 2] = 0.45
    relative = relative_overlaps(overlap)
    np.testing.assert_allclose(relative[:3], 1)
    assert relative[3, 2] == pytest.approx(0.5)
    np.testing.assert_allclose(relative_overlaps(overlap[:2])[:, 1], 0.5 / 0.9)  # beside themselves


def test_what_the_median_camera_has_is_taken_off() -> None:
    values = np.array([[0.1, 0.0], [0.1, 0.0], [0.3, np.nan]])
    np.testing.assert_allclose(beyond_common(values), [[0, 0], [0, 0], [0.2, np.nan]])
    np.testing.assert_allclose(beyond_common(values[:1]), [[0.05, 0]])  # beside itself


def test_an_area_is_compared_with_the_others_and_with_its_own_history() -> None:
    area = areas(0.0)
    area[1] *= 0.5  # this camera stands farther away
    assert np.nanmax(area_ratios(area)) == pytest.approx(1)
    area[1, 4] *= 0.5
    area[2, 6] *= 3
    ratios = area_ratios(area)
    assert ratios[1, 4] == pytest.approx(2) and ratios[2, 6] == pytest.approx(3)
    assert np.isnan(area_ratios(area[:2])).all()


def test_a_seam_is_change_beyond_the_usual_at_a_border() -> None:
    overlap = np.full(12, 0.95)
    overlap[0], overlap[8] = np.nan, 0.85
    starts = np.zeros(12, dtype=bool)
    starts[[0, 4, 8]] = True
    found = seam_ratios(overlap, starts)
    assert found[4] == pytest.approx(1) and found[8] == pytest.approx(3)
    assert np.isnan(np.delete(found, [4, 8])).all()


def test_motion_that_speeds_up_is_no_seam() -> None:
    overlap = 1 - 0.01 * np.arange(12.0)
    starts = np.arange(12) == 6
    assert seam_ratios(overlap, starts)[6] < 1


def test_missing_values_stay_missing() -> None:
    nothing = np.full((3, 4), np.nan)
    for values in (area_jumps(nothing, np.ones((3, 4), bool)), relative_overlaps(nothing), area_ratios(nothing)):
        assert np.isnan(values).all()
