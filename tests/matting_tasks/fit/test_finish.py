import numpy as np

from matting_tasks.fit.finish import Finish, any_finish, finished
from matting_tasks.fit.sheets import blank


def test_colours_change_and_alpha_does_not() -> None:
    sheet = blank((10, 10))
    sheet[:] = (60, 60, 60, 0.5)
    matrix = np.diag([2.0, 1.0, 1.0, 1.0])
    matrix[2, 3] = 10
    assert np.allclose(finished(sheet, Finish(matrix, 0.0)), (120, 60, 65, 0.5))


def test_blur_softens_colour_and_alpha_together() -> None:
    sheet = blank((40, 40))
    sheet[:, 20:] = (200, 100, 50, 1)
    soft = finished(sheet, Finish(np.eye(4), 2.0))
    edge = soft[20, 18:22]
    assert (edge[:, 3] > 0.05).all() and (edge[:, 3] < 0.95).all()
    assert np.allclose(edge[:, :3] / edge[:, 3:], (200, 100, 50), atol=0.5)


def test_finishes_are_drawn_sharp_and_blurred() -> None:
    rng = np.random.default_rng(0)
    blurs = [any_finish(rng, (320, 320)).blur_px for _ in range(40)]
    assert min(blurs) == 0 and 0.3 < max(blurs) < 2.5
