"""Unpacking: the masks of an output root, packed or not, as files of any layout elsewhere."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice

import numpy as np

from manifests.ahead import map_ahead
from manifests.decisions import Selection
from manifests.errors import SchemaUnknown, UsageError
from manifests.inventory import Books, SubjectBooks, read_subject
from manifests.layouts.outputs import mask_paths, mask_root
from manifests.packs import read_window, windows
from manifests.receipts import NamedFile
from manifests.storage import Folder
from manifests.verify import Progress

AT_ONCE = 8
"""Windows of masks, or files of a listing, that are read and written at once."""


@dataclass(frozen=True, slots=True)
class Unpacking:
    """Which masks of an output root go where; without `layout` they lie as the recipe of each says."""

    books: Books
    target: Folder
    layout: str | None
    selection: Selection


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What became of the selected frames. Counts of mask files: `n_written` are new or were other ones, `n_kept` were
    there with the right bytes. `n_without` frames have no mask; `stale` are files that lie where theirs would be.

    `damaged` are masks whose bytes are not those of their receipts: they are not written.
    """

    n_frames: int = 0
    n_written: int = 0
    n_kept: int = 0
    n_bytes: int = 0
    n_without: int = 0
    stale: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()

    def __add__(self, other: Unpacked) -> Unpacked:
        """Join what became of other frames."""
        return Unpacked(*(getattr(self, name) + getattr(other, name) for name in Unpacked.__slots__))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is to be where: the masks of frames by their targets, and the targets of frames without any."""

    masks: Mapping[str, NamedFile]
    n_frames: int
    without: Sequence[tuple[str, ...]]


def unpack_subject(wish: Unpacking, subject: str, progress: Progress | None = None) -> Unpacked:
    """Write the masks of the selected frames of a subject as files of checked bytes; may be killed and repeated.

    What is there with the right bytes is kept, other masks at those places are written over. Raises SchemaUnknown where
    the books of the subject are damaged, and UsageError where two frames would have one mask or a file of the capture
    would be written over.
    """
    mine = read_subject(wish.books, subject)
    if mine.damages or mine.manifest is None:
        said = mine.damages[0].text if mine.damages else "it has no manifest"
        raise SchemaUnknown(f"Subject {subject}: {said} Run cleanplate verify --repair and cleanplate matte first.")
    wanted = _wanted(mine, wish.layout, wish.selection)
    inputs = mine.inputs_in(wish.target)
    hit = next((path for path in wanted.masks if path in inputs), None)
    if hit is not None:
        raise UsageError(f"{hit} is a file of the capture. Name another --to, or another --output-layout.")
    folders = _folders(wanted, subject, wish.layout)
    sizes = {stat.path: stat.size_bytes for folder in folders for stat in wish.target.list(folder)}
    stale = tuple(path for paths in wanted.without for path in paths if path in sizes and path not in wanted.masks)
    found = Unpacked(wanted.n_frames, n_without=len(wanted.without), stale=stale)
    done = 0
    for one in _written(wish.books.out, wish.target, wanted.masks, sizes):
        found += one
        done += one.n_written + one.n_kept + len(one.damaged)
        if progress is not None:
            progress(f"masks of {subject}", done, len(wanted.masks))
    return found


def _wanted(mine: SubjectBooks, layout: str | None, selection: Selection) -> _Wanted:
    """Find where the masks of the selected frames go, by their standing rows."""
    if mine.manifest is None:
        return _Wanted({}, 0, ())
    table = mine.manifest.frames
    rows = np.flatnonzero(selection.rows(table))
    keys = zip(table.sequence[rows], table.camera[rows], table.frame[rows].tolist(), strict=True)
    frames = dict(zip(keys, table.frames(rows), strict=True))
    masks: dict[str, NamedFile] = {}
    without = []
    for shard, _, standing in mine.standing():
        recipe = shard.recipe if layout is None else replace(shard.recipe, output_layout=layout)
        for row in standing:
            frame = frames.pop((row.sequence, row.camera, row.frame), None)
            if frame is None:
                continue
            targets = mask_paths(recipe, mine.subject, row.sequence, row.camera, frame)
            if not row.is_ok:
                without.append(tuple(targets))
                continue
            for target, file in zip(targets, row.files[:2], strict=True):
                if target in masks:
                    raise UsageError(
                        f"Subject {mine.subject}: two frames would have the same mask {target}. Choose an "
                        "--output-layout that tells them apart: beside, vhap, or a pattern with {sequence}, {camera} "
                        "and {frame}."
                    )
                masks[target] = file
    return _Wanted(masks, len(masks) // 2 + len(without) + len(frames), [*without, *[()] * len(frames)])


def _folders(wanted: _Wanted, subject: str, layout: str | None) -> set[str]:
    """Return the folders to list: the subject's own one where the layout has that, else the tops of all targets."""
    root = mask_root(layout, subject) if layout is not None else None
    if root:
        return {root}
    targets = [*wanted.masks, *(path for paths in wanted.without for path in paths)]
    return {path.split("/", 1)[0] if "/" in path else "" for path in targets}


def _written(
    out: Folder, target: Folder, masks: Mapping[str, NamedFile], sizes: Mapping[str, int]
) -> Iterator[Unpacked]:
    """Write what is not there yet, window by window, on threads."""
    lying = [path for path, file in masks.items() if sizes.get(path) == file.size_bytes]
    there = map_ahead(partial(_is_there, target, masks), lying, AT_ONCE)
    kept = {path for path, is_there in zip(lying, there, strict=True) if is_there}
    yield Unpacked(n_kept=len(kept))
    targets = {file.path: path for path, file in masks.items() if path not in kept}
    wanted = {path: masks[target] for path, target in targets.items()}
    write = partial(_write, out, target, targets, wanted)
    for window in map_ahead(write, _cut(windows(wanted)), AT_ONCE):
        yield from window


def _is_there(target: Folder, masks: Mapping[str, NamedFile], path: str) -> bool:
    return hashlib.sha256(target.read(path)).hexdigest() == masks[path].sha256


def _cut(found: Iterator[list[str]]) -> Iterator[list[str]]:
    """Cut windows so that a shard's masks are written by several threads."""
    for window in found:
        rest = iter(window)
        while some := list(islice(rest, 16)):
            yield some


def _write(
    out: Folder, target: Folder, targets: Mapping[str, str], wanted: Mapping[str, NamedFile], window: list[str]
) -> list[Unpacked]:
    try:
        found = read_window(out, window)
    except FileNotFoundError:
        return [Unpacked(damaged=tuple(window))]
    done = []
    for path, data in zip(window, found, strict=True):
        if hashlib.sha256(data).hexdigest() != wanted[path].sha256:
            done.append(Unpacked(damaged=(path,)))
            continue
        target.write_atomic(targets[path], data)
        done.append(Unpacked(n_written=1, n_bytes=len(data)))
    return done
