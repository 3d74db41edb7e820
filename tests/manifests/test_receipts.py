"""Receipts without trust; what damage of each kind means is in test_verify."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from roots import decide, make_root, matte_pending

from manifests import tables
from manifests.decisions import Selection
from manifests.errors import SchemaNewer
from manifests.ledger import compact
from manifests.plan import read_plan
from manifests.receipts import doubles, read_all_receipts
from manifests.records import FileStat
from manifests.root import read_root
from manifests.storage_memory import MemoryFolder


@pytest.mark.parametrize("joined", [True, False])
def test_all_rows_are_read_with_their_files(joined: bool) -> None:
    receipts, damages = read_all_receipts(make_root(MemoryFolder(), joined=joined), "031")
    assert damages == [] and len(receipts) == 4
    row = min(row for receipt in receipts for row in receipt.rows)
    assert row.key == (0, "", "A", 0) and [file.path for file in row.files][0] == "031/images/0000/mask_A.jpg"
    assert all(receipt.is_compacted == joined for receipt in receipts)


def test_a_single_receipt_is_read_instead_of_a_joined_one() -> None:
    out = make_root(MemoryFolder(), joined=False)
    singles = {path: data for path, data in out.files.items() if "/ledger/" in path}  # type: ignore[attr-defined]
    matte_pending(out)
    for path, data in singles.items():
        out.write_atomic(path, data)
    receipts, damages = read_all_receipts(out, "031")
    assert damages == [] and [receipt.is_compacted for receipt in receipts] == [False] * 4
    assert list(doubles("031", receipts)) == []


def test_receipts_that_are_joined_while_they_are_read_are_read_all_the_same() -> None:
    class Compacting(MemoryFolder):
        """Joins the receipts when they have been listed once."""

        is_due = True

        def list(self, prefix: str = "") -> Iterator[FileStat]:
            found = list(super().list(prefix))
            if prefix.startswith("_cleanplate/ledger") and self.is_due:
                self.is_due = False
                root = read_root(self)
                assert root is not None
                plan = read_plan(self, "031", [root.decision], Selection(), 4)
                assert plan is not None and compact(self, "031", plan.planned)
            return iter(found)

    out = Compacting()
    out.is_due = False
    make_root(out, joined=False)
    out.is_due = True
    receipts, damages = read_all_receipts(out, "031")
    assert damages == [] and len(receipts) == 4


def test_a_receipt_of_a_newer_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    out = make_root(MemoryFolder())
    monkeypatch.setattr(tables, "SCHEMA_VERSION", 0)
    with pytest.raises(SchemaNewer):
        read_all_receipts(out, "031")


def test_receipts_of_two_decisions_are_no_doubles() -> None:
    out = make_root(MemoryFolder())
    decide(out, Selection())
    matte_pending(out)
    assert list(doubles("031", read_all_receipts(out, "031")[0])) == []
