"""Showing: tables and closing words for a person at a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from flows.costs import cost_words
from flows.summary import Summary
from flows.telling import count
from manifests.plan import MOST_ERRORS, CameraStatus
from manifests.records import ShardFailure

MOST_ROWS = 48
"""Longer tables show one row a subject instead of one a camera."""
MOST_REASONS = 24


def plain_console(**options: Any) -> Console:
    """Return a console that prints names and paths as they are: no markup, no colours of its own."""
    return Console(markup=False, emoji=False, **options)


@contextmanager
def counting_bar(console: Console, as_json: bool) -> Iterator[Callable[[str, int, int], None]]:
    """Draw a bar for each thing that is counted, at a terminal."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    bars: dict[str, Any] = {}
    quiet = as_json or not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=quiet) as progress:

        def told(what: str, done: int, total: int) -> None:
            if what not in bars:
                bars[what] = progress.add_task(what, total=total)
            progress.update(bars[what], completed=done, total=total)

        yield told


def show_plan(console: Console, summary: Summary) -> None:
    """Print a dry run: shards, frames and bytes by subject and recipe, and what is done already."""
    table = Table(title="Plan (nothing was written but the manifest)", title_justify="left")
    for name in ("subject", "model", "recipe"):
        table.add_column(name, overflow="fold")
    for name in ("shards", "frames", "about MB", "frames done already"):
        table.add_column(name, justify="right")
    for todo in summary.todo:
        for recipe, pending in todo.by_recipe.items():
            n_megabytes = pending.n_frames * todo.frame_bytes / 1e6
            cells = (str(pending.n_shards), str(pending.n_frames), f"{n_megabytes:.1f}", str(todo.n_done))
            table.add_row(todo.subject, recipe.model, recipe.recipe_id, *cells)
        if not todo.by_recipe:
            table.add_row(todo.subject, "", "", "0", "0", "0.0", str(todo.n_done))
    console.print(table)
    n_frames = sum(todo.n_frames for todo in summary.todo)
    n_bytes = sum(todo.n_bytes for todo in summary.todo)
    n_shards = sum(todo.n_shards for todo in summary.todo)
    done = sum(todo.n_done for todo in summary.todo)
    console.print(
        f"To do: {count(n_shards, 'shard')}, {count(n_frames, 'frame')}, about {n_bytes / 1e6:.1f} MB; "
        f"done already: {count(done, 'frame')}.",
    )


def show_summary(console: Console, summary: Summary, resume: str) -> None:
    """Print how a run ended: a table, what went wrong and what to do, and where the masks lie."""
    show_cameras(console, summary.cameras)
    if not summary.run_id:
        console.print("Nothing to do: every selected frame has its receipt.")
    else:
        rate = summary.n_written / summary.seconds if summary.seconds else 0.0
        console.print(
            f"{count(summary.n_written, 'frame')} matted in {summary.seconds:.1f} s ({rate:.1f} frames/s), "
            f"{summary.n_bytes / 1e6:.1f} MB written.",
        )
    if summary.hold is not None:
        for line in cost_words(summary.hold, summary.n_written, summary.device_s, summary.traffic):
            console.print(line, soft_wrap=True, highlight=False)
    without_plate = [camera for camera in summary.cameras if camera.fallback]
    if without_plate:
        names = ", ".join(dict.fromkeys(f"{camera.subject}/{camera.camera}" for camera in without_plate))
        n_ok = sum(camera.n_ok for camera in without_plate)
        console.print(f"Without a plate, matted by {without_plate[0].fallback}: {names} ({count(n_ok, 'frame')}).")
    show_reasons(console, summary, resume)
    console.print(f"Masks: {summary.out_url}", soft_wrap=True)


def show_cameras(console: Console, cameras: Sequence[CameraStatus]) -> None:
    """Print one row a camera, or one a subject where there are too many; cameras with trouble always have theirs."""
    if not cameras:
        return
    rows = list(cameras) if len(cameras) <= MOST_ROWS else [*_by_subject(cameras), *(c for c in cameras if c.n_failed)]
    with_sequence, with_pending = any(row.sequence for row in rows), any(row.n_pending for row in rows)
    table = Table()
    for name in ("subject", *(["sequence"] if with_sequence else []), "camera"):
        table.add_column(name, no_wrap=True)
    for name in ("frames", "ok", *(["pending"] if with_pending else []), "not ok"):
        table.add_column(name, justify="right", overflow="fold")
    for row in rows[: 2 * MOST_ROWS]:
        names = [row.subject, *([row.sequence] if with_sequence else []), row.camera]
        counts = [str(row.n_frames), str(row.n_ok), *([str(row.n_pending)] if with_pending else [])]
        failed = Text(", ".join(f"{count} {status}" for status, count in row.failed.items()), style="red")
        table.add_row(*names, *counts, failed)
    console.print(table)
    if len(rows) > 2 * MOST_ROWS:
        console.print(f"... and {len(rows) - 2 * MOST_ROWS} more rows; narrow them by --subjects.")


def show_reasons(console: Console, summary: Summary, resume: str) -> None:
    """Print the list of what went wrong, and the command that helps."""
    for reason in reasons_of(summary.cameras, summary.failures):
        _warn(console, reason)
    n_failed = sum(camera.n_failed for camera in summary.cameras)
    n_pending = sum(camera.n_pending for camera in summary.cameras)
    if n_failed:
        console.print(
            f"{count(n_failed, 'frame')} could not be matted. Mend the files and run the same command again: "
            "changed files are matted again by themselves. After a crash add --retry-failed.",
        )
    if n_pending:
        console.print(f"{count(n_pending, 'frame')} still pending. Go on with: {resume}")


def reasons_of(cameras: Sequence[CameraStatus], failures: Sequence[ShardFailure] = ()) -> list[str]:
    """Return a line for each thing that went wrong, the first few of a camera by name, cut after MOST_REASONS."""
    reasons = []
    for camera in cameras:
        where = f"subject {camera.subject}, camera {camera.camera}"
        reasons += [f"{where}: {error}" for error in camera.errors]
        n_more = camera.n_failed - len(camera.errors)
        if n_more > 0 and len(camera.errors) == MOST_ERRORS:
            reasons.append(f"{where}: and {count(n_more, 'frame')} more, {camera.n_failed} in all")
    reasons += [f"shard {failure.shard_id}: {failure.message}" for failure in failures]
    if len(reasons) > MOST_REASONS:
        n_more = len(reasons) - MOST_REASONS
        reasons[MOST_REASONS:] = [f"and {count(n_more, 'line')} more like these; the receipts name every frame"]
    return reasons


def _by_subject(cameras: Sequence[CameraStatus]) -> list[CameraStatus]:
    sums: dict[str, CameraStatus] = {}
    for camera in cameras:
        last = sums.get(camera.subject, CameraStatus(camera.subject, "", "all", 0, 0, 0))
        failed = dict(last.failed)
        for status, number in camera.failed.items():
            failed[status] = failed.get(status, 0) + number
        sums[camera.subject] = CameraStatus(
            camera.subject,
            "",
            "all",
            last.n_frames + camera.n_frames,
            last.n_ok + camera.n_ok,
            last.n_pending + camera.n_pending,
            failed,
        )
    return list(sums.values())


def _warn(console: Console, text: str) -> None:
    console.print(Text.assemble(("! ", "bold yellow"), text), soft_wrap=True)
