"""Garbage: only what is old, ours and of no use goes; never a foreign, a fresh or a standing file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from roots import RECIPE, all_files, decide, list_subject, make_root, masks_of, matte_pending

from manifests.decisions import Selection
from manifests.garbage import Garbage, collect_garbage, is_old
from manifests.ledger import read_receipts
from manifests.records import FileStat
from manifests.storage import Folder, LocalFolder, open_folder
from manifests.storage_memory import MemoryFolder
from manifests.verify import verify

LATER = 10**30
PNG = replace(RECIPE, mask_format="png")


class Dated(MemoryFolder):
    """A folder that remembers when a file was written, by a clock that a test sets."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1
        self.written: dict[str, int] = {}

    def write_atomic(self, path: str, data: bytes) -> None:
        super().write_atomic(path, data)
        self.written[path] = self.now

    def list(self, prefix: str = "") -> Iterator[FileStat]:
        return (replace(stat, mtime_ns=self.written.get(stat.path, 1)) for stat in super().list(prefix))


def replaced_by_png(out: Folder) -> Folder:
    """Matte a root, then all of camera A again as PNG: its JPEGs and receipts are of no use."""
    make_root(out)
    decide(out, Selection(cameras=("A",)), PNG, "replace")
    matte_pending(out)
    return out


def test_a_healthy_root_has_no_garbage() -> None:
    out = make_root(MemoryFolder(), ("031", "032"))
    before = all_files(out)
    assert collect_garbage(out, LATER, delete=True) == Garbage()
    assert all_files(out) == before


def test_masks_and_receipts_of_a_replaced_recipe_go_and_only_when_asked() -> None:
    out = replaced_by_png(MemoryFolder())
    before = all_files(out)
    shown = collect_garbage(out, LATER)
    assert len(shown.masks) == 16 and len(shown.receipts) == 2 and shown.n_bytes > 0
    assert all(stat.path.endswith("_A.jpg") for stat in shown.masks)
    assert all_files(out) == before
    assert collect_garbage(out, LATER, delete=True) == shown
    assert {stat.path for stat in shown.masks} == before.keys() - all_files(out).keys() - set(ledger(before))
    assert {row.decision for row in read_receipts(out, "031") if row.camera == "A"} == {1}
    found = verify(out, deep=True)
    assert not (found.damages or found.orphans or found.n_stale or found.n_pending)
    assert collect_garbage(out, LATER, delete=True) == Garbage()


def ledger(files: dict[str, bytes]) -> list[str]:
    return [path for path in files if path.startswith("_cleanplate/ledger/")]


def test_what_is_young_stays_and_so_do_the_masks_of_its_receipts() -> None:
    out = Dated()
    make_root(out, joined=False)
    decide(out, Selection(cameras=("A",)), PNG, "replace")
    out.now = 5
    matte_pending(out, joined=False)
    assert collect_garbage(out, 1, delete=True).n_young == 18
    receipts = [path for path in out.files if "_A_0-3_" in path]
    out.written |= dict.fromkeys(receipts, 5)  # as if that receipt had been written late
    found = collect_garbage(out, 2, delete=True)
    assert len(found.receipts) == 1 and len(found.masks) == 8
    kept = {file for row in read_receipts(out, "031") for file in (row.mask_path, row.lowres_path)}
    assert kept <= set(out.files)


def test_masks_that_the_next_run_writes_over_stay() -> None:
    out = make_root(MemoryFolder())
    decide(out, Selection(), reason="replace")
    before = all_files(out)
    found = collect_garbage(out, LATER, delete=True)
    assert len(found.receipts) == 4 and found.masks == ()
    assert masks_of(out) == {path: data for path, data in before.items() if not path.startswith("_cleanplate/")}


def test_receipts_of_changed_inputs_stay_until_the_run_that_withdraws_them() -> None:
    out = make_root(MemoryFolder(), cameras="A")
    list_subject(out, "031", "A", range(1, 8))
    assert collect_garbage(out, LATER).receipts == ()


def test_frames_that_left_the_capture_are_garbage() -> None:
    out = make_root(MemoryFolder(), cameras="AB")
    list_subject(out, "031", "A", range(8))
    found = collect_garbage(out, LATER, delete=True)
    assert len(found.masks) == 16 and len(found.receipts) == 2
    assert sorted(masks_of(out)) == sorted(masks_of(make_root(MemoryFolder(), cameras="A")))


def test_a_subject_that_left_the_capture_is_left_alone() -> None:
    out = make_root(MemoryFolder(), ("031", "032"))
    out.delete(["_cleanplate/manifest/032.parquet", "_cleanplate/manifest/032.plates.parquet"])
    assert collect_garbage(out, LATER, delete=True) == Garbage()


@pytest.mark.parametrize("harmed", ["ledger/031", "manifest/031.parquet", "root.json"])
def test_nothing_of_a_damaged_subject_goes(harmed: str) -> None:
    out = replaced_by_png(MemoryFolder())
    (path, *_) = sorted(path for path in all_files(out) if path.startswith(f"_cleanplate/{harmed}"))
    if harmed == "root.json":
        out.delete([path])
    else:
        out.write_atomic(path, b"no")
    before = all_files(out)
    assert collect_garbage(out, LATER, delete=True) == Garbage(left_out=("031",))
    assert all_files(out) == before


def test_a_foreign_mask_stays_even_where_a_later_recipe_would_write() -> None:
    out = MemoryFolder()
    make_root(out)
    for camera in "AB":
        out.write_atomic(f"031/images/0000/mask_{camera}.png", b"the old script's")
    decide(out, Selection(cameras=("A",)), PNG, "replace")
    matte_pending(out)
    found = collect_garbage(out, LATER, delete=True)
    assert found.n_foreign == 1 and out.files["031/images/0000/mask_B.png"] == b"the old script's"


def test_another_run_that_began_meanwhile_is_heeded() -> None:
    class Busy(MemoryFolder):
        """Lets another run replace everything while masks are listed."""

        waiting = True

        def list(self, prefix: str = "") -> Iterator[FileStat]:
            found = list(super().list(prefix))
            if prefix == "031" and self.waiting:
                self.waiting = False
                decide(self, Selection(), RECIPE, "replace")
                matte_pending(self)
            return iter(found)

    out = Busy()
    replaced_by_png(out).delete([])
    out.waiting = True
    collect_garbage(out, LATER, delete=True)
    found = verify(out, deep=True)
    assert not found.damages and not found.n_pending


def old_and_new(folder: Path, names: list[str]) -> None:
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
        os.utime(path, ns=(1000 + number, 1000 + number))


def test_leftovers_go_by_their_age_and_nothing_that_only_looks_alike(tmp_path: Path) -> None:
    out = make_root(LocalFolder(tmp_path))
    names = [f"031/images/0000/.cleanplate-{'0' * 32}", f"_cleanplate/claims/x/{'0' * 32}", "031/.cleanplate-notes"]
    old_and_new(tmp_path, names)
    found = collect_garbage(out, 1001, delete=True)
    assert [stat.path for stat in found.temporary] == names[:1] and found.n_young == 1
    collect_garbage(out, 5000, delete=True)
    assert [(tmp_path / name).exists() for name in names] == [False, False, True]
    assert verify(out).damages == ()


@pytest.mark.s3
@pytest.mark.parametrize("where", ["moto_s3", "rclone_s3"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning:(botocore|boto3|aiobotocore|s3fs|fsspec).*")
def test_an_object_store_tells_the_age(where: str, request: pytest.FixtureRequest) -> None:
    server = request.getfixturevalue(where)
    out = open_folder(f"{server.new_bucket()}/mattes", server.options)
    make_root(out, cameras="A", frames=range(4))
    decide(out, Selection(), PNG, "replace")
    matte_pending(out)
    assert collect_garbage(out, 10**18, delete=True).n_young == 9
    assert len(collect_garbage(out, LATER, delete=True).masks) == 8
    found = verify(out, deep=True)
    assert not found.damages and not found.orphans


def test_a_file_of_unknown_age_is_young() -> None:
    assert not is_old(FileStat("a", 1), LATER)
    assert is_old(FileStat("a", 1, None, "etag", 5), 6) and not is_old(FileStat("a", 1, 5), 5)


CHANGES = st.sampled_from(["decide", "lose", "foreign", "matte", "half", "gc", "find"])


@settings(max_examples=25)
@given(st.lists(st.tuples(CHANGES, st.integers(0, 3), st.integers(0, 20)), max_size=7))
def test_foreign_fresh_and_standing_files_never_go(changes: list[tuple[str, int, int]]) -> None:
    out = Dated()
    make_root(out)
    cameras, foreign = ["A", "B"], {}
    for step, (change, which, age) in enumerate(changes):
        out.now = 10 * step + 10
        if change == "decide":
            selections = Selection(), Selection(cameras=("A",)), Selection(frames="2:6"), Selection(frames="0:4")
            decide(out, selections[which], (RECIPE, PNG)[age % 2], "replace")
        elif change in ("lose", "find"):
            cameras = cameras[:1] if change == "lose" else ["A", "B"]
            list_subject(out, "031", cameras, range(8 - which))
        elif change == "foreign":
            name = f"031/images/000{which}/mask_X.{('jpg', 'png')[age % 2]}"
            foreign[name] = b"foreign"
            out.write_atomic(name, b"foreign")
        elif change in ("matte", "half"):
            matte_pending(out, run_id=f"run-{step}", n_shards=1 if change == "half" else None)
        else:
            before = out.now - age
            files, written = dict(out.files), dict(out.written)
            seen = verify(out, deep=True)
            collect_garbage(out, before, delete=True)
            after = verify(out, deep=True)
            assert (after.damages, after.n_pending, after.n_files) == (seen.damages, seen.n_pending, seen.n_files)
            gone = {path for path in files if path not in out.files}
            assert all(written[path] < before for path in gone)
        assert foreign.items() <= out.files.items()
    matte_pending(out, run_id="last")
    found = verify(out, deep=True)
    assert found.damages == () and found.n_pending == 0
