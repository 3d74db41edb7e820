from dataclasses import replace

import numpy as np
from figures import SIZE, figure

from matting_tasks.fit.hairdo import Hairdo, any_hairdo, draw_back, draw_beard, draw_flyaways, draw_front
from matting_tasks.fit.sheets import blank


def _hairdo(seed: int = 0) -> Hairdo:
    hair = any_hairdo(np.random.default_rng(seed), figure())
    assert hair is not None
    style = replace(hair.style, length=2.0, gravity=0.8, volume=0.2, density=0.8)
    return replace(hair, style=style, tail=False, fringe=False)


def test_some_heads_are_bald() -> None:
    rng = np.random.default_rng(0)
    bald = [any_hairdo(rng, figure()) is None for _ in range(100)]
    assert 1 <= sum(bald) <= 20


def test_hair_behind_the_head_stands_out_on_both_sides_and_is_soft_outside() -> None:
    sheet = blank(SIZE)
    draw_back(np.random.default_rng(0), sheet, figure(), _hairdo())
    alpha = sheet[..., 3]
    assert alpha[60:90, 40:58].max() > 0.8 and alpha[60:90, 102:120].max() > 0.8
    assert ((alpha > 0.05) & (alpha < 0.95)).mean() > 0.01


def test_hair_over_the_head_leaves_the_face_free() -> None:
    sheet = blank(SIZE)
    draw_front(np.random.default_rng(0), sheet, figure(), _hairdo())
    alpha = sheet[..., 3]
    assert alpha[28:36, 70:90].mean() > 0.7
    assert alpha[62:80, 74:86].mean() < 0.3


def test_flyaways_are_thin() -> None:
    sheet = blank(SIZE)
    draw_flyaways(np.random.default_rng(0), sheet, figure(), replace(_hairdo(), scale=2))
    alpha = sheet[..., 3]
    assert 0 < (alpha > 0.02).mean() < 0.2
    assert (alpha > 0.95).sum() < 0.3 * (alpha > 0.02).sum()


def test_a_beard_lies_on_the_lower_half_of_the_face() -> None:
    sheet = blank(SIZE)
    draw_beard(np.random.default_rng(1), sheet, figure(), _hairdo())
    alpha = sheet[..., 3]
    assert alpha[70:110].sum() > 20 * (alpha[:50].sum() + 1e-6)


def test_hair_under_soft_alpha_has_the_colour_of_hair() -> None:
    sheet = blank(SIZE)
    draw_back(np.random.default_rng(0), sheet, figure(), _hairdo())
    soft = sheet[(sheet[..., 3] > 0.05) & (sheet[..., 3] < 0.5)]
    colours = soft[:, :3] / soft[:, 3:]
    assert np.abs(np.median(colours, 0) - figure().hair).max() < 30
