"""Cutouts: colours beyond the alpha's edge, and where a person may come to lie."""

from __future__ import annotations

import numpy as np
import pytest

from matting_tasks.fit.cutouts import (
    Placing,
    choose_placing,
    extent_of,
    is_photograph,
    nudge,
    put,
    shrink,
    spread_colours,
)
from tests.cut_people import ORANGE, disc, photograph, pure


def test_colours_are_carried_on_beyond_the_edge_of_a_pure_foreground() -> None:
    alpha = disc()
    filled = spread_colours(pure(alpha), alpha, photograph=False)
    assert np.abs(filled.astype(int) - ORANGE).max() <= 2


def test_a_photographs_old_wall_is_gone_from_its_soft_edge() -> None:
    alpha = np.asarray(disc().astype(float) * 0.5 + disc(radius=14).astype(float) * 0.5, np.uint8)
    filled = spread_colours(photograph(alpha), alpha, photograph=True)
    soft = (alpha > 20) & (alpha < 140)
    assert soft.sum() > 100
    assert np.abs(filled[soft].astype(int) - ORANGE).mean() < 12
    kept = spread_colours(photograph(alpha), alpha, photograph=False)
    assert np.abs(kept[soft].astype(int) - ORANGE).mean() > 40


def test_photographs_are_told_from_pure_foregrounds_by_their_surroundings() -> None:
    alpha = disc()
    assert is_photograph(photograph(alpha), alpha)
    assert not is_photograph(pure(alpha), alpha)
    assert not is_photograph(spread_colours(pure(alpha), alpha, photograph=False), alpha)
    assert not is_photograph(photograph(alpha), np.full_like(alpha, 255))


def test_shrinking_lets_no_black_into_the_edge() -> None:
    alpha = disc(400, 300, (200, 150), 100)
    small, small_alpha = shrink(pure(alpha), alpha, 40, photograph=False)
    assert small.shape == (40, 30, 3)
    assert np.abs(small[small_alpha > 20].astype(int) - ORANGE).max() <= 14
    same, _ = shrink(pure(alpha), alpha, 400, photograph=False)
    assert same.shape == (400, 300, 3)


def test_the_extent_says_which_sides_cut_a_person() -> None:
    whole = extent_of(disc()[None])
    assert whole.cut == ((False, False), (False, False))
    assert whole.spans[0] == pytest.approx((20, 61), abs=2)
    assert whole.spans[1] == pytest.approx((10, 51), abs=2)
    assert extent_of(disc(centre=(75, 30))[None]).cut == ((False, True), (False, False))
    assert extent_of(disc(centre=(40, 2))[None]).cut == ((False, False), (True, False))
    assert extent_of(np.zeros((1, 9, 9), np.uint8)).spans == ((0, 9), (0, 9))


def test_most_of_a_person_is_seen_wherever_it_lies() -> None:
    alpha = disc()
    extent = extent_of(alpha[None])
    for seed in range(100):
        rng = np.random.default_rng(seed)
        placing = choose_placing(rng, extent, (64, 96))
        for where in (placing, nudge(rng, placing, extent, (64, 96))):
            _, placed = put(pure(alpha), alpha, where, (64, 96))
            assert placed.sum() > 0.55 * alpha.sum() * where.scale**2


@pytest.mark.parametrize("centre", [(75, 30), (40, 3), (5, 30), (40, 57)])
def test_no_cut_side_lies_inside_the_frame(centre: tuple[int, int]) -> None:
    alpha = np.where(disc(centre=centre) > 127, np.uint8(255), np.uint8(0))
    extent = extent_of(alpha[None])
    marked = np.full_like(alpha, 255)
    sides = [side for axis in extent.cut for side in axis]
    assert sum(sides) == 1
    for seed in range(60):
        rng = np.random.default_rng(seed)
        _, covered = put(np.zeros((*alpha.shape, 3), np.uint8), marked, choose_placing(rng, extent, (72, 72)), (72, 72))
        edges = (covered[0].max(), covered[-1].max(), covered[:, 0].max(), covered[:, -1].max())
        assert all(edge == 255 for edge, cut in zip(edges, sides, strict=True) if cut)


def test_a_person_cut_on_both_sides_fills_the_frame() -> None:
    alpha = np.full((40, 60), 255, np.uint8)
    for seed in range(20):
        placing = choose_placing(np.random.default_rng(seed), extent_of(alpha[None]), (50, 90))
        _, placed = put(np.zeros((40, 60, 3), np.uint8), alpha, placing, (50, 90))
        assert placed.min() == 255


def test_putting_moves_and_scales_by_edges() -> None:
    alpha = np.zeros((40, 40), np.uint8)
    alpha[10:20, 10:30] = 255
    _, placed = put(np.zeros((40, 40, 3), np.uint8), alpha, Placing(2.0, (-10.0, 5.0)), (60, 80))
    where = np.argwhere(placed > 127)
    assert where.min(axis=0).tolist() == [10, 25]
    assert where.max(axis=0).tolist() == [29, 64]
    _, halved = put(np.zeros((40, 40, 3), np.uint8), alpha, Placing(0.5, (0.0, 0.0)), (20, 20))
    assert np.array_equal(halved > 127, alpha[::2, ::2] > 127)


def test_half_the_way_is_between_both_placings() -> None:
    assert Placing(1, (0, 10)).towards(Placing(3, (4, 0)), 0.5) == Placing(2, (2, 5))
