"""Forget: a subject withdraws: all that was made of it goes, and a record without its name says that it was done."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from manifests.errors import NothingSelected, SchemaUnknown, UsageError
from manifests.failures import failures_folder
from manifests.inventory import Books, SubjectBooks, groups, read_books, read_subject
from manifests.layouts.outputs import mask_regex, mask_root
from manifests.ledger import ledger_folder
from manifests.manifest import frames_path, plates_path
from manifests.numbering import numbering_paths
from manifests.ours import announced_paths, announced_plates, named_by_receipts, planned_paths
from manifests.packs import packs_folder
from manifests.pages import take_out
from manifests.qc import CAMERAS as QC_CAMERAS
from manifests.qc import cameras_path
from manifests.records import FileStat
from manifests.runs import announced_by
from manifests.scrub import naming, pages_of, scrub_records
from manifests.storage import Folder

FORGOTTEN = "_cleanplate/forgotten"
CLAIMS = "_cleanplate/claims"


@dataclass(frozen=True, slots=True)
class Traces:
    """What there is of a subject: `files` masks and frame files of ours, `pages` pictures and pages of it.

    `books` are its manifest, receipts and failures, `foreign` masks that are not ours and stay.
    """

    subject: str
    files: tuple[FileStat, ...]
    pages: tuple[str, ...]
    books: tuple[str, ...]
    foreign: tuple[str, ...]
    places: frozenset[str]

    @property
    def n_bytes(self) -> int:
        """Count the bytes of the masks and frame files."""
        return sum(stat.size_bytes for stat in self.files)


def find_traces(out: Folder, subject: str) -> Traces:
    """Return what there is of a subject, from its books and one listing; nothing is written.

    Raises NothingSelected for a subject of which nothing is known, and Refused while its books are damaged.
    """
    if not subject:
        raise UsageError("A subject with a name is wanted. Where a capture has none, delete the output root itself.")
    books = read_books(out)
    mine = read_subject(books, subject)
    own = [*out.list(ledger_folder(subject)), *out.list(failures_folder(subject))]
    kept = {frames_path(subject), plates_path(subject), *numbering_paths(out, subject)}
    own += [stat for stat in out.list("_cleanplate/manifest") if stat.path in kept]
    own += [stat for stat in out.list(QC_CAMERAS) if stat.path == cameras_path(subject)]
    own += [stat for stat in out.list(CLAIMS) if naming(subject).search(stat.path.replace("%2F", "/"))]
    announced = any(next(announced_by(run, subject), None) for run in books.runs)
    if not own and not announced and forgotten_record(out, subject) is None:
        raise NothingSelected(f"{out.url} knows no subject {subject}. There is: {', '.join(books.subjects) or 'none'}.")
    by_listing = all(mask_root(layout, subject) is not None for layout in books.layouts)
    damage = next((damage for damage in mine.damages if damage.kind != "manifest" or not by_listing), None)
    if damage is not None:
        raise SchemaUnknown(
            f"Subject {subject}: {damage.text} Until it is mended nobody knows all that was made of the "
            "subject. Run cleanplate verify --repair and cleanplate enumerate first."
        )
    ours = named_by_receipts(mine) | announced_plates(books, subject) | set(announced_paths(books, mine))
    places = (ours | set(planned_paths(mine))) - mine.inputs_in(out)
    files, foreign = _listed(books, mine, places, ours)
    files = (*files, *out.list(packs_folder(subject)))
    pages = tuple(pages_of(out, subject, books.subjects))
    return Traces(subject, files, pages, tuple(stat.path for stat in own), foreign, frozenset(places))


def forget(out: Folder, subject: str, by: str, when: str) -> Traces:
    """Delete all that was made of a subject, take its name out of the records, and record that it was done.

    What tells where its files lie goes last: killed at any moment and called again, it finishes. Files of the capture
    stay, also where the output root is the capture. `by` and `when` go into the record.
    """
    traces = find_traces(out, subject)
    _write_record(out, subject, {"state": "begun", "by": by, "begun": when})
    out.delete(stat.path for stat in traces.files)
    _delete_leftovers(out, traces)
    out.delete(traces.pages)
    take_out(out, subject)
    out.prune([*traces.places, *traces.pages, f"{packs_folder(subject)}/."])
    last = {frames_path(subject), plates_path(subject), *numbering_paths(out, subject)}
    out.delete(path for path in traces.books if path not in last)
    out.prune(path for path in traces.books if path not in last)
    out.prune([f"{ledger_folder(subject)}/.", f"{failures_folder(subject)}/."])
    scrub_records(out, subject)
    out.delete(path for path in traces.books if path in last)
    counts = {"n_files": len(traces.files), "n_bytes": traces.n_bytes, "n_pages": len(traces.pages)}
    _write_record(out, subject, {"state": "done", "by": by, "begun": when, **counts})
    return traces


def forgotten_record(out: Folder, subject: str) -> dict[str, Any] | None:
    """Return the record of a subject that was forgotten here, None where it was not."""
    try:
        record = json.loads(out.read(_record_path(subject)))
    except FileNotFoundError:
        return None
    except ValueError:
        return {"state": "unreadable"}
    return record if isinstance(record, dict) else {"state": "unreadable"}


def forgotten_among(out: Folder, subjects: Sequence[str]) -> list[str]:
    """Return those of the subjects that were forgotten here, by one listing."""
    known = {stat.path for stat in out.list(FORGOTTEN)}
    return [subject for subject in subjects if _record_path(subject) in known]


def _record_path(subject: str) -> str:
    """Return where it is recorded that a subject was forgotten: under a hash, for the name is to go."""
    return f"{FORGOTTEN}/{hashlib.sha256(subject.encode()).hexdigest()[:32]}.json"


def _write_record(out: Folder, subject: str, record: dict[str, Any]) -> None:
    out.write_atomic(_record_path(subject), json.dumps(record, indent=1, sort_keys=True).encode())


def _listed(
    books: Books, mine: SubjectBooks, places: set[str], ours: set[str]
) -> tuple[tuple[FileStat, ...], tuple[str, ...]]:
    """Return the files of ours that lie at one of the places, and the masks beside them that are foreign.

    Places are all but the files of the capture itself; one that no run has announced is foreign, too.
    """
    shapes = [mask_regex(layout) for layout in books.layouts]
    files, foreign = [], []
    for folder in _folders(books, mine.subject, places):
        for stat in books.out.list(folder):
            if stat.path in ours and stat.path in places:
                files.append(stat)
            elif stat.path in places or (mine.subject in stat.path.split("/") and _fits(shapes, stat.path)):
                foreign.append(stat.path)
    return tuple(files), tuple(foreign)


def _fits(shapes: Sequence[Any], path: str) -> bool:
    return not path.startswith("_cleanplate/") and any(shape.fullmatch(path) for shape in shapes)


def _folders(books: Books, subject: str, places: set[str]) -> list[str]:
    """Return the folders to list: those of the subject's group, or of the places where it is in no manifest."""
    if subject in books.subjects:
        return [folder for _, folders in groups(books, [subject]) for folder in folders]
    return sorted({path.split("/", 1)[0] if "/" in path else "" for path in places})


def _delete_leftovers(out: Folder, traces: Traces) -> None:
    """Delete what unfinished writes have left in folders that are the subject's own."""
    own = set()
    for path in traces.places:
        folders = path.split("/")[:-1]
        if traces.subject in folders:
            own.add("/".join(folders[: folders.index(traces.subject) + 1]))
    for folder in (*own, packs_folder(traces.subject)):
        out.delete_leftovers(list(out.leftovers(folder)))
