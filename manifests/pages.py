"""Pages: where the files of a report lie, whose they are, and how a subject is taken out of those that all share.

_cleanplate/report/index.html, assets/, data/overview.js, tables/cameras.*, tables/measures.*      shared by all
_cleanplate/report/subjects/X.html, data/X/, pictures/X/, tables/frames/X.csv     of the subject with the folder name X
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from manifests.errors import SchemaUnknown
from manifests.qc import cameras_path, listed_qc
from manifests.sharding import subject_folder
from manifests.storage import Folder

REPORT = "_cleanplate/report"
INDEX = f"{REPORT}/index.html"
OVERVIEW = f"{REPORT}/data/overview.js"
TABLES = f"{REPORT}/tables"
GENERATOR = '<meta name="generator" content="cleanplate report">'
"""What says in a page that names no subject that it is ours."""

_ASSIGNED = "window.cleanplateOverview = "


def page_path(subject: str) -> str:
    """Return where the page of a subject lies, relative to the output root."""
    return f"{REPORT}/subjects/{subject_folder(subject)}.html"


def series_path(subject: str, place: int) -> str:
    """Return where the time series of a subject's sequence lie; `place` is that among its sequences."""
    return f"{REPORT}/data/{subject_folder(subject)}/series-{place}.js"


def pictures_folder(subject: str) -> str:
    """Return the folder of a subject's pictures."""
    return f"{REPORT}/pictures/{subject_folder(subject)}"


def frames_csv_path(subject: str) -> str:
    """Return where the measures of a subject's frames lie as CSV, if they were asked for."""
    return f"{TABLES}/frames/{subject_folder(subject)}.csv"


def owner_of(path: str) -> str | None:
    """Return the folder name of the subject that a file of the report is of, "" where all share it, None if foreign."""
    parts = path.removeprefix(f"{REPORT}/").split("/")
    if parts[0] == "subjects" and len(parts) == 2:
        return parts[1].removesuffix(".html")
    if parts[0] in ("data", "pictures") and len(parts) == 3:
        return parts[1]
    if parts[:2] == ["tables", "frames"] and len(parts) == 3:
        return parts[2].removesuffix(".csv")
    return "" if path == OVERVIEW or (parts[0] in ("assets", "tables") and len(parts) == 2) else None


def stored_subjects(out: Folder) -> set[str]:
    """Return the folder names of all subjects that the report has files of."""
    return {owner for stat in out.list(REPORT) if (owner := owner_of(stat.path))}


def own_pages(out: Folder, folder_name: str) -> list[str]:
    """Return all files of the report that are of the subject with a folder name."""
    return sorted(stat.path for stat in out.list(REPORT) if owner_of(stat.path) == folder_name)


def write_overview(out: Folder, overview: Mapping[str, Any]) -> None:
    """Write what the overview shows, as a script: a page that was opened from a disk may read nothing else."""
    out.write_atomic(OVERVIEW, f"{_ASSIGNED}{json.dumps(overview, separators=(',', ':'))};\n".encode())


def read_overview(out: Folder) -> dict[str, Any] | None:
    """Return what the overview shows, None where there is none or it is not ours."""
    try:
        text = out.read(OVERVIEW).decode()
        overview = json.loads(text.removeprefix(_ASSIGNED).rstrip().removesuffix(";"))
    except (FileNotFoundError, ValueError):
        return None
    return overview if isinstance(overview, dict) and isinstance(overview.get("subjects"), list) else None


def take_out(out: Folder, subject: str) -> None:
    """Take a subject out of the overview and the tables of a report; may be repeated.

    What cannot be read is deleted, and made again by the next report: it may name anyone.
    """
    overview = read_overview(out)
    if overview is None:
        out.delete([OVERVIEW])
    elif any(entry.get("name") == subject for entry in overview["subjects"]):
        overview["subjects"] = [entry for entry in overview["subjects"] if entry.get("name") != subject]
        write_overview(out, overview)
    stored = {stat.path for stat in out.list(TABLES) if owner_of(stat.path) == ""}
    if stored:
        written = write_tables(out, without=subject)
        out.delete(stored - written)


def write_tables(out: Folder, without: str | None = None) -> set[str]:
    """Write the verdicts and measures of all subjects as Parquet and CSV; return the paths.

    A table of QC that cannot be read is left out: the judging names it, and makes it again.
    """
    from manifests.tables_qc import join_cameras

    gone = None if without is None else cameras_path(without)
    files = [(path, out.read(path)) for path in listed_qc(out) if path != gone]
    try:
        tables = join_cameras(files)
    except SchemaUnknown:
        tables = join_cameras([file for file in files if _is_readable(*file)])
    for name, data in tables.items():
        out.write_atomic(f"{TABLES}/{name}", data)
    return {f"{TABLES}/{name}" for name in tables}


def _is_readable(path: str, data: bytes) -> bool:
    from manifests.tables_qc import read_verdicts

    try:
        read_verdicts(data, path)
    except SchemaUnknown:
        return False
    return True
