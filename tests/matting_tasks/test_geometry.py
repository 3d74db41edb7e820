from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.errors import InputFault
from matting_tasks.geometry import (
    NAMES,
    Geometry,
    Size,
    Window,
    adapt_intrinsics,
    apply,
    geometry_of,
    visible,
    visible_pixels,
)

RIG = (2200, 3208)
K_RIG = np.array([[8000.0, 0.0, 1100.0], [0.0, 7800.0, 1604.0], [0.0, 0.0, 1.0]])
POSE = np.array([[0.8, 0.0, -0.6, 0.02], [0.0, 1.0, 0.0, -0.03], [0.6, 0.0, 0.8, 1.1]])  # a 3-4-5 turn about y

# Sizes of the rig's aspect: whole multiples of 275x401, and such as encoders make of others (even numbers).
SCALED = [(2200, 3208), (1100, 1604), (550, 802), (275, 401), (825, 1203), (734, 1070), (732, 1068), (440, 642)]


def noise(width: int, height: int, channels: int = 0, seed: int = 1) -> np.ndarray:
    shape = (height, width, channels) if channels else (height, width)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def average_over_areas(picture: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Pad and cut the window in float64, then average over equal rectangles by integrals along each axis."""
    window = geometry.window
    canvas = np.zeros((window.height, window.width, *picture.shape[2:]))
    for row in range(window.height):
        source = row + window.top
        if 0 <= source < picture.shape[0]:
            first, last = max(window.left, 0), min(window.left + window.width, picture.shape[1])
            canvas[row, first - window.left : last - window.left] = picture[source, first:last]
    for axis, n_target in ((0, geometry.target.height), (1, geometry.target.width)):
        n_source = canvas.shape[axis]
        integral = np.insert(np.cumsum(canvas, axis=axis), 0, 0, axis=axis)
        edges = np.linspace(0, n_source, n_target + 1)
        below = np.minimum(np.floor(edges).astype(int), n_source - 1)
        share = (edges - below).reshape([-1 if k == axis else 1 for k in range(canvas.ndim)])
        at_edges = integral.take(below, axis) * (1 - share) + integral.take(below + 1, axis) * share
        canvas = np.diff(at_edges, axis=axis) * n_target / n_source
    return canvas


def project(intrinsic: np.ndarray, extrinsic: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Project (3,) world to (2,) pixels from the outer corner of the first pixel."""
    x, y, depth = intrinsic @ (extrinsic[:, :3] @ point + extrinsic[:, 3])
    return np.array([x / depth, y / depth])


def centroid(picture: np.ndarray) -> np.ndarray:
    weights = picture.astype(np.float64)
    x, y = np.arange(picture.shape[1]) + 0.5, np.arange(picture.shape[0]) + 0.5
    return np.array([weights.sum(0) @ x, weights.sum(1) @ y]) / weights.sum()


def draw_spot(width: int, height: int, at: np.ndarray, sigma_px: float) -> np.ndarray:
    x, y = np.arange(width) + 0.5 - at[0], np.arange(height) + 0.5 - at[1]
    spot = np.exp(-(y**2) / (2 * sigma_px**2))[:, None] * np.exp(-(x**2) / (2 * sigma_px**2))
    return np.rint(255 * spot).astype(np.uint8)


def test_gha_is_the_published_window() -> None:
    geometry = geometry_of("gha", *RIG)
    assert geometry.window == (-200, 304, 2600, 2600)
    assert geometry.target == (2048, 2048)
    assert geometry.source == RIG
    assert geometry.pads


@pytest.mark.parametrize(
    ("size", "window", "side"),
    [
        ((1100, 1604), (-100, 152, 1300, 1300), 1024),
        ((550, 802), (-50, 76, 650, 650), 512),
        ((275, 401), (-25, 38, 325, 325), 256),
        # 734 / 2200 = 0.33364: -66.73, 101.43, 867.45 and 683.29, rounded
        ((734, 1070), (-67, 101, 867, 867), 683),
        # 440 / 2200 = 0.2: -40, 60.8, 520 and 409.6, rounded
        ((440, 642), (-40, 61, 520, 520), 410),
    ],
)
def test_gha_is_scaled_with_the_picture(size: tuple[int, int], window: tuple[int, int, int, int], side: int) -> None:
    geometry = geometry_of("gha", *size)
    assert geometry.window == window
    assert geometry.target == (side, side)
    assert apply(geometry, noise(*size)).shape == (side, side)


@pytest.mark.parametrize("size", [(2200, 2200), (3208, 2200), (2200, 3200), (2048, 2048), (1920, 1080), (550, 806)])
def test_gha_is_refused_for_another_aspect(size: tuple[int, int]) -> None:
    with pytest.raises(InputFault, match=f"{size[0]}x{size[1]} pixels.*gha wants 2200x3208") as raised:
        geometry_of("gha", *size)
    assert raised.value.status == "undecodable"


def test_an_unknown_geometry_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="one of native, half, gha; found 'quarter'"):
        geometry_of("quarter", 8, 8)


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_of_another_size_is_refused_with_both_sizes(name: str) -> None:
    geometry = geometry_of(name, 550, 802)
    with pytest.raises(InputFault, match="802x550 pixels; 550x802 were expected") as raised:
        apply(geometry, noise(802, 550))
    assert raised.value.status == "undecodable"


def test_native_gives_the_picture_itself() -> None:
    picture = noise(33, 21, 3)
    geometry = geometry_of("native", 33, 21)
    assert apply(geometry, picture) is picture
    assert not geometry.pads
    assert (visible(geometry) == 255).all() and visible(geometry).shape == (21, 33)
    assert np.array_equal(adapt_intrinsics(geometry, K_RIG), K_RIG)


@pytest.mark.parametrize("name", NAMES)
def test_what_comes_out_is_contiguous(name: str) -> None:
    picture = noise(550, 802, 3)[:, :, ::-1]
    done = apply(geometry_of(name, 550, 802), picture)
    assert done.flags.c_contiguous and done.dtype == np.uint8
    assert np.array_equal(done, apply(geometry_of(name, 550, 802), np.ascontiguousarray(picture)))


def test_half_averages_2x2_pixels() -> None:
    picture = np.array([[0, 4, 200, 201], [8, 12, 202, 203], [1, 1, 0, 0], [1, 1, 0, 255]], np.uint8)
    # (0 + 4 + 8 + 12) / 4 = 6; 806 / 4 = 201.5, rounded up; 1; 63.75
    assert apply(geometry_of("half", 4, 4), picture).tolist() == [[6, 202], [1, 64]]


def test_half_leaves_out_the_last_column_and_row_of_odd_sizes() -> None:
    picture = noise(7, 5, 3)
    geometry = geometry_of("half", 7, 5)
    assert geometry.window == (0, 0, 6, 4) and geometry.target == (3, 2) and not geometry.pads
    assert np.array_equal(apply(geometry, picture), apply(geometry_of("half", 6, 4), picture[:4, :6]))
    assert (visible(geometry) == 255).all()
    assert np.array_equal(adapt_intrinsics(geometry, K_RIG), K_RIG * [[0.5], [0.5], [1.0]])


@pytest.mark.parametrize("size", [(1, 8), (8, 1)])
def test_half_of_a_single_column_or_row_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(InputFault, match=f"{size[0]}x{size[1]} pixels, too few for the geometry half"):
        geometry_of("half", *size)


def test_gha_averages_over_areas_at_full_size() -> None:
    geometry = geometry_of("gha", *RIG)
    picture = noise(*RIG)
    done = apply(geometry, picture)
    # Column 157 spans 157 * 2600 / 2048 = 199.316 to 200.586 of the window, whose pad ends at 200: it holds 0.586 of
    # the sensor's first column. Row 10 spans 12.695 to 13.965: it holds 0.305 of row 304 + 12 and 0.965 of the next.
    in_target = 0.5859375 * (0.3046875 * picture[316, 0] + 0.96484375 * picture[317, 0])
    expected = in_target / (2600 / 2048) ** 2
    assert abs(int(done[10, 157]) - expected) <= 0.51
    assert (done[:, :157] == 0).all() and (done[:, 1891:] == 0).all()
    assert done[:, 158:1890].min(axis=0).max() > 0


@pytest.mark.parametrize("size", [(550, 802), (734, 1070), (275, 401)])
@pytest.mark.parametrize("name", ["half", "gha"])
@pytest.mark.parametrize("channels", [0, 3])
def test_pictures_are_averaged_over_areas_with_black_pads(size: tuple[int, int], name: str, channels: int) -> None:
    geometry, picture = geometry_of(name, *size), noise(*size, channels)
    assert np.abs(apply(geometry, picture) - average_over_areas(picture, geometry)).max() <= 0.51


def test_visible_of_gha_is_255_between_the_pads() -> None:
    geometry = geometry_of("gha", *RIG)
    coverage = visible(geometry)
    assert coverage.dtype == np.uint8 and coverage.shape == (2048, 2048)
    # The sensor spans 200 * 2048 / 2600 = 157.538 to 2400 * 2048 / 2600 = 1890.462: columns 157 and 1890 are covered to
    # 0.4615, which is 117.7 of 255, and less than half.
    assert np.ptp(coverage, axis=0).max() == 0
    assert coverage[0, [0, 156, 157, 158, 1024, 1889, 1890, 1891, 2047]].tolist() == [
        0,
        0,
        118,
        255,
        255,
        255,
        118,
        0,
        0,
    ]
    inside = np.flatnonzero(visible_pixels(geometry)[1000])
    assert (inside[0], inside[-1], len(inside)) == (158, 1889, 1732)


@pytest.mark.parametrize("size", SCALED)
def test_visible_is_what_a_white_picture_becomes(size: tuple[int, int]) -> None:
    geometry = geometry_of("gha", *size)
    white = apply(geometry, np.full(size[::-1], 255, np.uint8))
    assert np.abs(white.astype(int) - visible(geometry)).max() <= 1


def test_a_pixel_half_on_the_sensor_is_visible() -> None:
    # Scaled to 11x16, the window begins at -1 and its 13 columns become 10: 0.3 of the first one's 1.3 is sensor.
    coverage = visible(geometry_of("gha", 11, 16))
    assert coverage[5].tolist() == [59, 255, 255, 255, 255, 255, 255, 255, 255, 59]
    half = Geometry("gha", source=Size(4, 2), window=Window(-1, 0, 6, 2), target=Size(3, 1))
    assert visible(half).tolist() == [[128, 255, 128]]
    assert visible_pixels(half).all()


def test_visible_cannot_be_changed_by_who_asks_for_it() -> None:
    with pytest.raises(ValueError, match="read-only"):
        visible(geometry_of("gha", 275, 401))[0, 0] = 7


def test_intrinsics_of_gha_by_hand() -> None:
    adapted = adapt_intrinsics(geometry_of("gha", *RIG), K_RIG)
    # 8000 * 2048 / 2600, 7800 * 2048 / 2600, (1100 + 200) * 2048 / 2600 and (1604 - 304) * 2048 / 2600
    expected = [[6301.538461538462, 0, 1024], [0, 6144, 1024], [0, 0, 1]]
    np.testing.assert_allclose(adapted, expected, rtol=0, atol=1e-9)


@settings(deadline=None)
@given(
    st.sampled_from([(name, size) for name in NAMES for size in [*SCALED, (551, 803)]]),
    st.tuples(*[st.floats(-0.2, 0.2)] * 3),
    st.floats(-3, 3),
)
def test_a_point_moves_with_the_picture(
    case: tuple[str, tuple[int, int]], point: tuple[float, float, float], skew: float
) -> None:
    (name, size), world = case, np.array(point)
    geometry = geometry_of(name, *size)
    intrinsic = K_RIG * [[size[0] / 2200], [size[1] / 3208], [1]]
    intrinsic[0, 1] = skew
    x, y = project(intrinsic, POSE, world)
    left, top, width, height = geometry.window
    moved = (x - left) * geometry.target.width / width, (y - top) * geometry.target.height / height
    np.testing.assert_allclose(project(adapt_intrinsics(geometry, intrinsic), POSE, world), moved, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "size"), [(n, s) for n in NAMES for s in [(2200, 3208), (550, 802), (734, 1070), (735, 1071)]]
)
@pytest.mark.parametrize("point", [(0.0, 0.0, 0.0), (0.05, -0.08, 0.02), (-0.06, 0.07, -0.04)])
def test_a_spot_lands_where_the_adapted_intrinsics_say(
    name: str, size: tuple[int, int], point: tuple[float, float, float]
) -> None:
    geometry = geometry_of(name, *size)
    scale = size[0] / 2200
    intrinsic = np.diag([scale, size[1] / 3208, 1.0]) @ K_RIG
    at = project(intrinsic, POSE, np.array(point))
    spot = draw_spot(*size, at, sigma_px=4)
    assert np.abs(centroid(spot) - at).max() < 0.01
    expected = project(adapt_intrinsics(geometry, intrinsic), POSE, np.array(point))
    assert np.abs(centroid(apply(geometry, spot)) - expected).max() < 0.1
