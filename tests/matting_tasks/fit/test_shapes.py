import numpy as np

from matting_tasks.fit.shapes import bounds, cover, limb, lumpy, place, spline


def test_coverage_sums_to_the_area_of_the_outline() -> None:
    square = np.array([[10.25, 10.5], [30.75, 10.5], [30.75, 20.0], [10.25, 20.0]])
    mask = cover([square], (0, 40, 0, 40))
    assert mask.min() == 0 and mask.max() == 1
    assert abs(mask.sum() - 20.5 * 9.5) < 0.12 * 20.5 * 9.5
    assert ((mask > 0.05) & (mask < 0.95)).any()


def test_where_outlines_overlap_is_no_hole() -> None:
    square = np.array([[5.0, 5.0], [15.0, 5.0], [15.0, 15.0], [5.0, 15.0]])
    mask = cover([square, square + 4], (0, 20, 0, 20))
    assert mask[6:14, 6:14].min() == 1 and mask[11:18, 11:18].min() == 1
    assert mask[2, 2] == 0


def test_a_box_beside_the_picture_is_none() -> None:
    assert bounds(np.array([[-50.0, 5.0], [-20.0, 9.0]]), (40, 40)) is None
    assert bounds(np.array([[-50.0, 5.0], [20.0, 9.0]]), (40, 60)) == (3, 11, 0, 22)


def test_a_spline_runs_through_its_points() -> None:
    points = np.array([[0.0, 0.0], [4.0, 1.0], [6.0, 5.0], [1.0, 4.0]])
    assert np.allclose(spline(points, per=5)[::5], points)
    assert np.allclose(spline(points, closed=False, per=5)[[0, -1]], points[[0, -1]])


def test_a_limb_is_as_wide_as_it_is_told() -> None:
    outline = limb(np.array([[0.0, 0.0], [10.0, 0.0], [20.0, 0.0]]), [2.0, 2.0, 2.0])
    assert abs(np.ptp(outline[:, 1]) - 4) < 0.01
    assert outline[:, 0].min() < -1.5 and outline[:, 0].max() > 21.5


def test_a_lumpy_outline_stays_near_its_radii() -> None:
    outline = lumpy(np.random.default_rng(0), (10.0, 20.0), 0.0)
    assert np.allclose(np.hypot(outline[:, 0] / 10, outline[:, 1] / 20), 1)


def test_place_turns_scales_and_shifts() -> None:
    placed = place(np.array([[1.0, 0.0]]), np.array([10.0, 20.0]), 2.0, np.pi / 2)
    assert np.allclose(placed, [[10.0, 22.0]])
