"""Numbering: worked out by hand, and never changed once it was given."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.errors import SchemaUnknown
from manifests.numbering import (
    Span,
    extend,
    freeze_numbering,
    n_taken,
    numbering_path,
    numbers,
    read_numbering,
)
from manifests.storage_memory import MemoryFolder


@pytest.mark.parametrize(("n_source", "taken"), [(0, 0), (1, 1), (3, 1), (4, 2), (427, 143), (432, 144), (433, 145)])
def test_every_third_frame_is_taken_from_the_first_on(n_source: int, taken: int) -> None:
    assert n_taken(n_source) == taken == len(range(0, n_source, 3))


def test_sequences_follow_each_other_in_sorted_order() -> None:
    spans = extend((), {"EXP-2": 5, "EMO-1+2": 3, "SEN": 1})
    assert spans == (Span("EMO-1+2", 0, 0, 3), Span("EXP-2", 0, 3, 5), Span("SEN", 0, 8, 1))
    assert numbers(spans, "EXP-2", np.arange(5)).tolist() == [3, 4, 5, 6, 7]


def test_later_sequences_and_longer_ones_go_behind() -> None:
    first = extend((), {"b": 3, "d": 2})
    grown = extend(first, {"a": 2, "b": 4, "d": 1})
    assert grown == (*first, Span("a", 0, 5, 2), Span("b", 3, 7, 1))
    assert numbers(grown, "b", np.arange(4)).tolist() == [0, 1, 2, 7]
    assert extend(grown, {"b": 4}) == grown


LENGTHS = st.dictionaries(st.text("abc+", min_size=1, max_size=3), st.integers(1, 9), max_size=5)


@given(st.lists(LENGTHS, min_size=1, max_size=5))
def test_no_number_is_given_twice_or_changed_when_a_subject_grows(listings: list[dict[str, int]]) -> None:
    spans: tuple[Span, ...] = ()
    given_before: dict[tuple[str, int], int] = {}
    for lengths in listings:
        spans = extend(spans, lengths)
        for sequence, length in lengths.items():
            found = numbers(spans, sequence, np.arange(length)).tolist()
            assert found == sorted(found) and min(found) >= 0
            for taken, number in enumerate(found):
                assert given_before.setdefault((sequence, taken), number) == number
    assert len(set(given_before.values())) == len(given_before)


def test_frozen_numbers_are_written_once_and_appended_to() -> None:
    out = MemoryFolder()
    assert read_numbering(out, "031") is None
    freeze_numbering(out, "031", {"b": 3})
    written = out.files[numbering_path("031")]
    assert freeze_numbering(out, "031", {"b": 2}) == (Span("b", 0, 0, 3),)
    assert out.files[numbering_path("031")] is written
    freeze_numbering(out, "031", {"a": 1, "b": 3})
    assert read_numbering(out, "031") == (Span("b", 0, 0, 3), Span("a", 0, 3, 1))
    assert json.loads(out.read(numbering_path("031")))["spans"] == [["b", 0, 0, 3], ["a", 0, 3, 1]]


def test_the_first_of_two_runs_at_once_decides() -> None:
    class Late(MemoryFolder):
        """Another run writes between our look and our claim."""

        def put_if_absent(self, path: str, data: bytes) -> bool:
            freeze_numbering(other, "031", {"z": 4})
            self.files.update(other.files)
            return super().put_if_absent(path, data)

    out, other = Late(), MemoryFolder()
    spans = freeze_numbering(out, "031", {"a": 2, "z": 4})
    assert spans == (Span("z", 0, 0, 4), Span("a", 0, 4, 2)) == read_numbering(out, "031")


@pytest.mark.parametrize("data", [b"", b"{}", b'{"spans": [["a", 0, 1]]}', b'{"spans": [[1, 0, 1, 2]]}', b"[]"])
def test_damaged_numbers_are_refused_and_not_given_anew(data: bytes) -> None:
    out = MemoryFolder({numbering_path("031"): data})
    with pytest.raises(SchemaUnknown, match=r"031\.numbering\.json.*restore"):
        freeze_numbering(out, "031", {"a": 1})
    assert out.files[numbering_path("031")] == data
