"""Showing the manifest: what it holds of every camera, and what is wrong there."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
from rich.table import Table

from flows.guards import check_names
from flows.settings import EnumerateSettings
from flows.show import MOST_ROWS, plain_console
from flows.telling import count, ranges
from manifests.capture import Stream
from manifests.decisions import Selection
from manifests.errors import UsageError
from manifests.faults import VideoFault, holes, missing_plates, video_faults
from manifests.manifest import Manifest, listed_subjects, read_manifest
from manifests.rows import streams
from manifests.storage import Folder, open_folder

Row = dict[str, Any]


def print_manifest(out_url: str, settings: EnumerateSettings, as_json: bool) -> None:
    """Print frames, holes and faults of each selected camera; raises UsageError where there is no manifest."""
    out = open_folder(out_url, settings.store_options)
    subjects = chosen_subjects(out, settings)
    rows = [row for subject in subjects for row in manifest_rows(out, subject, settings.selection)]
    if as_json:
        print(json.dumps({"out": out.url, **_said_once(out, subjects), "cameras": rows}, indent=1))
        return
    said = _said_once(out, subjects)
    console = plain_console()
    console.print(f"Manifest under {out.url}\nCapture {said['capture']}, layout {said['layout']}", soft_wrap=True)
    if said["numbering"] == "gha":
        console.print("Numbers run on over all sequences of a subject, every third frame has one (--geometry gha).")
    console.print(_table(rows))
    no_plate = len({(row["subject"], row["camera"]) for row in rows if row["plate"] != "ok"})
    n_videos = sum(row["video"] not in ("", "absent") for row in rows)
    parts = [
        count(sum(row["n_frames"] for row in rows), "frame"),
        *([count(n_videos, "video")] if n_videos else []),
        count(sum(len(row["holes"]) for row in rows), "hole"),
        count(no_plate, "camera") + " without a usable plate",
    ]
    faulty = sum(not row["video"].isdigit() for row in rows if row["video"])
    console.print(
        ", ".join(parts) + (f", {count(faulty, 'video')} absent, short or unreadable" if faulty else "") + "."
    )


def chosen_subjects(out: Folder, settings: EnumerateSettings) -> list[str]:
    """Return the selected subjects of a manifest; raises UsageError where there is none."""
    listed = listed_subjects(out)
    if not listed:
        raise UsageError(f"{out.url} is not an output root of cleanplate: it has no manifest. Run cleanplate matte.")
    chosen = [subject for subject in listed if settings.selection.has_subject(subject)]
    check_names(settings.selection, listed, (read_manifest(out, subject) for subject in chosen))
    return chosen


def manifest_rows(out: Folder, subject: str, selection: Selection) -> list[Row]:
    """Return one row for each (sequence, camera) of a subject of which a frame is selected, and each absent video."""
    manifest = read_manifest(out, subject)
    if manifest is None:
        return []
    frames, chosen = manifest.frames, selection.rows(manifest.frames)
    lacking, plate_faults = holes(frames, manifest.plates), missing_plates(manifest)
    faults = video_faults(frames, manifest.plates)
    found = {
        stream: _row(manifest, stream, np.flatnonzero(chosen[rows]) + rows.start, faults.get(stream))
        for stream, rows in streams(frames).items()
        if chosen[rows].any()
    }
    for stream, fault in faults.items():
        wanted = zip((selection.sequences, selection.cameras), stream, strict=True)
        if fault.kind == "absent" and all(names is None or name in names for names, name in wanted):
            found[stream] = _row(manifest, stream, np.empty(0, dtype=np.int64), fault)
    for (sequence, camera), row in found.items():
        row["plate"] = plate_faults.get(camera, "ok")
        row["holes"] = lacking.get((sequence, camera), [])
    return [found[stream] for stream in sorted(found)]


def _row(manifest: Manifest, stream: Stream, rows: np.ndarray, fault: VideoFault | None) -> Row:
    frames = manifest.frames
    is_video = fault is not None or frames.kind[rows[0]] == "video"

    def span(column: np.ndarray) -> tuple[int | None, int | None]:
        return (int(column[rows].min()), int(column[rows].max())) if len(rows) else (None, None)

    first, last = span(frames.frame)
    source_first, source_last = span(frames.source_frame)
    return {
        "subject": manifest.subject,
        "sequence": stream[0],
        "camera": stream[1],
        "n_frames": len(rows),
        "first": first,
        "last": last,
        "source_first": source_first,
        "source_last": source_last,
        "width": span(frames.width)[1] or 0,
        "height": span(frames.height)[1] or 0,
        "video": str(fault or frames.video_frames[rows[0]]) if is_video else "",
    }


def _said_once(out: Folder, subjects: list[str]) -> dict[str, str]:
    """Return what all subjects of a manifest have in common."""
    manifest = next((found for subject in subjects if (found := read_manifest(out, subject)) is not None), None)
    if manifest is None:
        return {"capture": "", "layout": "", "plate_pattern": "", "numbering": ""}
    kept = "capture", "layout", "plate_pattern", "numbering"
    return {name: str(manifest.meta[name]) for name in kept}


_COLUMNS: dict[str, Callable[[Row], str]] = {
    "subject": lambda row: row["subject"],
    "sequence": lambda row: row["sequence"],
    "camera": lambda row: row["camera"],
    "frames": lambda row: str(row["n_frames"]),
    "numbers": lambda row: _span(row["first"], row["last"]),
    "in source": lambda row: _span(row["source_first"], row["source_last"]),
    "video": lambda row: row["video"],
    "size": lambda row: f"{row['width']}x{row['height']}" if row["width"] else "?" if row["n_frames"] else "",
    "plate": lambda row: row["plate"],
    "holes": lambda row: ranges(row["holes"]),
}


def _table(rows: list[Row]) -> Table:
    """Lay the rows out; a column that says nothing in this capture is left out."""
    shown = dict(_COLUMNS)
    for name in ("subject", "sequence", "camera", "video"):
        if not any(row[name] for row in rows):
            del shown[name]
    if all((row["first"], row["last"]) == (row["source_first"], row["source_last"]) for row in rows):
        del shown["in source"]
    table = Table()
    for name in shown:
        table.add_column(
            name,
            justify="right" if name == "frames" else "left",
            no_wrap=name in ("subject", "sequence", "camera", "numbers"),
            overflow="fold",
        )
    for cells in _merged([{name: cell(row) for name, cell in shown.items()} for row in rows]):
        table.add_row(*cells.values())
    return table


def _merged(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """Join the rows of a long table that differ in nothing but the camera."""
    if len(rows) <= MOST_ROWS:
        return rows
    alike: dict[tuple[str, ...], list[dict[str, str]]] = {}
    for row in rows:
        alike.setdefault(tuple(cell for name, cell in row.items() if name != "camera"), []).append(row)
    return [
        same[0] | {"camera": f"{len(same)} cameras" if len(same) > 2 else ", ".join(row["camera"] for row in same)}
        if "camera" in same[0]
        else same[0]
        for same in alike.values()
    ]


def _span(first: int | None, last: int | None) -> str:
    return "" if first is None else f"{first}" if first == last else f"{first}-{last}"
