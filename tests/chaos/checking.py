"""Checking: a disturbed output root against the tree of an undisturbed run, frame by frame and byte by byte."""

from __future__ import annotations

import hashlib
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from manifests.garbage import collect_garbage
from manifests.inventory import SubjectBooks, read_books, read_subject
from manifests.layouts.outputs import mask_paths
from manifests.manifest import Manifest
from manifests.packs import place_of, read_mask
from manifests.records import Frame as ListedFrame
from manifests.storage import Folder
from manifests.verify import verify

FrameKey = tuple[str, str, str, int]
"""(subject, sequence, camera, frame)."""
OURS = "_cleanplate/"


@dataclass(frozen=True)
class Frame:
    """What the books say of a frame: whether it is ok, and the paths and hashes of its files."""

    is_ok: bool
    files: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True)
class Tree:
    """An output root: the sha256 of every file outside the books, the frames that rows stand for, those pending.

    A mask in a pack is a file here, of the name that it has when it is unpacked, so that a root with packs is like one
    with files.
    `twice` are frames of which two live receipts speak, `numbers` hash which file is which frame, by subject.
    """

    files: Mapping[str, str]
    frames: Mapping[FrameKey, Frame]
    n_pending: int
    twice: frozenset[FrameKey]
    numbers: Mapping[str, str]


@dataclass(frozen=True)
class Findings:
    """How a disturbed root differs from the undisturbed one; `texts` name the first few differences.

    `lost` counts frames, `corrupt` files, `duplicates` frames.
    """

    lost: int = 0
    corrupt: int = 0
    duplicates: int = 0
    texts: tuple[str, ...] = ()

    @property
    def are_none(self) -> bool:
        """Tell whether nothing was found."""
        return not (self.lost or self.corrupt or self.duplicates)


def read_tree(out: Folder) -> Tree:
    """Read all of an output root: every file of masks, every mask of packs, and the rows that stand."""
    books = read_books(out)
    frames: dict[FrameKey, Frame] = {}
    speaks: Counter[FrameKey] = Counter()
    n_pending, numbers = 0, {}
    hashes = {stat.path: _sha256(out.read(stat.path)) for stat in out.list() if not stat.path.startswith(OURS)}
    for subject in books.subjects:
        mine = read_subject(books, subject)
        n_pending += sum(len(shard.rows) for shard in mine.pending)
        numbers[subject] = _numbers(mine.manifest)
        for key, is_ok, files in _standing(mine):
            speaks[key] += 1
            frames[key] = Frame(is_ok, tuple((name, sha256) for name, _, sha256 in files))
            hashes |= {name: _sha256(data) for name, path, _ in files if (data := _from_pack(out, path)) is not None}
    return Tree(hashes, frames, n_pending, frozenset(key for key, number in speaks.items() if number > 1), numbers)


def check(out: Folder, reference: Tree) -> Findings:
    """Verify a completed root deeply by the product's own code, and compare it with the tree of an undisturbed run.

    Lost is a frame without row, with another status, or without a file that the reference has; corrupt is a file of
    other bytes than in the reference or as its receipt says, or one that the reference lacks; a duplicate is a frame
    of which two live receipts speak. No mask may be unfinished, orphaned or foreign, no more frames pending than in the
    reference, and the manifest must say the same.
    """
    verified, tree = verify(out, deep=True), read_tree(out)
    lost = dict(_lost(tree, reference))
    n_lost = max(len(lost), tree.n_pending - reference.n_pending)
    twice = {damage.path: damage.text for damage in verified.damages if damage.kind == "twice"}
    corrupt = {damage.path: damage.text for damage in verified.damages if damage.kind not in ("twice", "missing")}
    for stat in (*verified.orphans, *verified.foreign, *verified.unfinished):
        corrupt.setdefault(stat.path, "no receipt names it")
    for subject in tree.numbers.keys() | reference.numbers.keys():
        if tree.numbers.get(subject) != reference.numbers.get(subject):
            corrupt[f"the manifest of {subject}"] = "other frames than in the reference"
    for path, text in _differing(tree, reference):
        corrupt.setdefault(path, text)
    texts = [f"{key} {text}" for key, text in lost.items()]
    texts += [f"{path}: {text}" for path, text in (*corrupt.items(), *twice.items())]
    return Findings(n_lost, len(corrupt), max(len(tree.twice), len(twice)), tuple(texts[:5]))


def _lost(tree: Tree, reference: Tree) -> Iterator[tuple[FrameKey, str]]:
    """Yield the frames of the reference that are not in the tree as they must be, and why."""
    for key, wanted in reference.frames.items():
        found = tree.frames.get(key)
        if found is None:
            yield key, "has no row"
        elif found.is_ok != wanted.is_ok:
            yield key, "has a row of another status"
        else:
            gone = [path for path, _ in (*wanted.files, *found.files) if path not in tree.files]
            if gone:
                yield key, f"lacks {gone[0]}"


def _differing(tree: Tree, reference: Tree) -> Iterator[tuple[str, str]]:
    """Yield the files whose bytes, or those that a receipt says, are not the reference's."""
    for path, sha256 in tree.files.items():
        if path not in reference.files:
            yield path, "the reference has none"
        elif sha256 != reference.files[path]:
            yield path, "other bytes than in the reference"
    named = {path for frame in reference.frames.values() for path, _ in frame.files}
    yield from ((path, "is not there") for path in reference.files.keys() - tree.files.keys() - named)
    for frame in tree.frames.values():
        for path, sha256 in frame.files:
            if sha256 not in (None, reference.files.get(path)):
                yield path, "its receipt speaks of other bytes than the reference's"


def sweep(out: Folder) -> None:
    """Delete by the product's own code what no receipt names, whatever its age: packs that were written anew."""
    collect_garbage(out, sys.maxsize, delete=True)


def _standing(mine: SubjectBooks) -> Iterator[tuple[FrameKey, bool, list[tuple[str, str, str | None]]]]:
    """Yield the frames that rows stand for: whether they are ok, and name, place and hash of their files."""
    table = None if mine.manifest is None else mine.manifest.frames
    if table is None:
        return
    keys = zip(table.sequence, table.camera, table.frame.tolist(), strict=True)
    listed: dict[tuple[str, str, int], ListedFrame] = dict(zip(keys, table.frames(range(len(table))), strict=True))
    for shard, _, rows in mine.standing():
        for row in rows:
            place = row.sequence, row.camera, row.frame
            names = [file.path for file in row.files]
            if names and place_of(names[0]) is not None:
                names[:2] = mask_paths(shard.recipe, mine.subject, row.sequence, row.camera, listed[place])
            files = [(name, file.path, file.sha256) for name, file in zip(names, row.files, strict=True)]
            yield (mine.subject, *place), row.is_ok, files


def _from_pack(out: Folder, path: str) -> bytes | None:
    """Return the bytes that lie in a pack where a row says; None for a file of its own, and where there is no pack."""
    if place_of(path) is None:
        return None
    try:
        return read_mask(out, path)
    except FileNotFoundError:
        return None


def _numbers(manifest: Manifest | None) -> str:
    frames = manifest.frames if manifest is not None else None
    columns = () if frames is None else (frames.sequence, frames.camera, frames.frame, frames.source_frame, frames.path)
    return _sha256(repr([column.tolist() for column in columns]).encode())


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
