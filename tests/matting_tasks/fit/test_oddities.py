import cv2
import numpy as np
from figures import SIZE, figure

from matting_tasks.fit.oddities import draw_hands, draw_shape
from matting_tasks.fit.pictures import Pictures


def test_shapes_have_holes_of_alpha_zero() -> None:
    holes = 0
    for seed in range(16):
        (part,) = draw_shape(np.random.default_rng(seed), Pictures([]), SIZE, figure())
        alpha = (part.sheet[..., 3] > 0.5).astype(np.uint8)
        _, tree = cv2.findContours(alpha, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        holes += tree is not None and bool((tree[0, :, 3] >= 0).any())
    assert 3 <= holes < 16


def test_hands_come_alone_or_in_pairs() -> None:
    counts = {len(draw_hands(np.random.default_rng(seed), SIZE, figure())) for seed in range(10)}
    assert counts == {1, 2}
