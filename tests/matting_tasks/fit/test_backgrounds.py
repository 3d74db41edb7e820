"""Sets behind a person: their size, where they come from, and how calm they are."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from matting_tasks.fit.backgrounds import draw_wall, make_background
from matting_tasks.fit.pictures import Pictures

NONE = Pictures([])


@pytest.mark.parametrize("size", [(16, 24), (33, 200), (144, 96)])
def test_backgrounds_have_the_size_asked_for(size: tuple[int, int]) -> None:
    for seed in range(60):
        background = make_background(np.random.default_rng(seed), NONE, NONE, size)
        assert background.shape == (*size, 3)
        assert background.dtype == np.uint8
        assert background.flags["C_CONTIGUOUS"]


def test_the_same_seed_makes_the_same_background() -> None:
    for seed in range(10):
        first, again = (make_background(np.random.default_rng(seed), NONE, NONE, (48, 64)) for _ in range(2))
        assert np.array_equal(first, again)


def test_backgrounds_differ_from_seed_to_seed() -> None:
    made = [make_background(np.random.default_rng(seed), NONE, NONE, (48, 64)) for seed in range(30)]
    means = np.stack([background.mean(axis=(0, 1)) for background in made])
    assert means.std(axis=0).min() > 25


def test_plates_are_taken_as_often_as_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "plate.png"
    cv2.imwrite(str(path), np.full((50, 70, 3), (10, 20, 30), np.uint8)[..., ::-1])
    plates = Pictures([path])
    for share, low, high in ((0.0, 0, 0), (0.5, 60, 140), (1.0, 200, 200)):
        made = (make_background(np.random.default_rng(n), NONE, plates, (20, 20), share) for n in range(200))
        taken = sum(bool((background == (10, 20, 30)).all()) for background in made)
        assert low <= taken <= high


def test_pictures_are_seen_in_a_good_share_of_backgrounds(tmp_path: Path) -> None:
    path = tmp_path / "red.png"
    cv2.imwrite(str(path), np.full((50, 70, 3), (255, 0, 0), np.uint8)[..., ::-1])
    pictures = Pictures([path])
    made = [make_background(np.random.default_rng(seed), pictures, NONE, (20, 20)) for seed in range(200)]
    reddish = [(background[..., 0] > 90) & (background[..., 1:].max(axis=2) < 3) for background in made]
    assert 50 < sum(mask.mean() > 0.2 for mask in reddish) < 150


def test_walls_are_calm_but_not_flat() -> None:
    steps = []
    for seed in range(40):
        wall = draw_wall(np.random.default_rng(seed), NONE, (96, 96)).astype(np.float32)
        steps.append(np.abs(np.diff(wall, axis=1)).mean())
        assert wall.std(axis=(0, 1)).max() > 0.3
    assert np.median(steps) < 6
