from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from flagged_tables import write_tables

from manifests.decisions import Selection
from manifests.errors import UsageError
from manifests.flagged import Flagged, before_path, find_flagged, read_asked, read_before, take, write_before
from manifests.measures import FRAME_MEASURES, MEASURES
from manifests.qc import qc_path
from manifests.storage import LocalFolder
from manifests.storage_memory import MemoryFolder

EVERYTHING = Selection()


def made() -> MemoryFolder:
    """Subject 031: camera a has one bad and one doubtful frame, b has one of two parts; 032 is fine."""
    out = MemoryFolder()
    write_tables(out, "031", {"a": [0, 0.7, 0.3, 0], "b": [0, 0, 0, 0.5]}, {"b": [1, 1, 0.8, 0.5]})
    write_tables(out, "032", {"a": [0, 0]})
    return out


def keys(out: MemoryFolder, level: str, measure: str | None = None, selection: Selection = EVERYTHING) -> list[str]:
    found = find_flagged(out, selection, level, measure)  # type: ignore[arg-type]
    return [f"{row.subject}/{row.camera}/{row.frame}" for one in found for row in one.rows()]


def test_frames_that_fail_are_flagged_with_the_measure_that_decided() -> None:
    (one,) = find_flagged(made(), EVERYTHING, "fail")
    rows = list(one.rows())
    path = "031/images/0001/mask_a.jpg"
    assert rows[0] == Flagged("031", "", "a", 1, "fail", "border_top", 0.7, 0.6, path)
    assert [(row.camera, row.frame, row.measure, row.value, row.limit) for row in rows[1:]] == [
        ("b", 2, "largest_component", 0.8, 0.9),
        ("b", 3, "largest_component", 0.5, 0.9),
    ]
    assert one.triples() == [("", "a", 1), ("", "b", 2), ("", "b", 3)]


def test_review_means_review_or_worse_each_by_its_own_limit() -> None:
    (one,) = find_flagged(made(), EVERYTHING, "review")
    limits = {(row.frame, row.verdict): row.limit for row in one.rows() if row.camera == "a"}
    assert limits == {(1, "fail"): 0.6, (2, "review"): 0.25}


def test_one_measure_judges_by_itself() -> None:
    # frame 3 of b fails by its parts, and is doubtful by its border: asked for that measure, it is a review
    assert keys(made(), "fail", "border_top") == ["031/a/1"]
    assert keys(made(), "review", "border_top") == ["031/a/1", "031/a/2", "031/b/3"]


def test_a_selection_restricts() -> None:
    assert keys(made(), "fail", selection=Selection(cameras=("b",), frames="3:")) == ["031/b/3"]
    assert keys(made(), "fail", selection=Selection(subjects=("032",))) == []


def test_frames_of_subjects_without_bad_verdicts_are_not_read() -> None:
    out = made()
    del out.files[qc_path("032")]
    assert len(keys(out, "review")) == 4


def test_what_cannot_be_asked_is_a_usage_error() -> None:
    unjudged = next(name for name in FRAME_MEASURES if MEASURES[name].bad is None)
    for asked in ({"measure": "nothing"}, {"measure": unjudged}, {"measure": "frame_set"}):
        with pytest.raises(UsageError, match="measure"):
            keys(made(), "fail", **asked)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="099"):
        keys(made(), "fail", selection=Selection(subjects=("031", "099")))
    with pytest.raises(UsageError, match="no QC tables"):
        keys(MemoryFolder(), "fail")


def test_rows_are_kept_as_they_were_before_a_decision(tmp_path: Path) -> None:
    out = LocalFolder(tmp_path)
    frames = write_tables(out, "031", {"a": [0, 0.7, 0.3, 0]})
    found = list(find_flagged(out, EVERYTHING, "fail"))
    write_before(out, 3, found, {"flagged": "fail"})
    write_tables(out, "031", {"a": [0, 0, 0, 0]}, decision=3)
    (before,) = read_before(out, 3)
    assert before.frame.tolist() == [1] and before.measures["border_top"].tolist() == [0.7]
    assert before.mask_path[0] == frames.mask_path[1]
    assert (tmp_path / before_path(3, "031")).is_file()
    assert read_asked(out, 3) == {"flagged": "fail"}
    assert read_asked(out, 2) is None and list(read_before(out, 2)) == []


def test_rows_are_taken_from_all_columns() -> None:
    frames = write_tables(MemoryFolder(), "031", {"a": [0, 0.7, 0.3, 0]})
    taken = take(frames, np.array([False, True, False, True]))
    assert (taken.subject, taken.frame.tolist(), taken.source_frame.tolist()) == ("031", [1, 3], [3, 9])
    assert taken.measures["border_top"].tolist() == [0.7, 0]
