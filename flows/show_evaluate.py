"""Showing an evaluation: a table of the worst files and the means, files of all of it, and one JSON object."""

from __future__ import annotations

import csv
import io
import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from flows.evaluate import EvaluateAsk, Evaluation, Progress, columns_of, evaluate, file_record
from flows.show import plain_console
from flows.sides import split_url
from flows.telling import count
from manifests.storage import open_folder
from manifests.tables import write_records
from matting_tasks.metrics import NAMES, Scores

MOST_ROWS = 20
MOST_FAULTS = 20
HEADINGS = {"mad": "MAD", "mse": "MSE", "sad": "SAD", "grad": "Grad", "conn": "Conn", "dtssd": "dtSSD"}


def run_evaluate(ask: EvaluateAsk, as_json: bool, csv_url: str | None, parquet_url: str | None) -> int:
    """Evaluate, write what was asked for, print, and return the exit code: 3 where something was not compared."""
    with _bar() as progress:
        evaluation = evaluate(ask, progress)
    for url, data in ((csv_url, _csv), (parquet_url, _parquet)):
        if url is not None:
            folder, name = split_url(url)
            open_folder(folder, ask.store_options).write_atomic(name, data(evaluation))
    if as_json:
        print(json.dumps(evaluation.to_record(), indent=1, allow_nan=False))
    else:
        show_evaluation(plain_console(), evaluation)
    _show_faults(plain_console(stderr=True), evaluation)
    return 3 if evaluation.faults else 0


def show_evaluation(console: Console, evaluation: Evaluation) -> None:
    """Print the files, of many the worst ones by MAD, the clips and the means."""
    region = next(iter(evaluation.means))
    rows = [(row.name, row.scores[region]) for row in evaluation.rows if row.fault is None]
    worst = sorted(rows, key=lambda row: -(row[1].mad if row[1].mad is not None else -1.0))[:MOST_ROWS]
    shown = rows if len(rows) <= MOST_ROWS else worst
    title = f"{count(len(rows), 'file')} compared"
    table = _table(title if shown is rows else f"{title}; the worst {MOST_ROWS} by MAD", "file")
    for name, scores in shown:
        table.add_row(name, *_cells(scores))
    table.add_section()
    for name, scores in evaluation.means.items():
        label = "mean" if len(evaluation.means) == 1 else f"mean, {name} pixels"
        table.add_row(Text(label, style="bold"), *_cells(scores))
    console.print(table)
    if len(evaluation.clips) > 1:
        _show_clips(console, evaluation.clips)
    if evaluation.lists:
        console.print(f"Compared is what the dataset lists: {', '.join(evaluation.lists)}.", soft_wrap=True)
    notes = dict.fromkeys(row.note for row in evaluation.rows if row.note)
    for note in notes:
        n_files = sum(row.note == note for row in evaluation.rows)
        console.print(f"{count(n_files, 'file')}: {note}", soft_wrap=True)
    console.print(f"Variant: {evaluation.variant}.", soft_wrap=True)


def _show_clips(console: Console, clips: Mapping[str, Scores]) -> None:
    ordered = sorted(clips.items(), key=lambda clip: -(clip[1].mad or 0.0))[:MOST_ROWS]
    table = _table("Clips" if len(clips) <= MOST_ROWS else f"The worst {MOST_ROWS} of {len(clips)} clips", "clip")
    for clip, scores in ordered if len(clips) > MOST_ROWS else clips.items():
        table.add_row(clip, *_cells(scores))
    console.print(table)


def _table(title: str, first: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(first, overflow="fold")
    for heading in HEADINGS.values():
        table.add_column(heading, justify="right")
    return table


def _cells(scores: Scores) -> list[str]:
    values = [getattr(scores, name) for name in NAMES]
    return ["" if value is None else f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}" for value in values]


def _show_faults(console: Console, evaluation: Evaluation) -> None:
    faults = evaluation.faults
    for row in faults[:MOST_FAULTS]:
        console.print(Text.assemble(("! ", "bold yellow"), f"{row.name}: {row.fault}"), soft_wrap=True)
    if len(faults) > MOST_FAULTS:
        console.print(f"... and {len(faults) - MOST_FAULTS:,} more; --json, --csv and --parquet name them all.")


def _csv(evaluation: Evaluation) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns_of(evaluation)))
    writer.writeheader()
    writer.writerows(_records(evaluation))
    return text.getvalue().encode()


def _parquet(evaluation: Evaluation) -> bytes:
    return write_records("evaluation", columns_of(evaluation), list(_records(evaluation)))


def _records(evaluation: Evaluation) -> Iterator[dict[str, object]]:
    regions = tuple(evaluation.means)
    return (file_record(row, regions) | {"variant": evaluation.variant} for row in evaluation.rows)


@contextmanager
def _bar() -> Iterator[Progress]:
    """Draw a bar on standard error where that is a terminal, once a second has passed."""
    console = Console(stderr=True)
    columns = (TextColumn("comparing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as bar:
        task, started = bar.add_task("", total=None, visible=False), time.monotonic()

        def progress(done: int, total: int | None) -> None:
            bar.update(task, completed=done, total=total, visible=time.monotonic() - started > 1)

        yield progress
