from __future__ import annotations

import numpy as np
import pytest

from matting_tasks.temporal import Changes, Look, area_of, measure_changes


def square(left: int, size: int = 100, top: int = 100) -> np.ndarray:
    mask = np.zeros((256, 256), np.uint8)
    mask[top : top + size, left : left + size] = 255
    return mask


def looks(*masks: np.ndarray | None, pictures: list[np.ndarray] | None = None) -> list[Look]:
    shown = pictures or [None] * len(masks)
    return [(mask, picture, number > 0) for number, (mask, picture) in enumerate(zip(masks, shown, strict=True))]  # type: ignore[misc]


def test_areas_count_soft_pixels_in_part() -> None:
    mask = square(0)
    mask[100, 0] = 51
    assert area_of(mask) == pytest.approx(100 * 100 - 1 + 0.2)


def test_a_matte_that_stays_changes_nothing() -> None:
    found = measure_changes(looks(*[square(50)] * 3))
    np.testing.assert_allclose(found.area, [10000] * 3)
    np.testing.assert_allclose(found.iou, [np.nan, 1, 1])
    np.testing.assert_allclose(found.boundary_iou, [np.nan, 1, 1])
    np.testing.assert_allclose(found.second_difference, [np.nan, 0, np.nan])
    assert np.isnan(found.flicker).all()


def test_overlap_is_intersection_over_union() -> None:
    found = measure_changes(looks(square(50), square(75)))
    assert found.iou[1] == pytest.approx(75 / 125)
    assert found.boundary_iou[1] < 0.5 < found.iou[1]


def test_what_goes_on_moving_is_no_second_difference() -> None:
    found = measure_changes(looks(square(40), square(50), square(60)))
    assert found.second_difference[1] == 0


def test_a_single_bad_frame_is_told_from_its_neighbours() -> None:
    half = square(50)
    half[:, :100] = 0
    found = measure_changes(looks(square(50), square(50), half, square(50), square(50)))
    np.testing.assert_allclose(found.second_difference[1:4], [0, 0.5, 0], atol=1e-9)
    assert found.iou[2] == pytest.approx(0.5)


def test_nothing_is_compared_across_a_gap_or_a_missing_mask() -> None:
    gap: list[Look] = [(square(50), None, False), (square(60), None, False), (square(60), None, True)]
    found = measure_changes(gap)
    assert np.isnan(found.iou[1]) and found.iou[2] == 1
    assert np.isnan(found.second_difference).all()
    missing = measure_changes(looks(square(50), None, square(50)))
    assert np.isnan(missing.area[1]) and np.isnan(missing.iou).all()


def test_flicker_is_change_where_the_picture_stands_still() -> None:
    rng = np.random.default_rng(0)
    still = rng.integers(0, 255, (256, 256), dtype=np.uint8)
    moved = still.copy()
    moved[:128] = rng.integers(0, 255, (128, 256), dtype=np.uint8)
    wide = square(50)
    wide[100:200, 150:160] = 255  # 100 x 10 pixels more, of which rows 100 to 127 and a margin lie where all moves
    unmoved = measure_changes(looks(square(50), wide, pictures=[still, still]))
    assert unmoved.flicker[1] == pytest.approx(1000 / 10500)
    moving = measure_changes(looks(square(50), wide, pictures=[still, moved]))
    assert 0.5 * 1000 / 10500 < moving.flicker[1] < 0.72 * 1000 / 10500


def test_two_empty_mattes_are_alike() -> None:
    empty = np.zeros((256, 256), np.uint8)
    found = measure_changes(looks(empty, empty, empty))
    assert found.iou[1] == found.boundary_iou[1] == 1
    assert found.second_difference[1] == 0


def test_no_frames_have_no_measures() -> None:
    found = measure_changes([])
    assert [len(getattr(found, name)) for name in Changes.__slots__] == [0] * 5
