"""Report: QC tables and pictures in, a site of pages out, each subject's made again only where its QC changed."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from typing import Any

from flows.report_choice import chosen_rows
from flows.report_overview import Row, count_cells, judged_row, overview_record, unjudged_row
from flows.report_pages import SubjectPage, assets, index_html, revision, subject_html
from flows.report_pictures import open_sources, write_pictures
from flows.report_series import sequences_of, series_script
from flows.report_words import explained, limits_of
from manifests.decisions import Selection, read_decisions
from manifests.errors import SchemaUnknown, UsageError
from manifests.manifest import listed_subjects, read_manifest
from manifests.measures import default_limits
from manifests.pages import (
    INDEX,
    TABLES,
    frames_csv_path,
    own_pages,
    page_path,
    read_overview,
    series_path,
    stored_subjects,
    write_overview,
    write_tables,
)
from manifests.plan import camera_statuses, read_plan
from manifests.qc import SubjectQc, listed_qc, read_qc_frames, read_subject_qc
from manifests.root import read_root
from manifests.sharding import subject_folder
from manifests.storage import Folder

N_THREADS = 4
MARK = "<!-- cleanplate "
"""Begins the line of a page that holds its stamp."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class ReportSettings:
    """What a report shows: `n_pictures` frames of each subject as pictures, measures of frames as CSV, too.

    `subjects` are those whose pages are made (None: all); the overview always shows all. `force` makes all of them.
    """

    subjects: Sequence[str] | None = None
    n_pictures: int = 24
    frame_tables: bool = False
    force: bool = False
    store_options: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Built:
    """What a report came to: counts of cells by verdict, pages made, kept, and files that cannot be read, with why."""

    cells: Mapping[str, int]
    n_subjects: int
    n_made: int
    n_kept: int
    troubles: tuple[str, ...]


def build_report(out: Folder, settings: ReportSettings, progress: Progress = lambda what, done, total: None) -> Built:
    """Bring the site under an output root up to date; raises UsageError where there is nothing to report.

    The overview is written last: it never leads to a page that is not there. Killed and called again, it goes on.
    """
    judged, troubles = _read_verdicts(out, progress)
    known = set(listed_subjects(out))
    if not judged and not known:
        raise UsageError(f"{out.url} is not an output root of cleanplate: it has no manifest. Run cleanplate matte.")
    wanted = sorted(judged if settings.subjects is None else set(settings.subjects) & set(judged))
    for path, data in {**assets(), INDEX: index_html()}.items():
        _write_if_other(out, path, data)
    built = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    made, faults = _build_pages(out, [judged[subject] for subject in wanted], settings, built, progress)
    rows = [judged_row(judged[subject]) for subject in judged]
    rows = [replace(row, has_page=page_path(row.subject) in made or row.subject not in wanted) for row in rows]
    rows += [unjudged_row(subject, _statuses(out, subject)) for subject in sorted(known - set(judged))]
    _drop_pages(out, {subject_folder(row.subject) for row in rows})
    _write_shared(out, sorted(rows, key=lambda row: row.subject), judged, built)
    n_made = sum(made.values())
    return Built(count_cells(rows), len(rows), n_made, len(made) - n_made, (*troubles, *faults))


def build_page(out: Folder, qc: SubjectQc, settings: ReportSettings, built: str) -> bool:
    """Write all files of a subject's page, the page last; tell whether that was needed.

    Raises SchemaUnknown for tables that cannot be read.
    """
    stamp = _stamp(qc, settings)
    if not settings.force and _is_current(out, qc.subject, stamp):
        return False
    whole, frames = read_subject_qc(out, qc.subject), read_qc_frames(out, qc.subject)
    if whole is None or frames is None:
        raise SchemaUnknown(f"Subject {qc.subject}: the table of its frames is not there. Run cleanplate report again.")
    for place, sequence in enumerate(sequences_of(frames)):
        out.write_atomic(series_path(qc.subject, place), series_script(frames, sequence, place, whole.cameras))
    if settings.frame_tables:
        from manifests.tables_qc import frames_csv

        out.write_atomic(frames_csv_path(qc.subject), frames_csv(frames))
    root = read_root(out)
    geometry = "native" if root is None else root.recipe.geometry
    sources = open_sources(out, read_manifest(out, qc.subject), geometry, settings.store_options or {})
    pictures = write_pictures(sources, frames, chosen_rows(whole, frames, settings.n_pictures))
    final = stamp if all(one.is_final for one in pictures) else "pictures are missing"
    limits = limits_of(whole.meta, default_limits())
    page = SubjectPage(whole, frames, limits, pictures, f"{MARK}{final} -->", built)
    out.write_atomic(page_path(qc.subject), subject_html(page))
    return True


def _build_pages(
    out: Folder, subjects: Sequence[SubjectQc], settings: ReportSettings, built: str, progress: Progress
) -> tuple[dict[str, bool], list[str]]:
    """Return the pages that are there, and whether each was made now; faults name the others."""
    made: dict[str, bool] = {}
    faults: list[str] = []
    with ThreadPoolExecutor(N_THREADS) as pool:
        waiting = {pool.submit(build_page, out, qc, settings, built): qc.subject for qc in subjects}
        try:
            for done, future in enumerate(as_completed(waiting), start=1):
                subject = waiting[future]
                try:
                    made[page_path(subject)] = future.result()
                except SchemaUnknown as err:
                    faults.append(str(err))
                progress("Pages", done, len(waiting))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return made, faults


def _read_verdicts(out: Folder, progress: Progress) -> tuple[dict[str, SubjectQc], list[str]]:
    """Return the verdicts of all subjects, without measures, and which tables cannot be read."""
    from manifests.tables_qc import read_verdicts

    found: dict[str, SubjectQc] = {}
    troubles: list[str] = []
    paths = listed_qc(out)
    with ThreadPoolExecutor(N_THREADS) as pool:
        for done, (path, data) in enumerate(zip(paths, pool.map(out.read, paths), strict=True), start=1):
            try:
                qc = read_verdicts(data, path)
                found[qc.subject] = qc
            except SchemaUnknown as err:
                troubles.append(str(err))
            progress("Verdicts", done, len(paths))
    return found, troubles


def _write_shared(out: Folder, rows: Sequence[Row], judged: Mapping[str, SubjectQc], built: str) -> None:
    """Write the tables of all subjects where one changed, then the overview."""
    told = {subject: (asdict(qc)["verdicts"], qc.meta) for subject, qc in sorted(judged.items())}
    stamp = hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()
    last = read_overview(out)
    if last is None or last.get("tables") != stamp or not any(True for _ in out.list(TABLES)):
        write_tables(out)
    first = next((limits_of(qc.meta, default_limits()) for qc in judged.values()), default_limits())
    about = {"out": out.url, "built": built, "tables": stamp, "measures": explained(first)}
    write_overview(out, overview_record(rows, about))


def _statuses(out: Folder, subject: str) -> Sequence[Any]:
    root = read_root(out)
    if root is None:
        return ()
    plan = read_plan(out, subject, read_decisions(out, root.decision), Selection(), root.grid)
    return () if plan is None else camera_statuses(out, plan)


def _stamp(qc: SubjectQc, settings: ReportSettings) -> str:
    """Return what a page is made of as one hash: verdicts, inputs and limits, templates, pictures, tables."""
    asked = settings.n_pictures, settings.frame_tables
    told = json.dumps([revision(), asked, asdict(qc)], sort_keys=True, default=str)
    return hashlib.sha256(told.encode()).hexdigest()[:32]


def _is_current(out: Folder, subject: str, stamp: str) -> bool:
    try:
        return f"{MARK}{stamp} ".encode() in out.read_range(page_path(subject), 0, 200)
    except FileNotFoundError:
        return False


def _write_if_other(out: Folder, path: str, data: bytes) -> None:
    try:
        if out.read(path) == data:
            return
    except FileNotFoundError:
        pass
    out.write_atomic(path, data)


def _drop_pages(out: Folder, known: set[str]) -> None:
    """Delete the pages of subjects that are neither in the manifest nor judged any more."""
    for name in stored_subjects(out) - known:
        gone = own_pages(out, name)
        out.delete(gone)
        out.prune(gone)
