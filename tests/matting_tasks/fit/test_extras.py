import numpy as np
import pytest
from figures import SIZE, figure

from matting_tasks.fit import extras
from matting_tasks.fit.pictures import Pictures
from matting_tasks.fit.sheets import blank


def test_lenses_let_light_through_and_rims_do_not() -> None:
    see_through = 0
    for seed in range(12):
        sheet = blank(SIZE)
        extras.draw_glasses(np.random.default_rng(seed), sheet, figure())
        alpha = sheet[..., 3]
        assert (alpha > 0.99).sum() > 30
        see_through += 0.05 < float(np.median(alpha[58:62, 66:72])) < 0.45
    assert see_through >= 6


def test_a_veil_is_half_transparent() -> None:
    means = []
    for seed in range(8):
        sheet = blank(SIZE)
        extras.draw_veil(np.random.default_rng(seed), sheet, figure(unit=16.0), Pictures([]))
        alpha = sheet[..., 3]
        assert alpha.max() <= 0.91 and (alpha > 0.04).sum() > 300
        means.append(float(alpha[alpha > 0.04].mean()))
    assert np.ptp(means) > 0.1


def test_a_hat_covers_the_top_of_the_head_and_not_the_mouth() -> None:
    for seed in range(6):
        sheet = blank(SIZE)
        extras.draw_hat(np.random.default_rng(seed), sheet, figure(), Pictures([]))
        assert sheet[34, 80, 3] > 0.99 and sheet[76, 80, 3] == 0


def test_headphones_sit_on_both_sides() -> None:
    sheet = blank(SIZE)
    extras.draw_headphones(np.random.default_rng(0), sheet, figure())
    assert sheet[50:72, :60, 3].max() > 0.99 and sheet[50:72, 100:, 3].max() > 0.99
    assert sheet[60, 80, 3] == 0


def test_some_earrings_have_holes() -> None:
    sheets = [blank(SIZE) for _ in range(8)]
    for seed, sheet in enumerate(sheets):
        extras.draw_earrings(np.random.default_rng(seed), sheet, figure())
    rows = [np.diff((sheet[..., 3] > 0.5).astype(int), axis=1).clip(0).sum(1).max() for sheet in sheets]
    assert max(rows) >= 3


@pytest.mark.parametrize("seed", range(8))
def test_a_thing_is_drawn_before_the_body(seed: int) -> None:
    sheet = blank(SIZE)
    extras.draw_thing(np.random.default_rng(seed), sheet, figure(unit=16.0), Pictures([]))
    assert (sheet[..., 3] > 0.2).any()
