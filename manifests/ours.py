"""Ours: which files under an output root runs of cleanplate wrote, or may have; all others are foreign."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields

import numpy as np

from manifests.decisions import Decision
from manifests.inventory import Books, SubjectBooks
from manifests.layouts.outputs import BESIDE, fields_of, frame_file_paths, mask_paths, plate_path
from manifests.recipe import Recipe
from manifests.records import Frame
from manifests.runs import announced_by
from manifests.sharding import FrameTable

Key = tuple[str, str, int]
"""(sequence, camera, frame) of one subject."""


def planned_paths(mine: SubjectBooks) -> Iterator[str]:
    """Yield every file of a frame that the plan of a subject has written, or will write."""
    frames = None if mine.manifest is None else mine.manifest.frames
    for shard in mine.planned.values() if frames is not None else ():
        for frame in frames.frames(shard.rows):  # type: ignore[union-attr]
            yield from _files(shard.recipe, mine.subject, (shard.sequence, shard.camera, frame.frame), frame)


def announced_paths(books: Books, mine: SubjectBooks) -> Iterator[str]:
    """Yield every file of a frame that a run has announced to write, by the recipe that decided it then.

    Of a frame that the manifest no longer has, where its place can be told without.
    """
    known = _known_frames(mine)
    done: set[tuple[str, str, bool, bool, Key]] = set()
    for recipe, key in _announced(books, mine.subject):
        if (mark := (recipe.output_layout, recipe.mask_format, recipe.write_frames, recipe.pack, key)) in done:
            continue
        done.add(mark)
        frame = known.get(key) or _unlisted(recipe, key)
        if frame is not None:
            yield from _files(recipe, mine.subject, key, frame)


def announced_plates(books: Books, subject: str) -> set[str]:
    """Return the plates that runs have written beside frames of a subject."""
    return {plate_path(subject, key[1]) for recipe, key in _announced(books, subject) if recipe.write_frames}


def named_by_receipts(mine: SubjectBooks) -> set[str]:
    """Return every file that any receipt of a subject names, standing or not; a pack for what lies in it."""
    return {file.lies_in for receipt in mine.receipts for row in receipt.rows for file in row.files}


def _announced(books: Books, subject: str) -> Iterator[tuple[Recipe, Key]]:
    """Yield all frames that runs have announced, with the recipe that then decided them."""
    for run in books.runs:
        keys = sorted(set(announced_by(run, subject)))
        last = run.get("decision", books.decisions[-1].number if books.decisions else 0)
        decisions = [decision for decision in books.decisions if decision.number <= last]
        if keys and decisions:
            decider = _decider(subject, keys, decisions)
            yield from ((decisions[index].recipe, key) for index, key in zip(decider, keys, strict=True))


def _decider(subject: str, keys: Sequence[Key], decisions: Sequence[Decision]) -> list[int]:
    """Return, for each frame, the index of the last decision that selects it."""
    table = _bare_table(subject, keys)
    decider = np.zeros(len(keys), dtype=np.int64)
    for index, decision in enumerate(decisions):
        decider[decision.selection.rows(table)] = index
    found: list[int] = decider.tolist()
    return found


def _bare_table(subject: str, keys: Sequence[Key]) -> FrameTable:
    """Return a table with nothing but the coordinates of frames."""
    columns = [np.array([key[place] for key in keys], dtype=object) for place in (0, 1)]
    number = np.array([key[2] for key in keys], dtype=np.int32)
    nothing = np.zeros(len(keys), dtype=np.int32)
    known = {"sequence": columns[0], "camera": columns[1], "frame": number}
    others = {field.name: nothing for field in fields(FrameTable) if field.name not in ("subject", *known)}
    return FrameTable(subject=subject, **known, **others)


def _known_frames(mine: SubjectBooks) -> dict[Key, Frame]:
    if mine.manifest is None:
        return {}
    table = mine.manifest.frames
    found = table.frames(np.arange(len(table)))
    keys = zip(table.sequence, table.camera, table.frame.tolist(), strict=True)
    return dict(zip(keys, found, strict=True))


def _unlisted(recipe: Recipe, key: Key) -> Frame | None:
    """Return a stand-in for a frame that is in no manifest, or None where its masks lie by more than its numbers."""
    if recipe.output_layout == BESIDE or "source_frame" in fields_of(recipe.output_layout):
        return None
    return Frame(key[2], key[2], "", "image", 0, "")


def _files(recipe: Recipe, subject: str, key: Key, frame: Frame) -> Iterator[str]:
    sequence, camera, number = key
    if not recipe.pack:
        yield from mask_paths(recipe, subject, sequence, camera, frame)
    if recipe.write_frames:
        yield from frame_file_paths(subject, number, camera).values()
