"""What a training told is on disk at once, and a resumed one reads as if it had never ended."""

import signal
import subprocess
import sys

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from matting_tasks.fit.board import EVENTS, Board
from matting_tasks.fit.curve import CURVE, read_curve

DIES = """
import os, signal, sys
from pathlib import Path
from matting_tasks.fit.board import Board

board = Board(Path(sys.argv[1]))
for step in range(1, 8):
    board.losses("base", step, {"total": 1 / step}, 1e-3, 0.5 * step)
os.kill(os.getpid(), signal.SIGKILL)
"""


def tell(board, first, last, loss=lambda step: 1 / step):
    for step in range(first, last + 1):
        board.losses("base", step, {"total": loss(step), "alpha": loss(step) / 2}, 1e-3 / step, 0.5 * step)
        if step % 4 == 0:
            board.scores("base", step, {"mad": 100 / step, "dtssd": None})


def scalars(folder):
    """Return what TensorBoard shows: for each name its steps and values."""
    events = EventAccumulator(str(folder / EVENTS), size_guidance={"scalars": 0})
    events.Reload()
    return {name: [(one.step, one.value) for one in events.Scalars(name)] for name in events.Tags()["scalars"]}


def test_the_table_and_tensorboard_hold_the_same(tmp_path):
    with Board(tmp_path / "deep" / "run") as board:
        tell(board, 1, 8)
    rows, shown = read_curve(tmp_path / "deep" / "run" / CURVE), scalars(tmp_path / "deep" / "run")
    assert len(rows) == 10
    assert set(shown) == {"loss/total", "loss/alpha", "learning_rate", "seconds", "validation/mad"}
    for name, points in shown.items():
        expected = [(row.step, np.float32(row.numbers[name])) for row in rows if name in row.numbers]
        assert points == expected


def test_a_resumed_training_reads_as_one_that_never_ended(tmp_path):
    with Board(tmp_path / "whole") as board:
        tell(board, 1, 12)
    with Board(tmp_path / "resumed") as board:
        tell(board, 1, 9, loss=lambda step: 1 / step if step <= 6 else 77.0)
    with Board(tmp_path / "resumed", after_step=6) as board:
        tell(board, 7, 12)
    assert (tmp_path / "resumed" / CURVE).read_text() == (tmp_path / "whole" / CURVE).read_text()
    assert scalars(tmp_path / "resumed") == scalars(tmp_path / "whole")


def test_all_told_is_there_after_a_kill(tmp_path):
    died = subprocess.run([sys.executable, "-c", DIES, str(tmp_path)], timeout=120)
    assert died.returncode == -signal.SIGKILL
    assert [row.step for row in read_curve(tmp_path / CURVE)] == list(range(1, 8))
    assert [step for step, _ in scalars(tmp_path)["loss/total"]] == list(range(1, 8))


def test_an_event_file_and_a_table_cut_short_do_not_stop_the_next_run(tmp_path):
    with Board(tmp_path) as board:
        tell(board, 1, 6)
    (events,) = (tmp_path / EVENTS).iterdir()
    for path in (events, tmp_path / CURVE):
        path.write_bytes(path.read_bytes()[:-7])
    with Board(tmp_path, after_step=3) as board:
        tell(board, 4, 6)
    assert [row.step for row in read_curve(tmp_path / CURVE)] == [1, 2, 3, 4, 4, 5, 6]
    assert [step for step, _ in scalars(tmp_path)["loss/total"]] == [1, 2, 3, 4, 5, 6]


def test_a_new_training_in_the_folder_of_an_old_one_shows_nothing_of_it(tmp_path):
    with Board(tmp_path) as board:
        board.scores("base", 0, {"mad": 999.0})
        tell(board, 1, 8, loss=lambda step: 77.0)
    with Board(tmp_path) as board:
        board.scores("base", 0, {"mad": 60.0})
        tell(board, 1, 2)
    assert [(row.step, row.numbers.get("validation/mad")) for row in read_curve(tmp_path / CURVE)][:2] == [
        (0, 60.0),
        (1, None),
    ]
    shown = scalars(tmp_path)
    assert shown["loss/total"] == [(1, 1.0), (2, 0.5)]
    assert shown["validation/mad"] == [(0, 60.0)]


def test_a_validation_told_again_after_resuming_stands_once(tmp_path):
    with Board(tmp_path) as board:
        tell(board, 1, 4)
        board.scores("refine", 4, {"mad": 20.0})
    with Board(tmp_path, after_step=4) as board:
        board.scores("refine", 4, {"mad": 20.0})
    scored = [row for row in read_curve(tmp_path / CURVE) if "validation/mad" in row.numbers]
    assert [(row.stage, row.numbers["validation/mad"]) for row in scored] == [("base", 25.0), ("refine", 20.0)]
    assert scalars(tmp_path)["validation/mad"] == [(4, 25.0), (4, 20.0)]


@pytest.mark.parametrize("after_step", [3, None])
def test_pictures_are_shown_until_their_step_is_dropped(tmp_path, after_step):
    picture = np.full((6, 9, 3), (250, 10, 20), np.uint8)
    with Board(tmp_path) as board:
        board.picture("held-out", 3, picture)
        board.picture("held-out", 5, picture)
    Board(tmp_path, after_step).close()
    events = EventAccumulator(str(tmp_path / EVENTS))
    events.Reload()
    shown = [(one.step, one.width, one.height) for one in events.Images("held-out")]
    assert shown == ([(3, 9, 6)] if after_step else [])
