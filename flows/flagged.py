"""Flagged: the frames that QC finds bad, printed, exported for loaders, and compared with what they became."""

from __future__ import annotations

import csv
import io
import json
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import chain, islice
from typing import Any, Literal, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from flows.report_words import value_text
from flows.settings import EnumerateSettings
from flows.show import plain_console
from flows.sides import split_url
from flows.telling import count
from manifests.comparing import Compared, compare
from manifests.errors import UsageError
from manifests.flagged import Flagged, Level, find_flagged
from manifests.storage import Folder, open_folder

MOST_ROWS = 100
COLUMNS = Flagged._fields[:-1]
EXPORTED = ("subject", "sequence", "camera", "frame", "mask_path")


def print_flagged(out_url: str, settings: EnumerateSettings, level: Level, measure: str | None, style: str) -> None:
    """Print the flagged frames as a table (the first ones, and counts), or all of them as CSV or JSON."""
    out = open_folder(out_url, settings.store_options)
    rows = chain.from_iterable(one.rows() for one in find_flagged(out, settings.selection, level, measure))
    if style == "csv":
        _print_csv(rows, sys.stdout)
    elif style == "json":
        _print_json(rows, sys.stdout)
    else:
        _show(plain_console(), rows, level)


def export_flagged(out_url: str, settings: EnumerateSettings, level: Level, measure: str | None, target: str) -> int:
    """Write the flagged frames to a file whole, in the form that its ending names, and return how many there are."""
    folder, name = split_url(target)
    form = next((form for ending, form in FORMS.items() if name.lower().endswith(ending)), None)
    if form is None:
        raise UsageError(f"--export {target}: a file that ends in {', '.join(FORMS)} is wanted.")
    out = open_folder(out_url, settings.store_options)
    rows = [row for one in find_flagged(out, settings.selection, level, measure) for row in one.rows()]
    open_folder(folder, settings.store_options).write_atomic(name, form(rows).encode())
    return len(rows)


def print_compared(out: Folder, decisions: Sequence[int], style: str = "table") -> None:
    """Print what flagged frames were before these decisions and are now; raises UsageError where nothing was kept."""
    rows = [row for decision in decisions for row in compare(out, decision)]
    if not rows:
        numbers = ", ".join(map(str, decisions))
        raise UsageError(
            f"{out.url} keeps no numbers from before decision {numbers}: no flagged frames were redone by it."
        )
    if style == "table":
        show_compared(plain_console(), rows)
        return
    records = [asdict(row) for row in rows]
    if style == "json":
        print(json.dumps(records, indent=1))
        return
    writer = csv.DictWriter(sys.stdout, list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)


def show_compared(console: Console, rows: Sequence[Compared]) -> None:
    """Print a table of before -> after by camera and measure."""
    with_sequence = any(row.sequence for row in rows)
    table = _table("Flagged frames, before → after")
    for name in ("subject", *(["sequence"] if with_sequence else []), "camera", "measure"):
        table.add_column(name, no_wrap=name != "sequence", overflow="fold")
    for name in ("frames", "worst", "median", "still bad"):
        table.add_column(name, justify="right", no_wrap=name in ("frames", "still bad"))
    for row in rows[:MOST_ROWS]:
        names = [row.subject, *([row.sequence] if with_sequence else []), row.camera, row.measure]
        worst = f"{value_text(row.measure, row.worst_before)} → {_after(row.measure, row.worst_after)}"
        median = f"{value_text(row.measure, row.median_before)} → {_after(row.measure, row.median_after)}"
        still = f"{row.n_flagged}" if row.n_after == row.n_frames else f"{row.n_flagged} of {row.n_after}"
        table.add_row(*names, str(row.n_frames), worst, median, still)
    console.print(table)
    if len(rows) > MOST_ROWS:
        console.print(f"... and {len(rows) - MOST_ROWS:,} more; --format csv prints them all.")
    if any(row.n_after < row.n_frames for row in rows):
        console.print("Some of these frames have not been judged by QC since; ? stands for what is not known yet.")


def _show(console: Console, rows: Iterator[Flagged], level: Level) -> None:
    first = list(islice(rows, MOST_ROWS))
    if not first:
        console.print(f"No selected frame is flagged {level}.")
        return
    with_sequence = any(row.sequence for row in first)
    shown = [name for name in COLUMNS if name != "sequence" or with_sequence]
    table = _table(None)
    for name in shown:
        side: Literal["left", "right"] = "right" if name in ("frame", "value", "limit") else "left"
        table.add_column(name, justify=side, no_wrap=name != "sequence", overflow="fold")
    styles = {"fail": "red", "review": "yellow"}
    for row in first:
        cells = (_cell(row, name) for name in shown)
        table.add_row(*(Text(cell, style=styles.get(cell, "")) for cell in cells))
    console.print(table)
    counted: Counter[tuple[str, str]] = Counter()
    subjects: Counter[str] = Counter()
    for row in chain(first, rows):
        counted[row.verdict, row.measure] += 1
        subjects[row.subject] += 1
    n_frames = subjects.total()
    if n_frames > len(first):
        console.print(f"... and {n_frames - len(first):,} more; --format csv prints them all.")
    whys = ", ".join(f"{number:,} {verdict} by {measure}" for (verdict, measure), number in counted.most_common())
    console.print(f"{count(n_frames, 'frame')} of {count(len(subjects), 'subject')} flagged: {whys}.", soft_wrap=True)


def _print_csv(rows: Iterable[Flagged], stream: TextIO) -> None:
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow("" if value is None else value for value in row[:-1])


def _print_json(rows: Iterable[Flagged], stream: TextIO) -> None:
    """Write one array, row by row."""
    stream.write("[")
    for place, row in enumerate(rows):
        record: dict[str, Any] = dict(zip(COLUMNS, row[:-1], strict=True))
        if math.isnan(row.value):
            record["value"] = None
        stream.write(("," if place else "") + "\n" + json.dumps(record))
    stream.write("\n]\n")


def _as_csv(rows: Sequence[Flagged]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(EXPORTED)
    writer.writerows([getattr(row, name) for name in EXPORTED] for row in rows)
    return text.getvalue()


def _as_json(rows: Sequence[Flagged]) -> str:
    """Return {subject: {camera: [frames]}}; where there are sequences, {subject: {sequence/camera: [frames]}}."""
    frames: dict[str, dict[str, list[int]]] = {}
    for row in rows:
        stream = f"{row.sequence}/{row.camera}" if row.sequence else row.camera
        frames.setdefault(row.subject, {}).setdefault(stream, []).append(row.frame)
    return json.dumps(frames, indent=1) + "\n"


def _as_text(rows: Sequence[Flagged]) -> str:
    """Return the paths of the masks relative to the output root, a line each."""
    return "".join(f"{row.mask_path}\n" for row in rows if row.mask_path)


FORMS: dict[str, Callable[[Sequence[Flagged]], str]] = {".csv": _as_csv, ".json": _as_json, ".txt": _as_text}
"""What an exclusion list may be, by the ending of its name."""


def _table(title: str | None) -> Table:
    return Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))


def _cell(row: Flagged, name: str) -> str:
    value = getattr(row, name)
    return value_text(row.measure, value) if name in ("value", "limit") else str(value)


def _after(measure: str, value: float | None) -> str:
    return "?" if value is None else value_text(measure, value)
