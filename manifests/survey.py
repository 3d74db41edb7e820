"""The survey: what every mask under an output root is, by the books and one listing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from manifests.inventory import Books, SubjectBooks, read_subject
from manifests.layouts.base import OURS
from manifests.layouts.outputs import mask_regex, plate_path
from manifests.ours import announced_paths, named_by_receipts, planned_paths
from manifests.packs import Place, pack_bytes, packs_folder, place_of, shard_of_pack
from manifests.receipts import NamedFile, Receipt
from manifests.records import FileStat


@dataclass(frozen=True, slots=True)
class Named:
    """A file that a standing row names."""

    file: NamedFile
    subject: str
    shard_id: str


@dataclass(slots=True)
class Survey:
    """A group of subjects and their files.

    `named` are all files that standing rows name, packs for what lies in them; `sizes` are those that are there.
    Of the masks that none names, `unfinished` are ours where the plan wants one, `orphans` ours where it wants none,
    `foreign` not ours.
    """

    subjects: tuple[SubjectBooks, ...]
    named: dict[str, Named] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    unfinished: list[FileStat] = field(default_factory=list)
    orphans: list[FileStat] = field(default_factory=list)
    foreign: list[FileStat] = field(default_factory=list)


def survey(books: Books, subjects: Sequence[str], folders: Sequence[str]) -> Survey:
    """Read the books of a group of subjects, then list their folders once, and sort what lies there.

    Where a subject's manifest or a receipt is damaged nothing can be called an orphan or foreign: those lists stay
    empty.
    """
    found = Survey(tuple(read_subject(books, subject) for subject in subjects))
    for mine in found.subjects:
        _name(found, mine)
    others = _list(books, found, folders)
    packs = [(mine, stat) for mine in found.subjects for stat in _list_packs(books, found, mine)]
    if not any(mine.damages or mine.manifest is None for mine in found.subjects):
        _sort(books, found, others)
        _sort_packs(found, packs)
    return found


def _name(found: Survey, mine: SubjectBooks) -> None:
    """Note the files of the standing rows of a subject by their paths."""
    named = found.named
    for shard, receipt, rows in mine.standing():
        place = mine.subject, receipt.shard_id
        files = (file for row in rows for file in row.files)
        named |= {file.path: Named(file, *place) for file in files if place_of(file.path) is None}
        named |= {pack.path: Named(pack, *place) for pack in _packs_of(receipt)}
        plate = mine.manifest and mine.manifest.plates.get(shard.camera)
        if shard.recipe.write_frames and shard.recipe.uses_plate and plate and any(row.is_ok for row in rows):
            path = plate_path(mine.subject, shard.camera)
            named.setdefault(path, Named(NamedFile(path, None, None), *place))


def _packs_of(receipt: Receipt) -> list[NamedFile]:
    """Return the packs that a receipt names, each with the size that it must have: old rows count, too."""
    within: dict[str, list[Place]] = {}
    for row in receipt.rows:
        for file in row.files:
            if (place := place_of(file.path)) is not None:
                within.setdefault(place.path, []).append(place)
    return [NamedFile(path, pack_bytes(places), None) for path, places in within.items()]


def _list_packs(books: Books, found: Survey, mine: SubjectBooks) -> list[FileStat]:
    """Note which named packs of a subject are there, and return the others."""
    others = []
    for stat in books.out.list(packs_folder(mine.subject)):
        if stat.path in found.named:
            found.sizes[stat.path] = stat.size_bytes
        else:
            others.append(stat)
    return others


def _sort_packs(found: Survey, others: Sequence[tuple[SubjectBooks, FileStat]]) -> None:
    """Tell packs of pending shards, whose receipts may be about to come, from such that nobody will name."""
    for mine, stat in others:
        pending = {shard.shard_id for shard in mine.pending}
        (found.unfinished if shard_of_pack(stat.path) in pending else found.orphans).append(stat)


def _list(books: Books, found: Survey, folders: Sequence[str]) -> list[FileStat]:
    """Note which named files are there, and return the others that may be masks, or that a receipt names."""
    shapes = [mask_regex(layout) for layout in books.layouts]
    once_named = {path for mine in found.subjects for path in named_by_receipts(mine)}
    others = []
    for folder in folders:
        for stat in books.out.list(folder):
            if stat.path in found.named:
                found.sizes[stat.path] = stat.size_bytes
            elif stat.path.startswith(f"{OURS}/"):
                continue
            elif stat.path in once_named or any(shape.fullmatch(stat.path) for shape in shapes):
                others.append(stat)
    return others


def _sort(books: Books, found: Survey, others: Sequence[FileStat]) -> None:
    """Tell unfinished, orphaned and foreign masks apart, and leave the capture's own files out."""
    inputs: set[str] = set()
    planned: set[str] = set()
    ours: set[str] = set()
    for mine in found.subjects:
        inputs |= mine.inputs_in(books.out)
        planned.update(planned_paths(mine))
        ours |= named_by_receipts(mine)
        ours.update(announced_paths(books, mine))
    for stat in others:
        if stat.path in ours:
            (found.unfinished if stat.path in planned else found.orphans).append(stat)
        elif stat.path not in inputs:
            found.foreign.append(stat)
