from __future__ import annotations

import numpy as np
import pytest
import torch

from matting_tasks.qc import measure_alpha, measure_error, measure_shape, measure_starvation, mostly_visible


def mask_of(*rows: str) -> np.ndarray:
    """Return a mask: # is 255, every other character 0."""
    return np.array([[255 if mark == "#" else 0 for mark in row] for row in rows], np.uint8)


def visible_rows(first: int, end: int, size: int = 8) -> torch.Tensor:
    visible = torch.zeros(1, size, size, dtype=torch.bool)
    visible[:, first:end] = True
    return visible


def test_coverage_is_the_mean_of_alpha() -> None:
    alpha = torch.zeros(2, 8, 8)
    alpha[0, :2] = 1  # 16 of 64
    alpha[0, 2, :4] = 0.5  # and 4 halves
    alpha[1] = 1
    coverage, soft = measure_alpha(alpha, None)
    assert coverage.tolist() == pytest.approx([18 / 64, 1])
    assert soft.tolist() == pytest.approx([4 / 64, 0])


def test_alpha_is_soft_strictly_between_its_limits() -> None:
    alpha = torch.tensor([[[0.0, 0.05, 0.06, 0.5, 0.94, 0.95, 1.0, 0.04]]])
    assert measure_alpha(alpha, None)[1].item() == pytest.approx(3 / 8)


def test_shares_are_of_the_visible_pixels() -> None:
    alpha = torch.zeros(1, 8, 8)
    alpha[0, 2] = 1
    alpha[0, 3] = 0.5
    coverage, soft = measure_alpha(alpha, visible_rows(2, 6))  # 32 pixels
    assert coverage.item() == pytest.approx(12 / 32)
    assert soft.item() == pytest.approx(8 / 32)


def test_measures_are_0_when_nothing_is_visible() -> None:
    nothing = visible_rows(0, 0)
    coverage, soft = measure_alpha(torch.zeros(1, 8, 8), nothing)
    mean, top = measure_error(torch.ones(1, 8, 8), nothing)
    assert [value.item() for value in (coverage, soft, mean, top)] == [0, 0, 0, 0]


def test_frames_have_visible_masks_of_their_own() -> None:
    alpha = torch.zeros(2, 8, 8)
    alpha[:, 0] = 1
    visible = torch.cat([visible_rows(0, 1), visible_rows(0, 4)])
    assert measure_alpha(alpha, visible)[0].tolist() == pytest.approx([1, 1 / 4])
    error = torch.zeros(2, 8, 8)
    error[:, 0] = 0.8
    assert measure_error(error, visible)[0].tolist() == pytest.approx([0.8, 0.2])


def test_the_mean_of_the_error_is_over_all_pixels_without_a_visible_mask() -> None:
    error = torch.zeros(1, 10, 10)
    error[0, 0] = 0.5
    mean, _ = measure_error(error, None)
    assert mean.item() == pytest.approx(0.05)


def test_the_99th_percentile_leaves_1_percent_above_it() -> None:
    error = torch.arange(1000).flip(0).reshape(1, 20, 50) / 1000
    assert measure_error(error, None)[1].item() == pytest.approx(0.990)  # 0.991 .. 0.999 are the 9 above


@pytest.mark.parametrize(("height", "width"), [(1, 1), (8, 8), (10, 10), (1, 101), (13, 17), (64, 96)])
def test_the_99th_percentile_is_that_of_the_sorted_pixels(height: int, width: int) -> None:
    error = torch.from_numpy(np.random.default_rng(height).random((3, height, width), dtype=np.float32))
    expected = np.percentile(error.numpy().reshape(3, -1), 99, axis=1, method="higher")
    assert measure_error(error, None)[1].tolist() == pytest.approx(expected.tolist())


def test_the_percentile_is_over_visible_pixels_only() -> None:
    rng = np.random.default_rng(3)
    error = torch.from_numpy(rng.random((1, 40, 40), dtype=np.float32))
    visible = torch.from_numpy(rng.random((1, 40, 40)) < 0.4)
    error[~visible] += 5
    mean, top = measure_error(error, visible)
    seen = error[visible].numpy()
    assert mean.item() == pytest.approx(seen.mean())
    assert top.item() == pytest.approx(np.percentile(seen, 99, method="higher"))


def test_a_pixel_of_a_small_error_map_counts_if_most_of_it_is_visible() -> None:
    error = torch.tensor([[[0.1, 0.2], [0.4, 0.8]]])
    visible = torch.zeros(1, 8, 8, dtype=torch.bool)
    visible[0, :4, :4] = True  # all of the first
    visible[0, :4, 4:7] = True  # three quarters of the second
    visible[0, 4:6, :4] = True  # just half of the third: not most
    mean, top = measure_error(error, mostly_visible(visible[0], (2, 2))[None])
    assert mean.item() == pytest.approx(0.15)
    assert top.item() == pytest.approx(0.2)


def test_an_error_map_in_half_precision_is_measured_in_full() -> None:
    error = torch.full((1, 512, 512), 0.5, dtype=torch.float16)  # its sum is more than half precision holds
    assert measure_error(error, None)[0].item() == 0.5


def test_pixels_that_touch_at_a_corner_are_one_component() -> None:
    shape = measure_shape(
        mask_of(
            "#.......",
            ".#......",
            "..##....",
            "........",
            "......##",
            "......##",
            "........",
            "........",
        )
    )
    assert shape.n_components == 2
    assert shape.largest_component == pytest.approx(4 / 8)


def test_a_component_is_inside_above_127() -> None:
    lowres = np.zeros((8, 8), np.uint8)
    lowres[1, 1:4] = 127
    lowres[5, 1:6] = 128
    shape = measure_shape(lowres)
    assert (shape.n_components, shape.largest_component) == (1, 1)


def test_specks_are_not_counted() -> None:
    lowres = np.zeros((256, 256), np.uint8)  # one in ten thousand is 6.6 pixels
    lowres[100:120, 100:120] = 255
    lowres[0, 0:6] = 255
    assert measure_shape(lowres).n_components == 1
    assert measure_shape(lowres).largest_component == 1
    lowres[50, 50:57] = 255
    shape = measure_shape(lowres)
    assert shape.n_components == 2
    assert shape.largest_component == pytest.approx(400 / 407)


def test_specks_are_measured_against_the_visible_pixels() -> None:
    lowres = np.zeros((256, 256), np.uint8)
    lowres[100, 100:103] = 255
    visible = np.zeros((256, 256), bool)
    visible[60:160, :] = True  # 25600 pixels: three are a component
    assert measure_shape(lowres).n_components == 0
    assert measure_shape(lowres, visible).n_components == 1


def test_an_empty_mask_has_no_component_and_touches_nothing() -> None:
    shape = measure_shape(np.zeros((256, 256), np.uint8))
    assert (shape.n_components, shape.largest_component) == (0, 0)
    assert (shape.border_top, shape.border_bottom, shape.border_left, shape.border_right) == (0, 0, 0, 0)


def test_a_full_mask_is_one_component_and_touches_all_sides() -> None:
    shape = measure_shape(np.full((256, 256), 255, np.uint8))
    assert (shape.n_components, shape.largest_component) == (1, 1)
    assert (shape.border_top, shape.border_bottom, shape.border_left, shape.border_right) == (1, 1, 1, 1)


def test_border_contact_is_the_share_of_each_side() -> None:
    shape = measure_shape(
        mask_of(
            "..#.....",
            "..#.....",
            "..#....#",
            "..#....#",
            "........",
            "........",
            "...####.",
            "#..####.",
        )
    )
    assert shape.border_top == 1 / 8
    assert shape.border_bottom == 5 / 8
    assert shape.border_left == 1 / 8
    assert shape.border_right == 2 / 8


def test_border_contact_is_with_the_visible_rectangle() -> None:
    lowres = mask_of(
        "........",
        "........",
        "...##...",
        "...##...",
        "...##...",
        "..####..",
        "........",
        "........",
    )
    visible = np.zeros((8, 8), bool)
    visible[2:6, 2:8] = True
    shape = measure_shape(lowres, visible)
    assert shape.border_top == pytest.approx(2 / 6)
    assert shape.border_bottom == pytest.approx(4 / 6)
    assert shape.border_left == pytest.approx(1 / 4)
    assert shape.border_right == 0
    alone = measure_shape(lowres)
    assert alone.border_top == alone.border_bottom == 0


def test_a_picture_with_nothing_visible_is_measured_as_a_whole() -> None:
    shape = measure_shape(np.full((8, 8), 255, np.uint8), np.zeros((8, 8), bool))
    assert shape.border_top == 1


def test_edge_width_of_a_ramp_is_its_width() -> None:
    lowres = np.zeros((256, 256), np.uint8)
    lowres[:, 128:] = 255
    assert measure_shape(lowres).edge_width == 0
    lowres[:, 126:130] = (51, 102, 153, 204)
    assert measure_shape(lowres).edge_width == pytest.approx(4 * 4 / np.pi)  # a straight line crosses fewer borders


def test_edge_width_of_a_disc_depends_on_no_direction() -> None:
    distance = np.hypot(*(np.mgrid[0:256, 0:256] - 127.5))
    lowres = (np.clip(0.5 + (80 - distance) / 6, 0, 1) * 255).round().astype(np.uint8)
    assert measure_shape(lowres).edge_width == pytest.approx(6 * 0.9, rel=0.05)  # soft is 0.05 to 0.95 of the ramp


def test_holes_are_what_the_matte_encloses() -> None:
    lowres = np.zeros((256, 256), np.uint8)
    lowres[56:256, 56:256] = 255
    assert measure_shape(lowres).holes == 0
    lowres[100:110, 100:110] = 0
    lowres[240:256, 150:160] = 0  # open to the border
    shape = measure_shape(lowres)
    assert shape.holes == pytest.approx(100 / (200 * 200 - 100 - 160))


def test_without_a_matte_there_is_neither_edge_nor_hole() -> None:
    shape = measure_shape(np.zeros((256, 256), np.uint8))
    assert shape.edge_width is None and shape.holes is None


def test_starvation_is_the_share_of_large_errors_beyond_what_is_refined() -> None:
    error = torch.zeros(3, 4, 5)
    error[0, 0], error[1, :2] = 0.5, 0.5
    assert measure_starvation(error, None, 5, 0.0).tolist() == [0, 0.5, 0]
    kept = torch.ones(3, 4, 5, dtype=torch.bool)
    kept[:, 1] = False
    assert measure_starvation(error, kept, 5, 0.0).tolist() == [0, 0, 0]


def test_starvation_by_threshold_is_the_share_of_large_errors_below_it() -> None:
    error = torch.tensor([[[0.05, 0.2, 0.3, 0.9]]])
    assert measure_starvation(error, None, None, 0.7).tolist() == pytest.approx([2 / 3])
