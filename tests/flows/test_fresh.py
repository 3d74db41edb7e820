from __future__ import annotations

from roots import list_subject, make_root

from flows.fresh import judge_stale
from manifests.qc import cameras_path, read_subject_qc
from manifests.storage_memory import MemoryFolder


def test_subjects_with_receipts_are_judged_once() -> None:
    out = make_root(MemoryFolder(), ("031", "036"))
    list_subject(out, "037", ("A",), range(4))
    told: list[tuple[str, int, int]] = []
    assert judge_stale(out, ("031", "036", "037"), {}, lambda *said: told.append(said)) == []
    assert read_subject_qc(out, "031") is not None and read_subject_qc(out, "037") is None
    assert told[-1] == ("Judging", 3, 3)
    before = dict(out.files)
    judge_stale(out, ("037",), {})
    assert out.files == before


def test_a_damaged_table_is_made_again() -> None:
    out = make_root(MemoryFolder(), ("031",))
    judge_stale(out, ("031",), {})
    whole = out.read(cameras_path("031"))
    out.write_atomic(cameras_path("031"), b"PAR1")
    judge_stale(out, ("031",), {})
    assert out.read(cameras_path("031")) == whole


def test_damaged_receipts_are_named_and_do_not_stop_the_others() -> None:
    out = make_root(MemoryFolder(), ("031", "036"), joined=False)
    path = next(stat.path for stat in out.list("_cleanplate/ledger/031"))
    out.write_atomic(path, b"PAR1")
    (trouble,) = judge_stale(out, ("031", "036"), {})
    assert trouble.startswith("Subject 031 cannot be judged") and read_subject_qc(out, "036") is not None


def test_a_root_without_books_has_nothing_to_judge() -> None:
    assert judge_stale(MemoryFolder(), ("031",), {}) == []
