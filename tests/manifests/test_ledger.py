"""The ledger: a receipt once written is never lost, whoever reads, joins or dies meanwhile."""

from __future__ import annotations

import contextlib
import itertools
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.decisions import Decision, Selection
from manifests.ledger import commit, compact, ledger_folder, pending, read_ledger, read_receipts, withdraw
from manifests.recipe import Recipe
from manifests.records import FileStat
from manifests.sharding import FrameTable, PlannedShard, plan_subject
from manifests.storage import Folder, LocalFolder
from manifests.storage_memory import MemoryFolder

CommitAll = Callable[..., None]


@pytest.fixture(scope="session")
def table(make_table: Callable[..., FrameTable]) -> FrameTable:
    """Return two cameras of 12 frames."""
    return make_table([("", camera, frame) for camera in "AB" for frame in range(12)])


@pytest.fixture(scope="session")
def plan(table: FrameTable, make_recipe: Callable[..., Recipe]) -> list[PlannedShard]:
    """Return its shards, of four frames each: six."""
    return plan_subject(table, {}, [Decision(0, Selection(), make_recipe(), "root")], grid=4)


def _ids(shards: Iterable[PlannedShard]) -> set[str]:
    return {shard.shard_id for shard in shards}


def _files(out: Folder) -> list[str]:
    return sorted(stat.path for stat in out.list("_cleanplate/ledger"))


class DyingFolder(MemoryFolder):
    """A store whose user dies when it deletes its `deletes_left + 1`-th file."""

    deletes_left = 0

    def delete(self, paths: Iterable[str]) -> None:
        for path in paths:
            if self.deletes_left == 0:
                raise KeyboardInterrupt
            self.deletes_left -= 1
            super().delete([path])


class PagedFolder(MemoryFolder):
    """A store that lists by pages, as object stores and disks do: `between` is run after the first page."""

    def __init__(self, between: Callable[[MemoryFolder], object]) -> None:
        super().__init__()
        self.between = between

    def list(self, prefix: str = "") -> Iterator[FileStat]:
        first = list(itertools.islice(super().list(prefix), 2))
        yield from first
        between, self.between = self.between, lambda _: None
        between(self)
        last = first[-1].path if first else ""
        yield from (stat for stat in super().list(prefix) if stat.path > last)


def test_all_is_pending_when_nothing_was_committed(plan: list[PlannedShard]) -> None:
    ledger = read_ledger(MemoryFolder(), "031")
    assert pending(plan, ledger) == plan
    assert read_receipts(MemoryFolder(), "031") == []


def test_shard_is_pending_until_its_receipt_is_there(
    table: FrameTable, plan: list[PlannedShard], commit_all: CommitAll, tmp_path: Path
) -> None:
    out = LocalFolder(tmp_path)
    for done in range(len(plan)):
        assert _ids(pending(plan, read_ledger(out, "031"))) == _ids(plan[done:])
        commit_all(out, table, [plan[done]])
    assert pending(plan, read_ledger(out, "031")) == []


def test_ledger_counts_failed_frames_without_reading_a_receipt(
    table: FrameTable, plan: list[PlannedShard], commit_all: CommitAll
) -> None:
    class Unreadable(MemoryFolder):
        def read(self, path: str) -> bytes:
            raise AssertionError(f"{path} was read")

    out = Unreadable()
    commit_all(out, table, plan, bad=(0, 1, 5))
    failed = read_ledger(out, "031").failed
    assert [failed[shard.shard_id] for shard in plan] == [2, 1, 0, 2, 1, 0]


def test_receipts_hold_every_row_in_order_when_shards_were_committed_in_any(
    table: FrameTable, plan: list[PlannedShard], commit_all: CommitAll
) -> None:
    out = MemoryFolder()
    commit_all(out, table, plan[::-1], bad=[7])
    rows = read_receipts(out, "031")
    assert [(row.camera, row.frame) for row in rows] == [(camera, frame) for camera in "AB" for frame in range(12)]
    assert [row.frame for row in rows if row.status != "ok"] == [7, 7]


def test_ledger_is_the_same_when_a_shard_is_committed_twice(
    table: FrameTable, plan: list[PlannedShard], commit_all: CommitAll
) -> None:
    out = MemoryFolder()
    commit_all(out, table, plan)
    before = read_receipts(out, "031")
    commit_all(out, table, plan)
    assert read_receipts(out, "031") == before


def test_ledgers_of_subjects_are_apart_when_one_name_begins_with_the_other(
    table: FrameTable,
    make_table: Callable[..., FrameTable],
    plan: list[PlannedShard],
    commit_all: CommitAll,
    make_recipe: Callable[..., Recipe],
) -> None:
    out = MemoryFolder()
    longer = make_table([("", "A", 0)], "0310")
    commit_all(out, longer, plan_subject(longer, {}, [Decision(0, Selection(), make_recipe(), "root")]))
    commit_all(out, table, plan[:1])
    assert set(read_ledger(out, "031").failed) == _ids(plan[:1])
    assert {row.subject for row in read_receipts(out, "0310")} == {"0310"}


def test_files_that_are_no_receipts_commit_nothing(plan: list[PlannedShard]) -> None:
    shard_id = plan[0].shard_id
    names = [f"{shard_id}.parquet", f"{shard_id}.f0.parquet.part", f"{shard_id}.fx.parquet", "notes.txt"]
    out = MemoryFolder({f"{ledger_folder('031')}/{name}": b"" for name in names})
    assert pending(plan, read_ledger(out, "031")) == plan


def test_compaction_keeps_every_row_in_one_file_when_the_subject_is_complete(
    table: FrameTable, plan: list[PlannedShard], commit_all: CommitAll, tmp_path: Path
) -> None:
    out = LocalFolder(tmp_path)
    commit_all(out, table, plan, bad=[3])
    ledger, rows = read_ledger(out, "031"), read_receipts(out, "031")
    assert compact(out, "031", plan)
    assert len(_files(out)) == 1
    assert read_ledger(out, "031").failed == ledger.failed
    assert read_receipts(out, "031") == rows


def test_compaction_does_nothing_when_a_shard_is_pending(
    table: FrameTable, plan: list[PlannedShard], commit_all: CommitAll
) -> None:
    out = MemoryFolder()
    commit_all(out, table, plan[:-1])
    before = dict(out.files)
    assert not compact(out, "031", plan)
    assert out.files == before


def test_compaction_does_nothing_when_it_was_done(
    table: FrameTable, plan: list[PlannedShard], commit_all: CommitAll
) -> None:
    out = MemoryFolder()
    commit_all(out, table, plan)
    compact(out, "031", plan)
    before = dict(out.files)
    assert not compact(out, "031", plan)
    assert out.files == before


def test_compaction_keeps_stale_receipts_and_the_meta_of_each(
    table: FrameTable, plan: list[PlannedShard], commit_all: CommitAll
) -> None:
    from manifests.tables import read_rows

    out = MemoryFolder()
    commit_all(out, table, plan[:2], host="one")
    commit_all(out, table, plan[2:], host="two")
    assert compact(out, "031", plan[2:])
    (path,) = _files(out)
    metas = read_rows(out.read(path), path)[1]["receipts"]
    assert [metas[shard.shard_id]["host"] for shard in plan] == ["one"] * 2 + ["two"] * 4
    assert {metas[shard.shard_id]["recipe_id"] for shard in plan} == {plan[0].recipe.recipe_id}
    assert set(read_ledger(out, "031").failed) == _ids(plan)


def test_compaction_joins_what_came_later_when_it_is_done_again(
    table: FrameTable, plan: list[PlannedShard], commit_all: CommitAll
) -> None:
    out = MemoryFolder()
    commit_all(out, table, plan[:3])
    compact(out, "031", plan[:3])
    commit_all(out, table, plan[3:])
    assert set(read_ledger(out, "031").failed) == _ids(plan)
    assert compact(out, "031", plan)
    assert len(_files(out)) == 1
    assert len(read_receipts(out, "031")) == len(table)


@pytest.mark.parametrize("n_deleted", range(6))
def test_nothing_is_lost_or_doubled_when_compaction_dies_before_all_single_receipts_are_deleted(
    table: FrameTable, plan: list[PlannedShard], commit_all: CommitAll, n_deleted: int
) -> None:
    out = DyingFolder()
    commit_all(out, table, plan, bad=[3])
    ledger, rows = read_ledger(out, "031"), read_receipts(out, "031")
    out.deletes_left = n_deleted
    with pytest.raises(KeyboardInterrupt):
        compact(out, "031", plan)
    assert len(_files(out)) == len(plan) + 1 - n_deleted
    assert read_ledger(out, "031").failed == ledger.failed
    assert read_receipts(out, "031") == rows
    out.deletes_left = 100
    assert compact(out, "031", plan)
    assert len(_files(out)) == 1
    assert read_receipts(out, "031") == rows


def test_a_receipt_is_withdrawn_from_both_of_its_files_when_compaction_died_between_them(
    table: FrameTable, plan: list[PlannedShard], commit_all: CommitAll
) -> None:
    out = DyingFolder()
    commit_all(out, table, plan)
    with pytest.raises(KeyboardInterrupt):
        compact(out, "031", plan)
    void = plan[0].shard_id
    out.deletes_left = 100
    assert withdraw(out, "031", lambda row: row.shard_id == void) == 1
    assert set(read_ledger(out, "031").failed) == _ids(plan) - {void}
    commit_all(out, table, plan[:1])
    assert compact(out, "031", plan)
    assert set(read_ledger(out, "031").failed) == _ids(plan)
    assert len(read_receipts(out, "031")) == len(table)


def test_nothing_is_lost_when_compaction_dies_before_its_file_is_there(
    table: FrameTable, plan: list[PlannedShard], commit_all: CommitAll
) -> None:
    class Full(MemoryFolder):
        is_full = False

        def write_atomic(self, path: str, data: bytes) -> None:
            if self.is_full:
                raise OSError(28, "no space left on device")
            super().write_atomic(path, data)

    out = Full()
    commit_all(out, table, plan)
    before, out.is_full = dict(out.files), True
    with pytest.raises(OSError, match="no space"):
        compact(out, "031", plan)
    assert out.files == before


@settings(max_examples=40)
@given(steps=st.lists(st.integers(0, 5) | st.sampled_from(["compact", "die", "die later"]), max_size=14))
def test_what_was_committed_stays_committed_whatever_is_done_in_any_order(
    table: FrameTable, plan: list[PlannedShard], commit_all: CommitAll, steps: list[int | str]
) -> None:
    out, committed = DyingFolder(), set()
    for step in steps:
        if isinstance(step, int):
            commit_all(out, table, [plan[step]], bad=[2])
            committed.add(plan[step].shard_id)
        else:
            out.deletes_left = {"compact": 100, "die": 0, "die later": 2}[step]
            with contextlib.suppress(KeyboardInterrupt):
                compact(out, "031", [])
        assert set(read_ledger(out, "031").failed) == committed
        rows = read_receipts(out, "031")
        assert len(rows) == 4 * len(committed)
        assert len({(row.camera, row.frame) for row in rows}) == len(rows)


def test_reader_never_misses_a_receipt_when_another_run_commits_and_compacts(
    table: FrameTable, plan: list[PlannedShard], commit_all: CommitAll, tmp_path: Path
) -> None:
    state: tuple[Path, frozenset[str]] = (tmp_path / "0", frozenset())
    over, missed, reads = threading.Event(), [], itertools.count()

    def read() -> None:
        while not over.is_set():
            folder, committed = state
            missed.extend(committed - set(read_ledger(LocalFolder(folder), "031").failed))
            next(reads)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for number in range(15):
            folder = tmp_path / str(number)
            for n_done, shard in enumerate(plan, start=1):
                commit_all(LocalFolder(folder), table, [shard])
                state = (folder, frozenset(_ids(plan[:n_done])))
            compact(LocalFolder(folder), "031", plan)
    finally:
        over.set()
        for reader in readers:
            reader.join(30)
    assert next(reads) > 15
    assert missed == []


def test_reader_never_misses_a_receipt_when_compaction_falls_into_its_listing_of_a_disk(
    table: FrameTable, plan: list[PlannedShard], commit_all: CommitAll, tmp_path: Path
) -> None:
    class Overtaken(LocalFolder):
        overtakes = False

        def list(self, prefix: str = "") -> Iterator[FileStat]:
            listing = super().list(prefix)
            yield next(listing)
            if self.overtakes:
                self.overtakes = False
                compact(LocalFolder(tmp_path), "031", plan)
            yield from listing

    out = Overtaken(tmp_path)
    commit_all(out, table, plan)
    out.overtakes = True
    assert set(read_ledger(out, "031").failed) == _ids(plan)


def test_nothing_is_lost_when_two_runs_compact_at_once(
    table: FrameTable, plan: list[PlannedShard], commit_all: CommitAll, tmp_path: Path
) -> None:
    for number in range(10):
        out, barrier, done = LocalFolder(tmp_path / str(number)), threading.Barrier(2), []
        commit_all(out, table, plan)

        def join(out: Folder = out, barrier: threading.Barrier = barrier, done: list[bool] = done) -> None:
            barrier.wait(10)
            done.append(compact(out, "031", plan))

        threads = [threading.Thread(target=join) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert len(done) == 2
        assert any(done)
        assert len(read_receipts(out, "031")) == len(table)
        assert len(_files(out)) == 1


COMMITTER = """
import sys
from pathlib import Path
from manifests.ledger import commit, compact
from manifests.records import FrameRow, Plate, Shard
from manifests.storage import LocalFolder

out = LocalFolder(Path(sys.argv[1]))
plate = Plate("031", "A", None, "", "missing")
for number in range(100_000):
    name = f"{sys.argv[2]}-{number}"
    shard = Shard(name, "031", "", "A", 0, "recipe", "stat", (), plate)
    commit(out, shard, [FrameRow("031", "", "A", number, number, name, 0, "ok")], {})
    print(name, flush=True)
    if number % 10 == 9:
        compact(out, "031", [])
"""


def test_every_commit_that_was_said_stands_when_the_worker_is_killed(tmp_path: Path) -> None:
    said: set[str] = set()
    for life in range(3):
        command = [sys.executable, "-c", COMMITTER, str(tmp_path), str(life)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
            assert worker.stdout is not None
            for line in itertools.islice(worker.stdout, 28 + 3 * life):
                said.add(line.strip())
            worker.send_signal(signal.SIGKILL)
        committed = set(read_ledger(LocalFolder(tmp_path), "031").failed)
        assert said <= committed
        assert {row.shard_id for row in read_receipts(LocalFolder(tmp_path), "031")} == committed


def test_reader_never_misses_a_receipt_when_compaction_falls_between_two_pages_of_its_listing(
    table: FrameTable, plan: list[PlannedShard], commit_all: CommitAll
) -> None:
    # The name of the joined file is a hash: of these plans, one sorts it before the second page.
    for n_shards in range(3, len(plan) + 1):
        out = PagedFolder(lambda _: None)
        commit_all(out, table, plan[:n_shards])
        out.between = lambda folder, some=plan[:n_shards]: compact(folder, "031", some)
        assert set(read_ledger(out, "031").failed) == _ids(plan[:n_shards])


def test_rows_are_read_when_compaction_falls_between_the_listing_and_the_reading(
    table: FrameTable, plan: list[PlannedShard], commit_all: CommitAll
) -> None:
    out = MemoryFolder()
    commit_all(out, table, plan)
    listed = read_ledger(out, "031")
    compact(out, "031", plan)
    assert len(read_receipts(out, "031", listed)) == len(table)


def test_ledger_is_read_again_when_compaction_falls_between_the_listing_and_the_reading(
    table: FrameTable, plan: list[PlannedShard], commit_all: CommitAll
) -> None:
    class Overtaken(MemoryFolder):
        overtakes = False

        def read(self, path: str) -> bytes:
            if self.overtakes:
                self.overtakes = False
                commit_all(self, table, plan[4:])
                compact(self, "031", plan)
            return super().read(path)

    out = Overtaken()
    commit_all(out, table, plan[:4])
    compact(out, "031", plan[:4])
    out.overtakes = True
    assert set(read_ledger(out, "031").failed) == _ids(plan)


def test_receipts_are_withdrawn_when_compaction_falls_between_the_listing_and_the_reading(
    table: FrameTable, plan: list[PlannedShard], commit_all: CommitAll
) -> None:
    class Overtaken(MemoryFolder):
        overtakes = False

        def read(self, path: str) -> bytes:
            if self.overtakes:
                self.overtakes = False
                compact(self, "031", plan)
            return super().read(path)

    out = Overtaken()
    commit_all(out, table, plan)
    void = {shard.shard_id for shard in plan[:2]}
    out.overtakes = True
    assert withdraw(out, "031", lambda row: row.shard_id in void) == 2
    assert set(read_ledger(out, "031").failed) == _ids(plan[2:])


def test_receipt_of_nothing_but_failures_commits_too(table: FrameTable, plan: list[PlannedShard]) -> None:
    out, shard = MemoryFolder(), plan[0].to_shard(table, {}, "stat")
    commit(out, shard, [], {})
    assert shard.shard_id in read_ledger(out, "031")
