"""The picture of a training: what is told is drawn, at any point of the training."""

import cv2
import numpy as np
import pytest

from matting_tasks.fit.curve import CURVE, Row, append_row
from matting_tasks.fit.draw_curves import draw_curves, smooth


def training(folder, n_steps=40):
    folder.mkdir()
    append_row(folder / CURVE, Row(0, "base", {"validation/mad": 60.0, "validation/unknown_mad": 200.0}))
    for step in range(1, n_steps + 1):
        stage, loss = ("base", 1 / step) if step <= n_steps // 2 else ("refine", 2 / step)
        numbers = {"learning_rate": 1e-3, "loss/total": loss, f"loss/{'coarse_' * (stage == 'refine')}alpha": loss / 2}
        append_row(folder / CURVE, Row(step, stage, numbers))
    append_row(folder / CURVE, Row(n_steps, "refine", {"validation/mad": 6.0, "validation/conn": 1.0}))
    return folder


def drawn(folder):
    pixels = cv2.imread(str(draw_curves(folder)))
    assert pixels is not None
    return pixels


def test_the_picture_lies_in_the_folder_and_no_half_one_beside_it(tmp_path):
    folder = training(tmp_path / "run")
    assert draw_curves(folder) == folder / "curves.png"
    assert sorted(path.name for path in folder.iterdir()) == ["curve.csv", "curves.png"]
    assert min(drawn(folder).shape[:2]) > 600


@pytest.mark.parametrize(
    ("row", "panel"),
    [
        (Row(40, "refine", {"loss/total": 0.9}), (0.0, 0.42)),
        (Row(40, "refine", {"learning_rate": 5e-4}), (0.45, 0.63)),
        (Row(40, "refine", {"validation/mad": 150.0}), (0.66, 1.0)),
    ],
)
def test_each_number_is_drawn_in_its_panel(tmp_path, row, panel):
    before = drawn(training(tmp_path / "run"))
    append_row(tmp_path / "run" / CURVE, row)
    after = drawn(tmp_path / "run")
    rows = np.flatnonzero((before != after).any(axis=(1, 2))) / len(after)
    assert len(rows)
    assert panel[0] < rows.min() <= rows.max() < panel[1]


@pytest.mark.parametrize("n_rows", [0, 1, 2])
def test_the_first_steps_are_drawn_too(tmp_path, n_rows):
    for step in range(n_rows):
        append_row(tmp_path / CURVE, Row(step, "base", {"loss/total": 0.5, "learning_rate": 1e-3}))
    assert drawn(tmp_path).std() > 0


def test_losses_that_a_logarithm_cannot_show_are_left_out(tmp_path):
    for step, loss in enumerate([0.5, 0.0, float("nan"), float("inf"), 0.25]):
        append_row(tmp_path / CURVE, Row(step, "base", {"loss/total": loss}))
    assert drawn(tmp_path).std() > 0


def test_the_total_of_a_segmentation_pass_is_not_drawn_among_the_others(tmp_path):
    folder = training(tmp_path / "run")
    append_row(folder / CURVE, Row(40, "refine", {"loss/segmentation": 0.2, "loss/total": 0.2}))
    before = drawn(folder)
    append_row(folder / CURVE, Row(40, "refine", {"loss/segmentation": 0.2, "loss/total": 0.9}))
    np.testing.assert_array_equal(drawn(folder), before)


def test_smoothing_keeps_a_constant_and_follows_a_step():
    assert smooth([3.0] * 5, 10) == pytest.approx([3.0] * 5)
    assert smooth([1.0, 5.0, 2.0], 1) == [1.0, 5.0, 2.0]
    after = smooth([0.0] * 50 + [1.0] * 50, 10)
    assert after[49] == 0
    assert after[52] < 0.6
    assert after[-1] == pytest.approx(1, abs=1e-3)
