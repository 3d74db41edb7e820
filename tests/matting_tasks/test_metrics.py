"""Numbers worked out by hand stand beside the pictures; Grad and Conn are checked against slow loops, too."""

from __future__ import annotations

import math

import numpy as np
import pytest

from matting_tasks.metrics import (
    Scores,
    as_alpha,
    change_map,
    dtssd,
    error_maps,
    gaussian_filters,
    mad,
    mean_scores,
    scores_of,
    unknown_of_trimap,
    unknown_of_truth,
)


def picture(value: float = 0.0) -> np.ndarray:
    return np.full((8, 8), float(value))


def score(pred: np.ndarray, true: np.ndarray, region: np.ndarray | None = None) -> Scores:
    return scores_of(error_maps(pred, true), region)


def test_a_patch_that_is_half_as_dense() -> None:
    # 16 of 64 pixels differ by 0.5. MAD = 16 * 0.5 / 64 * 1000 = 125; MSE = 16 * 0.25 / 64 * 1000 = 62.5;
    # SAD = 16 * 0.5 / 1000 = 0.008.
    true, pred = picture(), picture()
    true[2:6, 2:6] = 1.0
    pred[2:6, 2:6] = 0.5
    found = score(pred, true)
    assert (found.mad, found.mse, found.sad) == (125.0, 62.5, 0.008)


def test_bytes_and_16_bits_are_taken_as_shares_of_their_range() -> None:
    # |51 / 255 - 0| = 0.2 in every pixel: 200 x 1e-3, and 13107 / 65535 = 0.2.
    zeros = np.zeros((8, 8), np.uint8)
    assert mad(np.full((8, 8), 51, np.uint8), zeros) == pytest.approx(200.0, abs=1e-12)
    assert mad(np.full((8, 8), 13107, np.uint16), zeros) == pytest.approx(200.0, abs=1e-12)
    assert as_alpha(np.full((8, 8), 255, np.uint8)).max() == 1.0


def test_only_the_region_counts() -> None:
    # The region is the upper half, 32 pixels, of which 8 differ by 0.25: MAD = 8 * 0.25 / 32 * 1000 = 62.5,
    # MSE = 8 * 0.0625 / 32 * 1000 = 15.625, SAD = 0.002. Below everything differs by 1 and does not count.
    true, pred, region = picture(), picture(), picture().astype(bool)
    region[:4] = True
    pred[0] = 0.25
    pred[4:] = 1.0
    found = score(pred, true, region)
    assert (found.mad, found.mse, found.sad) == (62.5, 15.625, 0.002)


def test_an_empty_region_has_no_means() -> None:
    found = score(picture(1), picture(), np.zeros((8, 8), bool))
    assert (found.mad, found.mse, found.sad, found.grad, found.conn) == (None, None, 0, 0, 0)


def test_grad_of_a_flat_difference_is_nothing() -> None:
    # A filter that sums to 0 gives 0 on a flat picture, to its very border, where the border is replicated.
    assert score(picture(0.25), picture(0.75)).grad == pytest.approx(0, abs=1e-15)


def test_grad_of_one_pixel() -> None:
    # One pixel of 1 gives back the filters themselves: the sum of squares is 1 for each of the two, 2 / 1000 together.
    pred = np.zeros((17, 17))
    pred[8, 8] = 1
    assert score(pred, np.zeros((17, 17))).grad == pytest.approx(0.002, rel=1e-12)


def test_the_filters_have_nine_taps() -> None:
    # half = ceil(1.4 * sqrt(-2 * ln(sqrt(2 * pi) * 1.4 * 0.01))) = ceil(3.62) = 4: 9 taps.
    smooth, slope = gaussian_filters()
    assert len(smooth) == len(slope) == 9
    assert slope[4] == 0 and slope[5] == -slope[3] and smooth.argmax() == 4


def test_conn_of_a_part_that_is_cut_off() -> None:
    # Truth 1 everywhere; the matte lacks column 5, so that columns 6 and 7 hang loose. The largest part at each step is
    # columns 0 to 4: level 1 there, 0 elsewhere. phi of the truth is 1 in columns 0 to 4 and 0 in 5 to 7; phi of the
    # matte is 1 in 0 to 4, 1 in column 5 (it is 0 there, as its level), 0 in 6 and 7. They differ by 1 in 8 pixels.
    pred = picture(1)
    pred[:, 5] = 0
    assert score(pred, picture(1)).conn == 0.008


def test_conn_below_theta_is_nothing() -> None:
    # Both are connected at 0.8, not at 0.9: level 0.8; 0.88 - 0.8 = 0.08 and 0.81 - 0.8 = 0.01 are below 0.15.
    assert score(picture(0.88), picture(0.81)).conn == 0.0


def test_conn_takes_corners_as_apart() -> None:
    # Two blocks of 4x4 that touch by a corner are two parts: the first counts. Truth 1 in both, the matte also; the
    # second has level 0 in both mattes, so phi is 0 in both: no difference.
    pred, true = picture(), picture()
    pred[:4, :4] = pred[4:, 4:] = true[:4, :4] = true[4:, 4:] = 1
    assert score(pred, true).conn == 0.0
    # With the lower block at 0.5 in the matte alone: level 0 in both; phi is 1 - 0.5 = 0.5 and 1 - 1 = 0 in 16 pixels.
    pred[4:, 4:] = 0.5
    assert score(pred, true).conn == 0.008


@pytest.mark.parametrize("seed", range(4))
def test_grad_and_conn_are_those_of_slow_loops(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pred, true = rng.integers(0, 256, (2, 8, 8)).astype(np.uint8)
    pred[2:6, 1:7], true[1:6, 2:8] = 255, 250  # parts that are larger than single pixels
    p, g = as_alpha(pred), as_alpha(true)
    found = score(p, g)
    assert found.grad == pytest.approx(slow_grad(p, g), rel=1e-9)
    assert found.conn == pytest.approx(slow_conn(p, g), rel=1e-9)
    region = rng.random((8, 8)) < 0.4
    part = score(p, g, region)
    assert part.grad == pytest.approx(slow_grad(p, g, region), rel=1e-9)
    assert part.conn == pytest.approx(slow_conn(p, g, region), rel=1e-9)


def test_grad_of_stretched_mattes_does_not_see_contrast() -> None:
    # 0.25 and 0.75 become 0 and 1, as the truth is.
    true = picture()
    true[2:6, 2:6] = 1
    assert scores_of(error_maps(true / 2 + 0.25, true, stretched=True)).grad == pytest.approx(0, abs=1e-12)
    assert scores_of(error_maps(true / 2 + 0.25, true)).grad > 1e-4  # type: ignore[operator]


def test_dtssd_of_three_frames() -> None:
    # Matte 0, 0.5, 0.5, truth 0, 0.25, 0.75. Frame 1: (0.5 - 0) - (0.25 - 0) = 0.25, the root of its square's mean is
    # 0.25, x 100 = 25. Frame 2: (0.5 - 0.5) - (0.75 - 0.25) = -0.5: 50. Their mean, frame 0 not counted, is 37.5.
    matte, truth = (picture(0), picture(0.5), picture(0.5)), (picture(0), picture(0.25), picture(0.75))
    changes = [change_map(matte[t], matte[t - 1], truth[t], truth[t - 1]) for t in (1, 2)]
    assert [dtssd(change) for change in changes] == [25.0, 50.0]
    rows = [Scores(), *(scores_of(error_maps(matte[t], truth[t]), None, changes[t - 1]) for t in (1, 2))]
    assert mean_scores(rows).dtssd == 37.5


def test_dtssd_of_some_pixels() -> None:
    # 16 of 64 pixels jump by 1: sqrt(16 / 64) * 100 = 50 over the picture, 100 over a region of just those.
    before, now = picture(), picture()
    now[:2] = 1
    change = change_map(now, before, before, before)
    assert dtssd(change) == 50.0
    assert dtssd(change, now > 0) == 100.0
    assert dtssd(change, now > 2) is None


def test_means_leave_out_what_is_not_known() -> None:
    # (10 + 20 + 30) / 3 = 20; dtSSD is known of two: (4 + 6) / 2 = 5.
    rows = [Scores(mad=10.0), Scores(mad=20.0, dtssd=4.0), Scores(mad=30.0, dtssd=6.0)]
    found = mean_scores(rows)
    assert (found.mad, found.dtssd, found.grad) == (20.0, 5.0, None)


def test_two_sizes_are_an_error_that_names_both() -> None:
    with pytest.raises(ValueError, match=r"\(8, 8\).*\(4, 8\)"):
        error_maps(picture(), np.zeros((4, 8)))


def test_the_unknown_region_of_a_trimap() -> None:
    # A JPEG of 0, 128, 255 rings by some levels around them.
    trimap = np.array([[0, 3, 126, 128, 131, 252, 255]], np.uint8)
    assert unknown_of_trimap(trimap).tolist() == [[False, False, True, True, True, False, False]]


def test_the_unknown_region_around_the_truth() -> None:
    # Truth 1 in columns 4 to 7, 0.5 in column 3. Dilated by 1: columns 2 to 7; eroded by 1: 5 to 7, for nothing is
    # eroded at the picture's border. The rest are columns 2, 3 and 4.
    true = picture()
    true[:, 4:] = 1
    true[:, 3] = 0.5
    expected = picture().astype(bool)
    expected[:, 2:5] = True
    np.testing.assert_array_equal(unknown_of_truth(true, 1), expected)
    # without any width: the soft column alone
    assert unknown_of_truth(true, 0).sum(axis=0).tolist() == [0, 0, 0, 8, 0, 0, 0, 0]


def slow_grad(pred: np.ndarray, true: np.ndarray, region: np.ndarray | None = None) -> float:
    """Filter pixel by pixel with a two-dimensional kernel, as the paper defines it."""
    sigma, half = 1.4, 4

    def gauss(x: float) -> float:
        return math.exp(-(x**2) / (2 * sigma**2)) / (sigma * math.sqrt(2 * math.pi))

    kernel = {(y, x): gauss(y) * -x * gauss(x) / sigma**2 for y in range(-half, 5) for x in range(-half, 5)}
    norm = math.sqrt(sum(value**2 for value in kernel.values()))

    def magnitude(alpha: np.ndarray, row: int, column: int) -> float:
        along_x = along_y = 0.0
        for (y, x), value in kernel.items():
            r, c = min(max(row + y, 0), 7), min(max(column + x, 0), 7)
            along_x += value / norm * alpha[r, c]
            along_y += kernel[x, y] / norm * alpha[r, c]
        return math.sqrt(along_x**2 + along_y**2)

    pixels = [(r, c) for r in range(8) for c in range(8) if region is None or region[r, c]]
    return sum((magnitude(pred, r, c) - magnitude(true, r, c)) ** 2 for r, c in pixels) / 1000


def slow_conn(pred: np.ndarray, true: np.ndarray, region: np.ndarray | None = None) -> float:
    """Flood parts pixel by pixel, and look up the last step at which a pixel still belongs to the source region."""
    level = {(r, c): 1.0 for r in range(8) for c in range(8)}
    settled: set[tuple[int, int]] = set()
    for step in range(1, 11):
        threshold = step / 10
        both = {(r, c) for r, c in level if pred[r, c] >= threshold and true[r, c] >= threshold}
        source = largest(both)
        for pixel in level:
            if pixel not in source and pixel not in settled:
                settled.add(pixel)
                level[pixel] = (step - 1) / 10
    total = 0.0
    for (r, c), base in level.items():
        if region is None or region[r, c]:
            phis = [1 - (a - base if a - base >= 0.15 else 0.0) for a in (pred[r, c], true[r, c])]
            total += abs(phis[0] - phis[1])
    return total / 1000


def largest(pixels: set[tuple[int, int]]) -> set[tuple[int, int]]:
    best: set[tuple[int, int]] = set()
    left = set(pixels)
    for start in sorted(pixels):
        if start not in left:
            continue
        part, edge = set(), [start]
        left.discard(start)
        while edge:
            r, c = edge.pop()
            part.add((r, c))
            for near in ((r - 1, c), (r + 1, c), (r, c - 1), (r, c + 1)):
                if near in left:
                    left.discard(near)
                    edge.append(near)
        if len(part) > len(best):
            best = part
    return best
