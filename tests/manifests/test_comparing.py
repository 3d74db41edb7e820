from __future__ import annotations

from flagged_tables import write_tables

from manifests.comparing import Compared, compare
from manifests.decisions import Selection
from manifests.flagged import find_flagged, write_before
from manifests.storage_memory import MemoryFolder


def redone(after: list[float] | None, decision: int = 1) -> list[Compared]:
    """Flag three of five frames of a camera, keep their numbers for decision 1, and judge them anew."""
    out = MemoryFolder()
    write_tables(out, "031", {"a": [0.0, 0.7, 0.8, 0.9, 0.0], "b": [0.0, 0.0]})
    write_before(out, 1, find_flagged(out, Selection(), "fail"), {})
    if after is not None:
        write_tables(out, "031", {"a": after, "b": [0.0, 0.0]}, decision=decision)
    return list(compare(out, 1))


def test_numbers_of_the_flagged_frames_stand_beside_those_of_now() -> None:
    # before 0.7, 0.8, 0.9; now 0.1, 0.2, 0.3, of which the last is above the 0.25 of review
    (row,) = redone([0.0, 0.1, 0.2, 0.3, 0.99])
    assert row == Compared("031", "", "a", "border_top", 3, 3, 1, 0.8, 0.2, 0.9, 0.3)


def test_frames_that_were_not_judged_since_are_not_taken_for_the_new_ones() -> None:
    (row,) = redone(None)
    assert (row.n_frames, row.n_after, row.median_before, row.median_after, row.worst_after) == (3, 0, 0.8, None, None)


def test_a_later_decision_counts_as_since() -> None:
    (row,) = redone([0.0, 0.1, 0.2, 0.3, 0.0], decision=4)
    assert row.n_after == 3


def test_where_low_is_bad_the_lowest_is_the_worst() -> None:
    out = MemoryFolder()
    write_tables(out, "031", {"a": [0, 0]}, {"a": [0.5, 0.7]})
    write_before(out, 2, find_flagged(out, Selection(), "fail"), {})
    write_tables(out, "031", {"a": [0, 0]}, {"a": [1.0, 0.95]}, decision=2)
    (row,) = compare(out, 2)
    assert (row.measure, row.worst_before, row.worst_after, row.n_flagged) == ("largest_component", 0.5, 0.95, 1)


def test_nothing_is_compared_where_nothing_was_kept() -> None:
    assert list(compare(MemoryFolder(), 7)) == []
