"""The ledger: all receipts under an output root; what is committed, and what is therefore pending."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from manifests.records import FrameRow, Shard
from manifests.sharding import PlannedShard, subject_folder
from manifests.storage import Folder

LEDGER = "_cleanplate/ledger"

_RECEIPT = re.compile(r"(?P<shard>.+)\.f(?P<failed>\d+)\.parquet")
_COMPACTED = ".compact.parquet"
READ_TRIES = 5


@dataclass(frozen=True, slots=True)
class Ledger:
    """The receipts of one subject: shard_id -> count of failed frames, and the files that say so."""

    failed: Mapping[str, int] = field(default_factory=dict)
    singles: Mapping[str, str] = field(default_factory=dict)
    compacted: tuple[str, ...] = ()

    def __contains__(self, shard_id: object) -> bool:
        """Tell whether a shard is committed."""
        return shard_id in self.failed


def ledger_folder(subject: str) -> str:
    """Return the folder of a subject's receipts, relative to the output root."""
    return f"{LEDGER}/{subject_folder(subject)}"


def read_ledger(out: Folder, subject: str) -> Ledger:
    """List a subject's receipts; the names of single receipts tell all, compacted files are read for two columns.

    A listing is no snapshot: while another run compacts, it can miss both the single receipts and the file that they
    went into. So it lists until two listings agree, and again when a compacted file is gone when it is read.
    """
    last = None
    for _ in range(READ_TRIES):
        listed = sorted(stat.path for stat in out.list(ledger_folder(subject)))
        if listed == last:
            break
        last = listed
    for _ in range(READ_TRIES):
        try:
            return _read_listed(out, listed)
        except FileNotFoundError:
            listed = sorted(stat.path for stat in out.list(ledger_folder(subject)))
    return _read_listed(out, listed)


def pending(plan: Iterable[PlannedShard], ledger: Ledger) -> list[PlannedShard]:
    """Return the shards of the plan that have no receipt."""
    return [shard for shard in plan if shard.shard_id not in ledger]


def commit(out: Folder, shard: Shard, rows: Sequence[FrameRow], meta: Mapping[str, Any]) -> None:
    """Write a shard's receipt, the last of its files: from here on it is done."""
    from manifests.tables import write_rows

    n_failed = sum(row.status != "ok" for row in rows)
    path = f"{ledger_folder(shard.subject)}/{shard.shard_id}.f{n_failed}.parquet"
    out.write_atomic(path, write_rows(rows, {"recipe_id": shard.recipe_id, **meta}))


def read_receipts(out: Folder, subject: str, ledger: Ledger | None = None) -> list[FrameRow]:
    """Return all rows of a subject, stale ones included, sorted by (sequence, camera, frame, decision)."""
    books = ledger or read_ledger(out, subject)
    for _ in range(READ_TRIES):
        try:
            return _read_all(out, books)[0]
        except FileNotFoundError:  # another run has compacted meanwhile
            books = read_ledger(out, subject)
    return _read_all(out, books)[0]


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

    ledger = read_ledger(out, subject)
    rows, metas = _read_all(out, ledger)
    void = {row.shard_id for row in rows if is_void(row)}
    if not void:
        return 0
    if void & (set(ledger.failed) - set(ledger.singles)):
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
    for path in compacted:
        failed = read_failed_counts(out.read(path), path) | failed
    return Ledger(failed, singles, tuple(sorted(compacted)))


def _read_all(out: Folder, ledger: Ledger) -> tuple[list[FrameRow], dict[str, Any]]:
    """Return all rows, and the metadata of the receipts by shard_id; single receipts win over compacted ones."""
    from manifests.tables import read_rows

    by_shard: dict[str, list[FrameRow]] = {}
    metas: dict[str, Any] = {}
    for path in (*ledger.compacted, *ledger.singles.values()):
        rows, meta = read_rows(out.read(path), path)
        fresh: dict[str, list[FrameRow]] = {}
        for row in rows:
            fresh.setdefault(row.shard_id, []).append(row)
        by_shard |= fresh
        metas |= meta.get("receipts") or {shard_id: meta for shard_id in fresh}
    joined = [row for shard_rows in by_shard.values() for row in shard_rows]
    joined.sort(key=lambda row: (row.sequence, row.camera, row.frame, row.decision, row.shard_id))
    return joined, metas
