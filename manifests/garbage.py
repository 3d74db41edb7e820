"""Garbage: what lies under an output root, is ours, and no run will ever need: counted, and deleted when asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from manifests.inventory import SubjectBooks, groups, read_books
from manifests.ledger import withdraw
from manifests.leftovers import delete_leftovers, find_leftovers
from manifests.receipts import Receipt
from manifests.records import FileStat
from manifests.storage import Folder
from manifests.survey import Survey, survey
from manifests.verify import Progress


@dataclass(frozen=True, slots=True)
class Garbage:
    """What may go, and what stays: `n_young` is too young, `n_foreign` not ours; `left_out` are damaged subjects.

    `receipts` are those of no shard of the plan, `masks` files that no receipt names and no shard would write.
    """

    temporary: tuple[FileStat, ...] = ()
    receipts: tuple[tuple[str, Receipt], ...] = ()
    masks: tuple[FileStat, ...] = ()
    n_young: int = 0
    n_foreign: int = 0
    left_out: tuple[str, ...] = ()

    def __add__(self, other: Garbage) -> Garbage:
        """Join what was found of other subjects."""
        return Garbage(*(getattr(self, name) + getattr(other, name) for name in Garbage.__slots__))

    @property
    def n_bytes(self) -> int:
        """Count the bytes of masks and temporary files."""
        return sum(stat.size_bytes for stat in (*self.temporary, *self.masks))


def collect_garbage(out: Folder, before_ns: int, delete: bool = False, progress: Progress | None = None) -> Garbage:
    """Return what was written before `before_ns` (ns since 1970) and is of no use, and with `delete` delete it.

    Foreign files never are, nor is anything at a place where the plan wants a file, nor what a receipt names that
    stays. Subjects with damage are left out, for verify --repair. May be killed and repeated at any time: receipts go
    before the masks that they name.
    """
    tell = progress or (lambda what, done, total: None)
    books = read_books(out)
    found, wanted = Garbage(), groups(books, None)
    for number, (names, folders) in enumerate(wanted):
        tell("subjects", number, len(wanted))
        one = _of_group(survey(books, names, folders), before_ns)
        if delete:
            now = read_books(out)
            if (now.decisions, now.subjects, now.runs) != (books.decisions, books.subjects, books.runs):
                books = now  # another run has begun or ended: look again, it may want what was of no use
                one = _of_group(survey(books, names, folders), before_ns)
            _delete_group(out, one)
        found += one
    tell("subjects", len(wanted), len(wanted))
    left = find_leftovers(out)
    old = [stat for stat in left if is_old(stat, before_ns)]
    if delete:
        delete_leftovers(out, old)
    return found + Garbage(temporary=tuple(old), n_young=len(left) - len(old))


def is_old(stat: FileStat, before_ns: int) -> bool:
    """Tell whether a file was written before a time; one whose time is not known is young."""
    return stat.written_ns is not None and stat.written_ns < before_ns


def _of_group(seen: Survey, before_ns: int) -> Garbage:
    damaged = tuple(mine.subject for mine in seen.subjects if mine.damages or mine.manifest is None)
    if damaged:
        return Garbage(left_out=damaged)
    useless = [(mine.subject, receipt) for mine in seen.subjects for receipt in _useless(mine)]
    going = [(subject, receipt) for subject, receipt in useless if is_old(receipt.stat, before_ns)]
    kept = _named_by_kept(seen, {id(receipt) for _, receipt in going})
    free = [stat for stat in seen.orphans if stat.path not in kept]
    masks = tuple(stat for stat in free if is_old(stat, before_ns))
    n_young = len(useless) - len(going) + len(seen.orphans) - len(masks)
    return Garbage((), tuple(going), masks, n_young, len(seen.foreign))


def _useless(mine: SubjectBooks) -> Iterator[Receipt]:
    """Yield the stale receipts but for those of frames that are pending: the next run itself withdraws these."""
    frames = None if mine.manifest is None else mine.manifest.frames
    due = {
        (shard.decision, shard.sequence, shard.camera, frame)
        for shard in (mine.pending if frames is not None else ())
        for frame in frames.frame[shard.rows].tolist()  # type: ignore[union-attr]
    }
    return (receipt for receipt in mine.stale if not any(row.key in due for row in receipt.rows))


def _named_by_kept(seen: Survey, going: set[int]) -> set[str]:
    """Return the files named by stale receipts that stay: should one ever stand again, its masks must be there."""
    return {
        file.lies_in
        for mine in seen.subjects
        for receipt in mine.stale
        if id(receipt) not in going
        for row in receipt.rows
        for file in row.files
    }


def _delete_group(out: Folder, garbage: Garbage) -> None:
    for subject in sorted({subject for subject, _ in garbage.receipts}):
        mine = [receipt for whose, receipt in garbage.receipts if whose == subject]
        joined = {receipt.shard_id for receipt in mine if receipt.is_compacted}
        out.delete(receipt.stat.path for receipt in mine if not receipt.is_compacted)
        if joined:
            withdraw(out, subject, lambda row, joined=joined: row.shard_id in joined)  # type: ignore[misc]
    out.delete(stat.path for stat in garbage.masks)
    out.prune(stat.path for stat in garbage.masks)
