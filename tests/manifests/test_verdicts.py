from __future__ import annotations

import numpy as np

from manifests.measures import Limits
from manifests.qc import CameraMeasure, CameraVerdict, QcFrames
from manifests.verdicts import SetValues, judge_cameras, judge_frames, measure_cameras, streams

LIMITS = Limits(
    {"holes": (0.01, 0.05), "iou": (0.5, 0.2), "seam": (1.5, None), "frame_set": (0.0, None), "not_ok": (0.0, 0.5)}
)


def frames_of(*cameras: str, **measures: list[float]) -> QcFrames:
    """Return frames 0, 1, ... of each camera; measures hold one list of all values."""
    n_frames = len(next(iter(measures.values()))) // len(cameras)
    n = n_frames * len(cameras)
    texts = [np.full(n, text, dtype=object) for text in ("", "ok", "m", "", "", "pass", "")]
    number = np.tile(np.arange(n_frames, dtype=np.int32), len(cameras))
    named = np.repeat(np.array(cameras, dtype=object), n_frames)
    values = {name: np.array(of, dtype=np.float64) for name, of in measures.items()}
    return QcFrames("031", texts[0], named, number, number, np.zeros_like(number), *texts[1:], values)


def judge(frames: QcFrames, of_sets: SetValues | None = None) -> tuple[list[CameraMeasure], list[CameraVerdict]]:
    judged = judge_frames(frames, LIMITS)
    cameras = measure_cameras(judged, LIMITS, of_sets or {})
    return cameras, judge_cameras(judged, cameras, LIMITS)


def test_a_frame_has_the_worst_verdict_of_its_measures_and_the_measure_that_is_most_over() -> None:
    frames = frames_of("A", holes=[0, 0.02, 0.04, 0.06, np.nan], iou=[1, 0.4, 0.45, 0.45, np.nan])
    judged = judge_frames(frames, LIMITS)
    assert judged.verdict.tolist() == ["pass", "review", "review", "fail", "pass"]
    assert judged.measure.tolist() == ["", "holes", "holes", "holes", ""]


def test_a_measure_that_is_never_judged_flags_nothing() -> None:
    judged = judge_frames(frames_of("A", soft_fraction=[0, 1, 5]), LIMITS)
    assert judged.verdict.tolist() == ["pass"] * 3


def test_a_camera_is_judged_by_its_worst_frame_or_its_median_as_the_measure_says() -> None:
    frames = frames_of("A", "B", holes=[0, 0, 0.06, 0, 0, 0], seam=[1, 9, 1, 2, 2, 2])
    _, (a, b) = judge(frames)
    assert (a.camera, a.verdict, a.measure, a.value, a.limit) == ("A", "fail", "holes", 0.06, 0.05)
    assert a.worst_frames[0] == 2
    assert (b.camera, b.verdict, b.measure, b.value) == ("B", "review", "seam", 2.0)
    assert (a.n_frames, a.n_ok, a.n_review, a.n_fail) == (3, 3, 1, 1)


def test_where_low_is_bad_the_worst_is_the_lowest() -> None:
    cameras, (verdict,) = judge(frames_of("A", iou=[0.9, 0.1, 0.8, np.nan]))
    (measure,) = cameras
    assert (measure.worst, measure.n_frames, measure.worst_frames) == (0.1, 3, (1, 2, 0))
    assert measure.p95 is not None and measure.p95 < measure.median < 0.9  # type: ignore[operator]
    assert (verdict.verdict, verdict.limit) == ("fail", 0.2)


def test_measures_of_all_frames_together_count_for_the_camera() -> None:
    frames = frames_of("A", "B", holes=[0, 0, 0, 0])
    cameras, (a, b) = judge(frames, {("", "A"): {"frame_set": 2.0}, ("", "B"): {"frame_set": 0.0}})
    assert (a.verdict, a.measure, a.value) == ("review", "frame_set", 2.0)
    assert (b.verdict, b.measure, b.value, b.worst_frames) == ("pass", "", None, ())
    assert {one.measure for one in cameras if one.camera == "A"} == {"holes", "frame_set"}


def test_what_is_past_a_limit_of_zero_does_not_drown_what_is_far_past_another() -> None:
    frames = frames_of("A", holes=[0.04, 0])
    _, (verdict,) = judge(frames, {("", "A"): {"not_ok": 0.001}})
    assert verdict.verdict == "review"
    frames = frames_of("A", holes=[0.06, 0])
    _, (verdict,) = judge(frames, {("", "A"): {"not_ok": 0.001}})
    assert (verdict.verdict, verdict.measure) == ("fail", "holes")


def test_a_pass_names_the_limit_that_comes_next() -> None:
    (measure,), _ = judge(frames_of("A", holes=[0, 0.005]))
    assert (measure.verdict, measure.value, measure.limit) == ("pass", 0.005, 0.01)


def test_streams_are_told_apart_by_sequence_and_camera() -> None:
    frames = frames_of("A", "B", holes=[0, 0, 0, 0])
    found = streams(frames)
    assert {stream: rows.tolist() for stream, rows in found.items()} == {("", "A"): [0, 1], ("", "B"): [2, 3]}


def test_no_frames_have_no_verdicts() -> None:
    assert judge(frames_of("A", holes=[])) == ([], [])
