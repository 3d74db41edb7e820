"""Verify: what an output root says of itself is true, or every file that is not as it must be is named."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice

from manifests.inventory import Books, SubjectBooks, groups, read_books
from manifests.ledger import withdraw
from manifests.leftovers import find_leftovers
from manifests.packs import has_digest, shard_of_pack
from manifests.receipts import Damage, NamedFile, doubles
from manifests.records import FileStat
from manifests.storage import Folder
from manifests.survey import Named, Survey, survey

READ_THREADS = 16
READ_AHEAD = 512

Progress = Callable[[str, int, int], None]
"""Told what is counted, how many are done, and of how many."""


@dataclass(frozen=True, slots=True)
class Verified:
    """How an output root is. `pending` and `stale` count shards, `n_unlisted` subjects with receipts and no manifest.

    `unfinished` are masks of ours that a coming run writes over, `orphans` such that none will, `foreign` are not ours.
    """

    subjects: tuple[str, ...] = ()
    n_shards: int = 0
    n_frames: int = 0
    n_files: int = 0
    n_bytes: int = 0
    n_pending: int = 0
    n_pending_frames: int = 0
    n_stale: int = 0
    damages: tuple[Damage, ...] = ()
    unfinished: tuple[FileStat, ...] = ()
    orphans: tuple[FileStat, ...] = ()
    foreign: tuple[FileStat, ...] = ()
    leftovers: tuple[FileStat, ...] = ()

    def __add__(self, other: Verified) -> Verified:
        """Join what was found of other subjects."""
        return Verified(*(getattr(self, name) + getattr(other, name) for name in Verified.__slots__))

    @property
    def by_kind(self) -> Counter[str]:
        """Count the damages by their kind."""
        return Counter(damage.kind for damage in self.damages)


def verify(
    out: Folder, subjects: Sequence[str] | None = None, deep: bool = False, progress: Progress | None = None
) -> Verified:
    """Compare the books of an output root with what lies there, by one listing; `deep` reads and hashes all files.

    Nothing is written. What looks damaged is looked at once more, so that a run at work does not look like damage.
    Raises UsageError, NothingSelected, SchemaUnknown for root.json and decisions, SchemaNewer, and OSError.
    """
    tell = progress or (lambda what, done, total: None)
    books = read_books(out)
    found, wanted = Verified(), groups(books, subjects)
    for number, (names, folders) in enumerate(wanted):
        tell("subjects", number, len(wanted))
        seen = _verify_group(books, names, folders, deep, tell)
        if seen.damages:
            seen = _verify_group(read_books(out), names, folders, deep, tell)
        found += seen
    tell("subjects", len(wanted), len(wanted))
    left = find_leftovers(out, None if subjects is None else [folder for _, folders in wanted for folder in folders])
    return replace(found, leftovers=tuple(left))


def repair(out: Folder, verified: Verified) -> tuple[int, int]:
    """Delete the damaged receipts and withdraw those of shards with damage, so that the next run mattes these again.

    Return how many shards were re-queued and how many receipts deleted. May be repeated.
    """
    n_shards = n_receipts = 0
    for subject in sorted({damage.subject for damage in verified.damages}):
        mine = [damage for damage in verified.damages if damage.subject == subject]
        damaged = {damage.path for damage in mine if damage.kind == "receipt"}
        out.delete(sorted(damaged))
        void = {damage.shard_id for damage in mine if damage.shard_id and damage.kind != "receipt"}
        of_void = {damage.path for damage in mine if damage.kind in ("rows", "twice")}
        out.delete(path for path in sorted(of_void) if not path.endswith(".compact.parquet"))
        if void:
            withdraw(out, subject, lambda row, void=void: row.shard_id in void)  # type: ignore[misc]
        n_shards, n_receipts = n_shards + len(void), n_receipts + len(damaged)
    return n_shards, n_receipts


def _verify_group(books: Books, names: Sequence[str], folders: Sequence[str], deep: bool, tell: Progress) -> Verified:
    seen = survey(books, names, folders)
    damages = [damage for mine in seen.subjects for damage in _damaged_books(mine)]
    damages += _damaged_files(seen)
    if deep:
        damages += _damaged_content(books.out, seen, tell)
    return Verified(
        subjects=tuple(names),
        n_shards=sum(len(mine.planned) for mine in seen.subjects),
        n_frames=sum(len(rows) for mine in seen.subjects for _, _, rows in mine.standing()),
        n_files=len(seen.sizes),
        n_bytes=sum(seen.sizes.values()),
        n_pending=sum(len(mine.pending) for mine in seen.subjects),
        n_pending_frames=sum(_n_pending(mine) for mine in seen.subjects),
        n_stale=sum(len(mine.stale) for mine in seen.subjects if mine.manifest is not None),
        damages=tuple(damages),
        unfinished=tuple(seen.unfinished),
        orphans=tuple(seen.orphans),
        foreign=tuple(seen.foreign),
    )


def _n_pending(mine: SubjectBooks) -> int:
    """Count the frames without a receipt; all, where nothing was matted yet."""
    if not mine.planned:
        return 0 if mine.manifest is None else len(mine.manifest.frames)
    return sum(len(shard.rows) for shard in mine.pending)


def _damaged_books(mine: SubjectBooks) -> Iterator[Damage]:
    """Yield what is wrong with the manifest and the receipts of a subject."""
    yield from mine.damages
    yield from doubles(mine.subject, mine.receipts)
    if mine.manifest is None:
        return
    frames = mine.manifest.frames
    streams: dict[tuple[str, str], set[int]] = {}
    for shard in mine.planned.values():
        streams.setdefault((shard.sequence, shard.camera), set()).update(frames.frame[shard.rows].tolist())
    for shard, receipt, rows in mine.standing():
        has = Counter(row.key for row in receipt.rows)
        place = shard.decision, shard.sequence, shard.camera
        wrong = [key for key in has if key[:3] != place or key[3] not in streams[key[1:3]]]
        n_missing = len(shard.rows) - len({row.frame for row in rows if row.key[:3] == place})
        n_twice = sum(has.values()) - len(has)
        if wrong or n_missing or n_twice:
            text = f"it lacks {n_missing} planned frames, has {len(wrong)} that are not planned and {n_twice} twice"
            yield Damage("rows", mine.subject, receipt.stat.path, text, receipt.shard_id)


def _damaged_files(seen: Survey) -> Iterator[Damage]:
    for path, named in seen.named.items():
        size = seen.sizes.get(path)
        if size is None:
            yield Damage("missing", named.subject, path, "the file is not there", named.shard_id)
        elif named.file.size_bytes not in (None, size):
            text = f"{size} bytes, its receipt says {named.file.size_bytes}"
            yield Damage("size", named.subject, path, text, named.shard_id)


def _damaged_content(out: Folder, seen: Survey, tell: Progress) -> Iterator[Damage]:
    """Read all files that have the size they must have, on threads, and compare their hashes."""
    there = (n for path, n in seen.named.items() if seen.sizes.get(path) == n.file.size_bytes)
    whole = [n for n in there if n.file.sha256 or shard_of_pack(n.file.path)]

    def look(named: Named) -> Damage | None:
        try:
            is_true = has_digest(out, named.file.path) if shard_of_pack(named.file.path) else _has_hash(out, named.file)
        except FileNotFoundError:
            return Damage("missing", named.subject, named.file.path, "the file is not there", named.shard_id)
        if is_true:
            return None
        text = "its bytes are not those of its receipt"
        return Damage("content", named.subject, named.file.path, text, named.shard_id)

    for number, damage in enumerate(_on_threads(look, whole)):
        tell("files", number + 1, len(whole))
        if damage is not None:
            yield damage


def _has_hash(out: Folder, file: NamedFile) -> bool:
    return hashlib.sha256(out.read(file.path)).hexdigest() == file.sha256


def _on_threads(look: Callable[[Named], Damage | None], named: Iterable[Named]) -> Iterator[Damage | None]:
    """Apply `look` on threads, in order, with no more than READ_AHEAD files asked for at once."""
    rest = iter(named)
    with ThreadPoolExecutor(READ_THREADS, thread_name_prefix="verify") as threads:
        while some := list(islice(rest, READ_AHEAD)):
            yield from threads.map(look, some)
