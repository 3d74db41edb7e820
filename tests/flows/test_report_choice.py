from __future__ import annotations

from dataclasses import replace

import numpy as np
from qc_tables import judged, qc_frames

from flows.report_choice import LISTED_OF_A_CAMERA, chosen_rows, even_rows, listed_rows
from manifests.qc import QcFrames


def spoiled() -> tuple[QcFrames, object]:
    hull = np.zeros(100)
    hull[[40, 41, 42, 80]] = [0.5, 0.9, 0.4, 0.3]
    review = np.zeros(100)
    review[10] = 0.01
    values = {("", "B", "outside_hull"): hull, ("", "C", "outside_hull"): review}
    return judged(qc_frames(cameras=("A", "B", "C"), n_frames=100, values=values))


def named(frames: QcFrames, rows: list[int]) -> list[tuple[str, int]]:
    return [(frames.camera[row], int(frames.frame[row])) for row in rows]


def test_bad_cameras_come_first_with_frames_that_are_apart() -> None:
    frames, qc = spoiled()
    chosen = named(frames, chosen_rows(qc, frames, 24))
    assert chosen[:2] == [("B", 41), ("C", 10)] and chosen[2][0] == "A"
    of_b = [frame for camera, frame in chosen if camera == "B"]
    assert len(of_b) == 3 and 80 in of_b and 40 not in of_b and 42 not in of_b
    assert [camera for camera, _ in chosen].count("A") == 1


def test_no_more_are_chosen_than_asked_for() -> None:
    frames, qc = spoiled()
    assert named(frames, chosen_rows(qc, frames, 1)) == [("B", 41)]
    assert chosen_rows(qc, frames, 0) == []


def test_a_camera_of_which_nothing_is_known_shows_its_middle() -> None:
    frames = qc_frames(cameras=("A",), n_frames=9)
    frames, qc = judged(QcFrames(**{name: getattr(frames, name) for name in QcFrames.__slots__} | {"measures": {}}))
    assert named(frames, chosen_rows(qc, frames, 5)) == [("A", 4)]


def test_the_table_lists_flagged_frames_worst_first_and_those_without_a_matte() -> None:
    frames, qc = spoiled()
    frames.status[7] = "undecodable"
    listed = named(frames, listed_rows(qc, frames, ""))
    assert listed[:4] == [("B", 41), ("B", 40), ("B", 42), ("B", 80)]
    assert ("C", 10) in listed and ("A", 7) in listed and len(listed) == 6


def test_the_table_of_a_camera_is_cut() -> None:
    frames, qc = judged(qc_frames(n_frames=50, values={("", "A", "outside_hull"): [0.9] * 50}))
    assert len(listed_rows(qc, frames, "")) == LISTED_OF_A_CAMERA


def test_even_rows_spread_over_frames_that_have_a_mask() -> None:
    frames = qc_frames(cameras=("A", "B"), n_frames=10)
    frames.mask_path[0] = ""
    assert named(frames, even_rows(frames, 3)) == [("A", 1), ("A", 5), ("A", 9), ("B", 0), ("B", 4), ("B", 9)]


def test_a_camera_that_lacks_mattes_shows_a_frame_without_one() -> None:
    frames = qc_frames(cameras=("A",), n_frames=20)
    frames.status[13] = "undecodable"
    frames, qc = judged(frames)
    said = replace(qc.verdicts[0], verdict="fail", measure="not_ok")
    assert named(frames, chosen_rows(replace(qc, verdicts=[said]), frames, 1)) == [("A", 13)]
