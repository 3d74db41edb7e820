"""The inventory: what the books of an output root say, read without trust, subject by subject."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from manifests.decisions import DECISIONS, Decision, read_decisions
from manifests.errors import NothingSelected, SchemaNewer, SchemaUnknown, UsageError
from manifests.layouts.outputs import mask_root
from manifests.manifest import Manifest, frames_path, listed_subjects, read_manifest
from manifests.receipts import Damage, Receipt, Row, read_all_receipts
from manifests.root import ROOT, Root, read_root
from manifests.runs import read_runs
from manifests.sharding import PlannedShard, plan_subject
from manifests.storage import Folder


@dataclass(frozen=True, slots=True)
class Books:
    """What an output root says of itself as a whole; `root` is None and nothing decided where nothing was matted."""

    out: Folder
    root: Root | None
    decisions: tuple[Decision, ...]
    runs: Sequence[Mapping[str, Any]]
    subjects: tuple[str, ...]

    @property
    def layouts(self) -> list[str]:
        """Return the output layouts of all decisions."""
        return sorted({decision.recipe.output_layout for decision in self.decisions})


@dataclass(frozen=True, slots=True)
class SubjectBooks:
    """What an output root says of one subject; `manifest` is None where there is none that can be read."""

    subject: str
    manifest: Manifest | None
    planned: Mapping[str, PlannedShard]
    receipts: Sequence[Receipt]
    damages: tuple[Damage, ...] = ()

    @property
    def stale(self) -> list[Receipt]:
        """Return the receipts of no shard of the plan."""
        return [receipt for receipt in self.receipts if receipt.shard_id not in self.planned]

    @property
    def pending(self) -> list[PlannedShard]:
        """Return the shards of the plan without a receipt."""
        done = {receipt.shard_id for receipt in self.receipts}
        return [shard for shard_id, shard in self.planned.items() if shard_id not in done]

    def standing(self) -> Iterator[tuple[PlannedShard, Receipt, list[Row]]]:
        """Yield each receipt of the plan with those of its rows that no later decision has put aside."""
        for receipt in self.receipts:
            shard = self.planned.get(receipt.shard_id)
            if shard is not None and self.manifest is not None:
                due = set(self.manifest.frames.frame[shard.rows].tolist())
                yield shard, receipt, [row for row in receipt.rows if row.frame in due]

    def inputs_in(self, out: Folder) -> set[str]:
        """Return the files of the capture that lie under the output root, where that is the capture itself."""
        if self.manifest is None or not is_same_folder(out, self.manifest.capture_url):
            return set()
        frames, calibration = self.manifest.frames, self.manifest.calibration
        plates = {plate.path for plate in self.manifest.plates.values() if plate.path is not None}
        extra = {calibration.path} if calibration is not None else set()
        return {*frames.path, *frames.visible_path, *plates, *extra} - {""}


def read_books(out: Folder) -> Books:
    """Read what an output root says as a whole; raises UsageError for a folder that is none, SchemaUnknown."""
    root, runs = read_root(out), read_runs(out)
    subjects = listed_subjects(out)
    if root is None and not subjects:
        raise UsageError(f"{out.url} is not an output root of cleanplate: it has neither root.json nor a manifest.")
    decisions = () if root is None else read_decisions(out, root.decision)
    return Books(out, root, decisions, runs, tuple(subjects))


def read_subject(books: Books, subject: str) -> SubjectBooks:
    """Read the manifest and all receipts of a subject and plan it; what is damaged is named and left out."""
    receipts, damages = read_all_receipts(books.out, subject)
    damages += _lost_decisions(books, subject, receipts)
    try:
        manifest = read_manifest(books.out, subject)
    except SchemaNewer:
        raise
    except (SchemaUnknown, KeyError, TypeError) as err:
        damages.append(Damage("manifest", subject, frames_path(subject), str(err)))
        manifest = None
    planned: list[PlannedShard] = []
    if manifest is not None and books.root is not None:
        arguments = manifest.frames, manifest.plates, books.decisions, books.root.grid, manifest.calibration
        planned = plan_subject(*arguments)
    return SubjectBooks(subject, manifest, {shard.shard_id: shard for shard in planned}, receipts, tuple(damages))


def _lost_decisions(books: Books, subject: str, receipts: Sequence[Receipt]) -> Iterator[Damage]:
    """Yield the decisions that receipts speak of and that are not there; without root.json not even the first is."""
    known = {decision.number for decision in books.decisions}
    for number in sorted({row.decision for receipt in receipts for row in receipt.rows} - known):
        path = f"{DECISIONS}/{number}.json" if number else ROOT
        yield Damage("decision", subject, path, f"receipts speak of decision {number}: restore it from a copy")


def groups(books: Books, chosen: Sequence[str] | None) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Return (subjects, folders): chosen subjects with the folders that hold their masks, each folder in one group.

    Subjects whose masks lie in one folder are a group. Raises NothingSelected for a subject that is not listed.
    """
    unknown = sorted(set(chosen or ()) - set(books.subjects))
    if unknown:
        known = ", ".join(books.subjects[:16]) or "none"
        raise NothingSelected(
            f"--subjects {','.join(unknown)}: not in the manifest of {books.out.url}. There is: {known}."
        )
    roots = {subject: _roots(books, subject) for subject in books.subjects}
    tops = _tops(folder for folders in roots.values() for folder in folders)
    joined: list[tuple[set[str], set[str]]] = []
    for subject, folders in roots.items():
        mine = {next(top for top in tops if _holds(top, folder)) for folder in folders}
        same = [group for group in joined if group[1] & mine]
        joined = [group for group in joined if group not in same]
        joined.append(({subject}.union(*(g[0] for g in same)), mine.union(*(g[1] for g in same))))
    wanted = set(books.subjects if chosen is None else chosen)
    return [(tuple(sorted(s)), tuple(sorted(f))) for s, f in sorted(joined, key=lambda g: min(g[0])) if s & wanted]


def is_same_folder(out: Folder, url: str) -> bool:
    """Tell whether an output root is the folder at `url`, however that is spelled."""
    here, there = out.local_path(""), url.removeprefix("file://")
    if here is None or "://" in there:
        return out.url.rstrip("/") == url.rstrip("/")
    return os.path.realpath(here) == os.path.realpath(there)


def _roots(books: Books, subject: str) -> set[str]:
    """Return the folders that hold the masks of a subject, by any decision."""
    roots = set()
    for layout in books.layouts:
        root = mask_root(layout, subject)
        roots |= _beside(books.out, subject) if root is None else {root}
    return roots


def _beside(out: Folder, subject: str) -> set[str]:
    """Return the deepest folder that holds all frames of a subject."""
    try:
        manifest = read_manifest(out, subject)
    except SchemaNewer:
        raise
    except (SchemaUnknown, KeyError, TypeError):
        return set()
    if manifest is None or not len(manifest.frames):
        return set()
    folders = {path.rpartition("/")[0] for path in np.unique(manifest.frames.path.astype(str)).tolist()}
    return {os.path.commonpath(list(folders)) if all(folders) else ""}


def _tops(folders: Iterable[str]) -> list[str]:
    """Return the folders that lie in no other one."""
    tops: list[str] = []
    for folder in sorted(set(folders), key=lambda name: f"{name}/" if name else ""):
        if not tops or not _holds(tops[-1], folder):
            tops.append(folder)
    return tops


def _holds(top: str, folder: str) -> bool:
    return top in ("", folder) or folder.startswith(f"{top}/")
