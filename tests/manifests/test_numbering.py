"""Numbering: worked out by hand, and never changed once it was given."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from fakes import make_recipe
from hypothesis import given
from hypothesis import strategies as st

from manifests.errors import SchemaUnknown
from manifests.numbering import (
    Span,
    extend,
    n_taken,
    numbering_path,
    numbering_paths,
    numbers,
    read_numbering,
    settle_numbering,
)
from manifests.root import Root, claim_root
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


def _matted() -> MemoryFolder:
    """Return an output root in which something was matted."""
    out = MemoryFolder()
    claim_root(out, Root(make_recipe(), "/data", "stat"))
    return out


def test_frozen_numbers_are_written_once_and_appended_to() -> None:
    out = _matted()
    assert read_numbering(out, "031") is None
    settle_numbering(out, "031", {"b": 3})
    written = dict(out.files)
    assert settle_numbering(out, "031", {"b": 2}) == (Span("b", 0, 0, 3),)
    assert out.files == written
    settle_numbering(out, "031", {"a": 1, "b": 3})
    assert read_numbering(out, "031") == (Span("b", 0, 0, 3), Span("a", 0, 3, 1))
    assert json.loads(out.read(numbering_path("031", 1)))["spans"] == [["b", 0, 0, 3], ["a", 0, 3, 1]]
    assert out.files[numbering_path("031")] == written[numbering_path("031")]


def test_numbers_are_made_anew_until_something_was_matted() -> None:
    out = MemoryFolder()
    settle_numbering(out, "031", {"b": 3})
    assert settle_numbering(out, "031", {"a": 1, "b": 3}) == (Span("a", 0, 0, 1), Span("b", 0, 1, 3))
    assert settle_numbering(out, "031", {"c": 2}) == (Span("c", 0, 0, 2),) == read_numbering(out, "031")
    claim_root(out, Root(make_recipe(), "/data", "stat"))
    assert settle_numbering(out, "031", {"b": 3, "c": 2}) == (Span("c", 0, 0, 2), Span("b", 0, 2, 3))
    unmatted = MemoryFolder()
    settle_numbering(unmatted, "031", {"b": 3})
    kept = settle_numbering(unmatted, "031", {"a": 1}, may_change=False)
    assert kept == (Span("b", 0, 0, 3), Span("a", 0, 3, 1))


class Raced(MemoryFolder):
    """Another run does something between our look and our write."""

    def __init__(self, files: dict[str, bytes], meanwhile: Callable[[MemoryFolder], object]) -> None:
        super().__init__(files)
        self._meanwhile: Callable[[MemoryFolder], object] | None = meanwhile

    def put_if_absent(self, path: str, data: bytes) -> bool:
        if self._meanwhile is not None:
            meanwhile, self._meanwhile = self._meanwhile, None
            other = MemoryFolder(self.files)
            meanwhile(other)
            self.files.update(other.files)
        return super().put_if_absent(path, data)


@pytest.mark.parametrize("is_matted", [True, False])
def test_two_runs_that_extend_a_numbering_at_once_agree(is_matted: bool) -> None:
    before = _matted() if is_matted else MemoryFolder()
    if is_matted:
        settle_numbering(before, "031", {"k": 1})
    found = []
    out = Raced(before.files, lambda other: found.append(settle_numbering(other, "031", {"k": 1, "z": 4})))
    mine = settle_numbering(out, "031", {"a": 2, "k": 1})
    assert mine == (*found[0], Span("a", 0, 5, 2)) == read_numbering(out, "031")
    assert found[0] == (Span("k", 0, 0, 1), Span("z", 0, 1, 4))


def test_numbers_that_were_frozen_while_they_were_made_anew_stand() -> None:
    before = MemoryFolder()
    first = settle_numbering(before, "031", {"b": 3})
    out = Raced(before.files, lambda other: claim_root(other, Root(make_recipe(), "/data", "stat")))
    assert settle_numbering(out, "031", {"a": 1, "b": 3}) == (*first, Span("a", 0, 3, 1)) == read_numbering(out, "031")


def test_all_versions_of_a_subject_are_listed_the_last_first() -> None:
    names = ["031.numbering.json", "031.numbering.2.json", "031.numbering.10.json", "031.numbering.1.json"]
    others = ["0310.numbering.json", "031.numbering.1.numbering.json", "031.parquet", "031.numbering.x.json"]
    out = MemoryFolder(dict.fromkeys((f"_cleanplate/manifest/{name}" for name in (*names, *others)), b""))
    found = [path.rsplit("/", 1)[1] for path in numbering_paths(out, "031")]
    assert found == [names[2], names[1], names[3], names[0]]


@pytest.mark.parametrize("data", [b"", b"{}", b'{"spans": [["a", 0, 1]]}', b'{"spans": [[1, 0, 1, 2]]}', b"[]"])
def test_damaged_numbers_are_refused_and_not_given_anew(data: bytes) -> None:
    out = MemoryFolder({numbering_path("031"): data})
    with pytest.raises(SchemaUnknown, match=r"031\.numbering\.json.*restore"):
        settle_numbering(out, "031", {"a": 1})
    assert out.files[numbering_path("031")] == data
