from dataclasses import replace

import numpy as np
import pytest
from figures import SIZE, figure

from matting_tasks.fit.face import draw_head, head_outline
from matting_tasks.fit.pictures import Pictures
from matting_tasks.fit.sheets import blank


@pytest.mark.parametrize("seed", range(5))
def test_a_head_is_opaque_and_of_its_skin_colour(seed: int) -> None:
    sheet, drawn = blank(SIZE), figure()
    draw_head(np.random.default_rng(seed), sheet, drawn, Pictures([]))
    assert sheet[40:80, 65:95, 3].min() > 0.99
    cheek = np.median(sheet[55:75, 65:95, :3].reshape(-1, 3), 0)
    assert cheek[0] > cheek[1] > cheek[2]
    assert sheet[:10, :, 3].max() == 0 and sheet[:, :20, 3].max() == 0


def test_faces_have_features_darker_than_the_skin() -> None:
    sheet = blank(SIZE)
    draw_head(np.random.default_rng(0), sheet, figure(), Pictures([]))
    assert sheet[50:62, 60:100, :3].sum(2).min() < 0.6 * np.median(sheet[50:62, 60:100, :3].sum(2))


def test_a_head_turned_aside_shows_its_nose() -> None:
    ahead = head_outline(np.random.default_rng(0), figure())
    aside = head_outline(np.random.default_rng(0), replace(figure(), turn=0.9))
    there = np.abs(aside[:, 1] / 1.3 - 0.22) < 0.08
    right, left = there & (aside[:, 0] > 0), there & (aside[:, 0] < 0)
    assert (aside - ahead)[right, 0].max() > 0.08 > (ahead - aside)[left, 0].max()


def test_a_head_beside_the_picture_draws_nothing() -> None:
    sheet = blank(SIZE)
    draw_head(np.random.default_rng(0), sheet, replace(figure(), head=np.array([-300.0, 50.0])), Pictures([]))
    assert sheet.max() == 0
