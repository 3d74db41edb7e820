import numpy as np
from figures import SIZE, figure

from matting_tasks.fit.arms import draw_arm, draw_hand
from matting_tasks.fit.figure import neck_base
from matting_tasks.fit.sheets import blank

COLOUR = np.array([40, 90, 160], np.float32)


def test_an_arm_hangs_on_its_shoulder_on_its_side() -> None:
    for seed in range(8):
        for side in (-1, 1):
            sheet, drawn = blank(SIZE), figure(unit=12.0)
            shoulder = draw_arm(np.random.default_rng(seed), sheet, drawn, COLOUR, (side * 1.8, 0.8))
            assert (shoulder[0] - neck_base(drawn)[0]) * side > 15
            assert sheet[int(shoulder[1]), int(shoulder[0]), 3] > 0.9


def test_arms_are_bare_and_in_sleeves() -> None:
    blue = []
    for seed in range(20):
        sheet = blank(SIZE)
        draw_arm(np.random.default_rng(seed), sheet, figure(unit=12.0), COLOUR, (1.8, 0.8))
        solid = sheet[sheet[..., 3] > 0.99]
        blue.append((solid[:, 2] > solid[:, 0]).mean())
    assert min(blue) < 0.05 and max(blue) > 0.6


def test_an_open_hand_has_gaps_between_its_fingers() -> None:
    gaps = []
    for seed in range(12):
        sheet = blank((120, 120))
        draw_hand(np.random.default_rng(seed), sheet, figure(unit=40.0), np.array([40.0, 60.0]), 0.0)
        edges = np.diff((sheet[..., 3] > 0.5).astype(int), axis=0) == 1
        gaps.append(edges.sum(0).max())
    assert max(gaps) >= 4 > min(gaps)
