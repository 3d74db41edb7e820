"""The table of a training: rows go in and come out, new columns widen it, steps after a state are dropped."""

import pytest

from manifests.errors import UsageError
from matting_tasks.fit.curve import CURVE, Row, append_row, cut_curve, read_curve

ROWS = [
    Row(0, "base", {"validation/mad": 60.5}),
    Row(1, "base", {"seconds": 0.3, "loss/total": 0.1 + 0.2}),
    Row(2, "base", {"seconds": 0.6, "loss/total": 1e-9}),
    Row(2, "full, and long", {"loss/coarse_alpha": 4.0, "loss/total": 0.25}),
    Row(3, "full, and long", {"seconds": 1.2, "loss/total": 0.125}),
]


@pytest.fixture
def curve(tmp_path):
    path = tmp_path / CURVE
    for row in ROWS:
        append_row(path, row)
    return path


def test_rows_are_read_back_to_the_last_digit(curve):
    assert read_curve(curve) == ROWS


def test_a_new_column_comes_last_and_older_rows_leave_it_empty(curve):
    lines = curve.read_text().splitlines()
    assert lines[0] == "step,stage,validation/mad,seconds,loss/total,loss/coarse_alpha"
    assert lines[1] == "0,base,60.5,,,"
    assert lines[4] == '2,"full, and long",,,0.25,4.0'


def test_rows_after_the_step_are_dropped_and_the_curve_goes_on(curve):
    assert cut_curve(curve, 2) == ROWS[:4]
    assert read_curve(curve) == ROWS[:4]
    append_row(curve, ROWS[4])
    assert read_curve(curve) == ROWS


def test_none_drops_all(curve):
    assert cut_curve(curve, None) == []
    assert read_curve(curve) == []
    append_row(curve, ROWS[1])
    assert read_curve(curve) == [ROWS[1]]


@pytest.mark.parametrize("n_bytes", [1, 5, 20])
def test_a_row_cut_short_is_no_row(curve, n_bytes):
    curve.write_bytes(curve.read_bytes()[:-n_bytes])
    assert read_curve(curve) == ROWS[:4]
    assert cut_curve(curve, 3) == ROWS[:4]
    append_row(curve, ROWS[4])
    assert read_curve(curve) == ROWS


def test_a_file_with_a_header_cut_short_begins_anew(tmp_path):
    path = tmp_path / CURVE
    path.write_text("step,sta")
    assert cut_curve(path, 7) == []
    append_row(path, ROWS[1])
    assert read_curve(path) == [ROWS[1]]


@pytest.mark.parametrize(
    "text", ["step,stage,loss/total\n1,base\n", "step,stage,x\none,base,2\n", "a,b\nc,d\n", "\0\n1\n"]
)
def test_another_table_is_refused_and_left_as_it_is(tmp_path, text):
    path = tmp_path / CURVE
    path.write_text(text)
    with pytest.raises(UsageError, match="is not the curve of a training"):
        cut_curve(path, 3)
    assert path.read_text() == text
