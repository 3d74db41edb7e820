import numpy as np
from figures import SIZE, figure

from matting_tasks.fit.figure import fill, neck_base
from matting_tasks.fit.sheets import blank


def test_the_neck_meets_the_shoulders_below_the_chin() -> None:
    drawn = figure()
    base = neck_base(drawn)
    assert base[0] == drawn.head[0]
    assert base[1] > drawn.head[1] + drawn.longness * drawn.unit


def test_a_filled_outline_is_opaque_within_and_lit_from_the_light() -> None:
    sheet = blank(SIZE)
    square = np.array([[40.0, 40.0], [120.0, 40.0], [120.0, 120.0], [40.0, 120.0]])
    fill(sheet, [square], figure(), np.array([120, 120, 120], np.float32))
    assert np.allclose(sheet[60:100, 60:100, 3], 1) and sheet[20, 20, 3] == 0
    assert sheet[44, 44, 0] > sheet[80, 80, 0] > sheet[115, 115, 0]


def test_a_surface_is_taken_from_where_the_outline_lies() -> None:
    sheet, surface = blank(SIZE), np.zeros((*SIZE, 3), np.float32)
    surface[:, :80], surface[:, 80:] = 50, 200
    square = np.array([[40.0, 40.0], [120.0, 40.0], [120.0, 120.0], [40.0, 120.0]])
    fill(sheet, [square], figure(), surface)
    assert sheet[80, 60, 0] < 90 < 120 < sheet[80, 100, 0]


def test_an_outline_beside_the_picture_draws_nothing() -> None:
    sheet = blank(SIZE)
    fill(sheet, [np.array([[-40.0, -40.0], [-20.0, -40.0], [-20.0, -20.0]])], figure(), np.ones(3, np.float32))
    assert sheet.max() == 0
