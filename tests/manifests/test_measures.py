from __future__ import annotations

import math
from pathlib import Path

import pytest

from manifests.errors import UsageError
from manifests.measures import MEASURES, Limits, change_limits, default_limits, verdict_of

LIMITS = Limits({"holes": (0.01, 0.05), "iou": (0.5, 0.2), "frame_set": (0.0, None), "seam": (None, None)})


@pytest.mark.parametrize(
    ("name", "value", "verdict"),
    [
        ("holes", 0.01, "pass"),
        ("holes", 0.011, "review"),
        ("holes", 0.051, "fail"),
        ("iou", 0.5, "pass"),
        ("iou", 0.3, "review"),
        ("iou", 0.1, "fail"),
        ("frame_set", 0, "pass"),
        ("frame_set", 9, "review"),
        ("seam", 99, "pass"),
        ("holes", math.nan, "pass"),
        ("soft_fraction", 5, "pass"),
    ],
)
def test_a_value_is_judged_by_the_limit_that_it_passes(name: str, value: float, verdict: str) -> None:
    assert verdict_of(name, value, LIMITS) == verdict


def test_limits_lie_in_the_order_of_what_is_bad() -> None:
    for name, (review, fail) in default_limits().of.items():
        if review is not None and fail is not None:
            assert (review < fail) == (MEASURES[name].bad == "high"), name


def test_every_limit_of_the_table_has_a_source() -> None:
    judged = [MEASURES[name] for name, pair in default_limits().of.items() if pair != (None, None)]
    assert judged
    assert [measure.name for measure in judged if not measure.source] == []


def test_only_what_is_said_changes() -> None:
    changed = change_limits(LIMITS, {"holes": {"review": 0.02}, "iou": {"fail": False}, "seam": {"review": 2}})
    assert changed.of == {"holes": (0.02, 0.05), "iou": (0.5, None), "frame_set": (0.0, None), "seam": (2.0, None)}


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ({"hols": {"review": 1}}, "hols.*holes"),
        ({"holes": 0.5}, "holes"),
        ({"holes": {"warn": 0.5}}, "warn"),
        ({"holes": {"review": "much"}}, "much"),
        ({"holes": {"review": True}}, "True"),
        ({"soft_fraction": {"review": 0.1}}, "soft_fraction"),
    ],
)
def test_a_limit_that_cannot_be_is_named(said: dict[str, object], names: str) -> None:
    with pytest.raises(UsageError, match=names):
        change_limits(LIMITS, said)


def test_limits_go_through_json() -> None:
    assert LIMITS.to_record()["frame_set"] == [0.0, None]


def test_the_table_in_the_documents_is_this_one() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "qc.md").read_text()
    for measure in MEASURES.values():
        limits = " | ".join("" if limit is None else f"{limit:g}" for limit in (measure.review, measure.fail))
        line = next(line for line in text.splitlines() if line.startswith(f"| `{measure.name}` | {measure.words} |"))
        assert line.endswith(f"| {limits} | {measure.source} |"), line
