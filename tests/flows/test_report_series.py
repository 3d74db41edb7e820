from __future__ import annotations

import json

import numpy as np
from qc_tables import judged, qc_frames

from flows.report_series import MOST_POINTS, MOST_SPANS, sequences_of, series_of, series_script
from manifests.qc import QcFrames
from manifests.verdicts import streams


def parsed(script: bytes) -> dict[str, object]:
    text = script.decode()
    return json.loads(text[text.index("= {", text.index("[")) + 2 :].rstrip().rstrip(";"))


def rows_of(frames: QcFrames) -> np.ndarray:
    return streams(frames)["", "A"]


def test_a_short_series_is_told_frame_by_frame() -> None:
    values = [0.001, 0.1, np.nan, 0.002, 0.1234567, 0, 0, 0]
    frames, _ = judged(qc_frames(values={("", "A", "outside_hull"): values}, step=3))
    told = series_of(frames, rows_of(frames))
    assert told["frames"] == {"first": 0, "step": 3, "count": 8} and told["last"] == 21
    np.testing.assert_array_equal(told["measures"]["outside_hull"], [0.001, 0.1, np.nan, 0.002, 0.123, 0, 0, 0])
    assert told["spans"] == [[3, 3, "fail", "outside_hull"], [12, 12, "fail", "outside_hull"]]


def test_uneven_frame_numbers_are_listed_and_unknown_measures_left_out() -> None:
    frames, _ = judged(qc_frames(values={("", "A", "iou"): [np.nan] * 8}))
    frames.frame[:8] = [0, 1, 2, 5, 6, 7, 8, 9]
    told = series_of(frames, rows_of(frames))
    assert told["frames"] == [0, 1, 2, 5, 6, 7, 8, 9] and "iou" not in told["measures"]


def test_a_measure_that_never_changes_is_one_number() -> None:
    frames, _ = judged(qc_frames(values={("", "A", "iou"): [1.0] * 8}))
    assert series_of(frames, rows_of(frames))["measures"]["iou"] == 1.0


def test_a_long_series_keeps_its_single_bad_frame() -> None:
    values = np.full(5000, 0.001)
    values[3217] = 0.9
    frames, _ = judged(qc_frames(n_frames=5000, values={("", "A", "outside_hull"): values}))
    told = series_of(frames, rows_of(frames))["measures"]["outside_hull"]
    assert len(told["lo"]) == len(told["hi"]) == MOST_POINTS // 2
    assert max(told["hi"]) == 0.9 and min(told["lo"]) == 0.001


def test_frames_without_a_matte_are_spans_of_their_own() -> None:
    frames, _ = judged(qc_frames())
    frames.status[2:4] = "undecodable"
    assert series_of(frames, rows_of(frames))["spans"] == [[2, 3, "not ok", "undecodable"]]


def test_of_too_many_spans_the_worst_stay() -> None:
    values = np.tile([0.001, 0.01], MOST_SPANS + 50)
    values[101] = 0.9
    frames, _ = judged(qc_frames(n_frames=len(values), values={("", "A", "outside_hull"): values}))
    spans = series_of(frames, rows_of(frames))["spans"]
    assert len(spans) == MOST_SPANS and [101, 101, "fail", "outside_hull"] in spans and spans == sorted(spans)


def test_the_script_assigns_each_sequence_its_cameras_and_numbers() -> None:
    frames, qc = judged(qc_frames(sequences=("EMO-1-shout+laugh", "FREE </script>")))
    assert sequences_of(frames) == ["EMO-1-shout+laugh", "FREE </script>"]
    script = series_script(frames, "EMO-1-shout+laugh", 0, qc.cameras)
    told = parsed(script)
    assert told["sequence"] == "EMO-1-shout+laugh" and set(told["cameras"]) == {"A", "B"}
    assert [row[0] for row in told["cameras"]["A"]["numbers"]] == ["coverage", "iou", "outside_hull"]
