"""The ledger: all receipts under an output root; what is committed, and what is therefore pending."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from manifests.ahead import map_ahead
from manifests.records import FrameRow, Shard
from manifests.sharding import PlannedShard, subject_folder
from manifests.storage import Folder

LEDGER = "_cleanplate/ledger"

_RECEIPT = re.compile(r"(?P<shard>.+)\.f(?P<failed>\d+)\.parquet")
_COMPACTED = ".compact.parquet"
READ_TRIES = 5
READS_AT_ONCE = 8
"""A store answers in tens of milliseconds, and there are many small receipts."""

Listed = Mapping[str, Sequence[str]]
"""The files of a listing of receipts by the folder that they lie in."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """The receipts of one subject: shard_id -> count of failed frames, and the files that say so.

    `joined` are the shards of the compacted files; after a kill some are in a single receipt as well.
    """

    failed: Mapping[str, int] = field(default_factory=dict)
    singles: Mapping[str, str] = field(default_factory=dict)
    compacted: tuple[str, ...] = ()
    joined: frozenset[str] = frozenset()

    def __contains__(self, shard_id: object) -> bool:
        """Tell whether a shard is committed."""
        return shard_id in self.failed


def ledger_folder(subject: str) -> str:
    """Return the folder of a subject's receipts, relative to the output root."""
    return f"{LEDGER}/{subject_folder(subject)}"


def list_receipts(out: Folder, folder: str = LEDGER) -> Listed:
    """List the receipts of all subjects, or of the one whose folder is named, at once: n of them in n/1000 requests."""
    found: dict[str, list[str]] = {}
    for stat in out.list(folder):
        found.setdefault(stat.path.rpartition("/")[0], []).append(stat.path)
    return {folder: sorted(paths) for folder, paths in found.items()}


def read_ledger(out: Folder, subject: str, listed: Listed | None = None) -> Ledger:
    """Read a subject's receipts; the names of single receipts tell all, compacted files are read for two columns.

    A listing is no snapshot: while another run compacts, it can miss both the single receipts and the file that they
    went into. So it lists until two listings agree, and again when a compacted file is gone when it is read. One that
    was `listed` before is taken as it is: what it missed looks pending, to be looked at again before it is matted.
    """
    folder, last = ledger_folder(subject), None
    paths = [] if listed is None else list(listed.get(folder, ()))
    for _ in range(READ_TRIES if listed is None else 0):
        paths = sorted(stat.path for stat in out.list(folder))
        if paths == last:
            break
        last = paths
    for _ in range(READ_TRIES):
        try:
            return _read_listed(out, paths)
        except FileNotFoundError:
            paths = sorted(stat.path for stat in out.list(folder))
    return _read_listed(out, paths)


def pending(plan: Iterable[PlannedShard], ledger: Ledger) -> list[PlannedShard]:
    """Return the shards of the plan that have no receipt."""
    return [shard for shard in plan if shard.shard_id not in ledger]


def commit(out: Folder, shard: Shard, rows: Sequence[FrameRow], meta: Mapping[str, Any]) -> None:
    """Write a shard's receipt, the last of its files: from here on it is done."""
    from manifests.tables import write_rows

    n_failed = sum(row.status != "ok" for row in rows)
    path = f"{ledger_folder(shard.subject)}/{shard.shard_id}.f{n_failed}.parquet"
    out.write_atomic(path, write_rows(rows, {"recipe_id": shard.recipe_id, **meta}))


def read_failed(out: Folder, subject: str, ledger: Ledger) -> list[FrameRow]:
    """Return the rows that are not ok, stale ones included; receipts that have none by their names are not read."""
    for _ in range(READ_TRIES):
        try:
            return _read_failed(out, ledger)
        except FileNotFoundError:  # another run has compacted meanwhile
            ledger = read_ledger(out, subject)
    return _read_failed(out, ledger)


def read_receipts(out: Folder, subject: str, ledger: Ledger | None = None) -> list[FrameRow]:
    """Return all rows of a subject, stale ones included, sorted by (sequence, camera, frame, decision)."""
    return _read_whole(out, subject, ledger)[1]


def compact(out: Folder, subject: str, plan: Sequence[PlannedShard]) -> bool:
    """Join the receipts of a complete subject into one file; tell whether that was done.

    The file is named by what it holds, so that two runs that compact at once never overwrite each other's;
    what it replaces is deleted after it is there. Stale receipts and the metadata of every receipt are kept.
    """
    from manifests.tables import write_rows

    ledger = read_ledger(out, subject)
    superseded = [*ledger.compacted, *ledger.singles.values()]
    if not ledger.singles or len(superseded) < 2 or pending(plan, ledger):
        return False
    try:
        rows, metas = _read_all(out, ledger)
    except FileNotFoundError:  # another run has compacted meanwhile
        return False
    path = _compacted_path(subject, sorted(ledger.failed))
    out.write_atomic(path, write_rows(rows, {"subject": subject, "receipts": metas}))
    out.delete(other for other in superseded if other != path)
    return True


def withdraw(out: Folder, subject: str, is_void: Callable[[FrameRow], bool]) -> int:
    """Delete the receipts that have a void row, before the masks that they name are written over; return their number.

    Else a receipt could come to speak for masks that it never saw: when an input changes and then changes back, or
    when a run that began before a decision writes over what the decision made.
    """
    from manifests.tables import write_rows

    ledger, rows, metas = _read_whole(out, subject)
    void = {row.shard_id for row in rows if is_void(row)}
    if not void:
        return 0
    if void & ledger.joined:
        kept = [row for row in rows if row.shard_id not in void]
        shard_ids = sorted({row.shard_id for row in kept})
        path = _compacted_path(subject, shard_ids)
        kept_metas = {shard_id: meta for shard_id, meta in metas.items() if shard_id not in void}
        out.write_atomic(path, write_rows(kept, {"subject": subject, "receipts": kept_metas}))
        out.delete(other for other in ledger.compacted if other != path)
    out.delete(path for shard_id, path in ledger.singles.items() if shard_id in void)
    return len(void)


def _compacted_path(subject: str, shard_ids: Sequence[str]) -> str:
    digest = hashlib.sha256("\n".join(shard_ids).encode()).hexdigest()[:16]
    return f"{ledger_folder(subject)}/{digest}{_COMPACTED}"


def _read_listed(out: Folder, listed: Sequence[str]) -> Ledger:
    from manifests.tables import read_failed_counts

    singles: dict[str, str] = {}
    failed: dict[str, int] = {}
    compacted: list[str] = []
    for path in listed:
        name = path.rsplit("/", 1)[-1]
        if name.endswith(_COMPACTED):
            compacted.append(path)
        elif (matched := _RECEIPT.fullmatch(name)) is not None:
            singles[matched["shard"]] = path
            failed[matched["shard"]] = int(matched["failed"])
    joined: dict[str, int] = {}
    for path in compacted:
        joined |= read_failed_counts(out.read(path), path)
    return Ledger(joined | failed, singles, tuple(sorted(compacted)), frozenset(joined))


def _read_whole(
    out: Folder, subject: str, ledger: Ledger | None = None
) -> tuple[Ledger, list[FrameRow], dict[str, Any]]:
    """Return the ledger that was read in the end, all its rows and the metadata of its receipts."""
    books = ledger or read_ledger(out, subject)
    for _ in range(READ_TRIES):
        try:
            return books, *_read_all(out, books)
        except FileNotFoundError:  # another run has compacted meanwhile
            books = read_ledger(out, subject)
    return books, *_read_all(out, books)


def _read_all(out: Folder, ledger: Ledger) -> tuple[list[FrameRow], dict[str, Any]]:
    """Return all rows, and the metadata of the receipts by shard_id; single receipts win over compacted ones."""
    from manifests.tables import read_rows

    by_shard: dict[str, list[FrameRow]] = {}
    metas: dict[str, Any] = {}
    for path, data in _read_files(out, [*ledger.compacted, *ledger.singles.values()]):
        rows, meta = read_rows(data, path)
        fresh = _by_shard(rows)
        by_shard |= fresh
        metas |= meta.get("receipts") or {shard_id: meta for shard_id in fresh}
    return _in_order(by_shard.values()), metas


def _read_failed(out: Folder, ledger: Ledger) -> list[FrameRow]:
    from manifests.tables import read_failed_rows

    failed = {shard_id for shard_id, n_failed in ledger.failed.items() if n_failed}
    singles = [path for shard_id, path in ledger.singles.items() if shard_id in failed]
    compacted = ledger.compacted if failed - set(ledger.singles) else ()
    by_shard: dict[str, list[FrameRow]] = {}
    for path, data in _read_files(out, [*compacted, *singles]):
        by_shard |= _by_shard(read_failed_rows(data, path))
    return _in_order(rows for shard_id, rows in by_shard.items() if shard_id in failed)


def _by_shard(rows: Iterable[FrameRow]) -> dict[str, list[FrameRow]]:
    found: dict[str, list[FrameRow]] = {}
    for row in rows:
        found.setdefault(row.shard_id, []).append(row)
    return found


def _in_order(shards: Iterable[Iterable[FrameRow]]) -> list[FrameRow]:
    joined = [row for rows in shards for row in rows]
    joined.sort(key=lambda row: (row.sequence, row.camera, row.frame, row.decision, row.shard_id))
    return joined


def _read_files(out: Folder, paths: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Yield (path, data) in order, some files being read ahead."""
    return zip(paths, map_ahead(out.read, paths, READS_AT_ONCE), strict=True)
