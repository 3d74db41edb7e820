import numpy as np
import pytest
from figures import SIZE, figure

from matting_tasks.fit.body import draw_hood, draw_legs, draw_neck, draw_torso
from matting_tasks.fit.figure import neck_base
from matting_tasks.fit.sheets import blank

COLOUR = np.array([40, 90, 160], np.float32)


@pytest.mark.parametrize("seed", range(6))
def test_the_torso_lies_below_the_neck_and_holds_the_shoulder(seed: int) -> None:
    sheet, drawn = blank(SIZE), figure()
    x, y = draw_torso(np.random.default_rng(seed), sheet, drawn, COLOUR)
    base = neck_base(drawn)
    joint = (base + np.array([x, y]) * drawn.unit).astype(int)
    assert sheet[joint[1], joint[0], 3] > 0.99
    assert sheet[: int(drawn.head[1]), :, 3].max() == 0
    assert sheet[SIZE[0] - 1, int(base[0]), 3] > 0.99


def test_the_neck_reaches_from_the_head_to_the_shoulders() -> None:
    sheet, drawn = blank(SIZE), figure()
    draw_neck(np.random.default_rng(0), sheet, drawn)
    top, low = int(drawn.head[1] + drawn.unit), int(neck_base(drawn)[1])
    assert sheet[top:low, 80, 3].min() > 0.99


def test_between_two_legs_alpha_is_zero() -> None:
    sheet, drawn = blank(SIZE), figure(unit=8.0)
    draw_legs(np.random.default_rng(2), sheet, drawn, COLOUR)
    foot = sheet[int(neck_base(drawn)[1] + 11.5 * drawn.unit), :, 3]
    inside = np.flatnonzero(foot > 0.5)
    assert (foot[inside[0] : inside[-1]] < 0.01).any()


def test_a_hood_stands_out_beside_the_head_or_the_neck() -> None:
    for seed in range(4):
        sheet = blank(SIZE)
        draw_hood(np.random.default_rng(seed), sheet, figure(), COLOUR)
        assert (sheet[..., 3] > 0.99).sum() > 500
