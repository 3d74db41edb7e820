"""The survey: what every mask under an output root is, by the books and one listing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from manifests.inventory import Books, SubjectBooks, read_subject
from manifests.layouts.base import OURS
from manifests.layouts.outputs import mask_regex, plate_path
from manifests.ours import announced_paths, named_by_receipts, planned_paths
from manifests.receipts import NamedFile
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

    `named` are all files that standing rows name, `sizes` are those of them that are there. Of the masks that none
    names, `unfinished` are ours where the plan wants one, `orphans` ours where it wants none, `foreign` not ours.
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
        found.named |= _named(mine)
    others = _list(books, found, folders)
    if others and not any(mine.damages or mine.manifest is None for mine in found.subjects):
        _sort(books, found, others)
    return found


def _named(mine: SubjectBooks) -> dict[str, Named]:
    """Return the files of the standing rows of a subject by their paths."""
    named: dict[str, Named] = {}
    for shard, receipt, rows in mine.standing():
        place = mine.subject, receipt.shard_id
        named |= {file.path: Named(file, *place) for row in rows for file in row.files}
        plate = mine.manifest and mine.manifest.plates.get(shard.camera)
        if shard.recipe.write_frames and shard.recipe.uses_plate and plate and any(row.is_ok for row in rows):
            path = plate_path(mine.subject, shard.camera)
            named.setdefault(path, Named(NamedFile(path, None, None), *place))
    return named


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
