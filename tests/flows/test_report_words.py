from __future__ import annotations

import pytest

from flows.report_words import explained, label, limits_of, value_text, why, why_camera
from manifests.measures import MEASURES, Limits, default_limits
from manifests.qc import CameraVerdict


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("plate_shift", 0.0213, "2.13 % of the width"),
        ("outside_hull", 0.0, "0 %"),
        ("outside_hull", 0.5, "50 %"),
        ("outside_hull", 0.00012345, "0.0123 %"),
        ("edge_width", 3.456, "3.46 px"),
        ("n_components", 12.0, "12"),
        ("area_jump", 12345.6, "12,300"),
        ("area_jump", -6.5, "-6.5"),
        ("coverage", None, "–"),
        ("coverage", float("nan"), "–"),
    ],
)
def test_values_are_said_with_their_unit(name: str, value: float | None, text: str) -> None:
    assert value_text(name, value).replace("\N{NO-BREAK SPACE}", " ") == text


def test_a_reason_names_measure_value_and_limit() -> None:
    assert why("plate_shift", 0.021, 0.01).replace("\xa0", " ") == (
        "plate shift 2.1 % of the width, above the limit of 1 %"
    )
    assert why("iou", 0.4, 0.6, " in frame 7").replace("\xa0", " ") == "IoU 40 % in frame 7, below the limit of 60 %"
    assert why("", None, None) == ""


def test_a_camera_names_its_worst_frame_or_that_it_is_the_median() -> None:
    said = CameraVerdict("031", "", "A", 8, 8, 0, 1, "fail", "outside_hull", 0.05, 0.02, (5, 4))
    assert "in frame 5" in why_camera(said)
    of_median = next(name for name, measure in MEASURES.items() if measure.judged_by == "median")
    said = CameraVerdict("031", "", "A", 8, 8, 0, 1, "fail", of_median, 2.0, 1.5, (5, 4))
    assert why_camera(said).startswith("median ") and "frame" not in why_camera(said)


def test_a_measure_of_a_later_version_is_named_as_it_is() -> None:
    said = CameraVerdict("031", "", "A", 8, 8, 0, 1, "fail", "sparkle", 2.0, 1.0)
    assert why_camera(said) == "sparkle"


def test_every_measure_is_explained() -> None:
    told = {one["name"]: one for one in explained(default_limits())}
    assert set(told) == set(MEASURES)
    assert all(one["words"] and one["said"] and one["heading"] for one in told.values())
    assert "fail above 2" in told["outside_hull"]["said"] and "below" in told["iou"]["said"]
    assert label("boundary_iou") == "boundary IoU"


def test_limits_are_those_that_a_subject_was_judged_by() -> None:
    default = Limits({"iou": (0.8, 0.6)})
    assert limits_of({"limits": {"iou": [0.5, None]}}, default).of == {"iou": (0.5, None)}
    assert limits_of({}, default) is default
