"""Showing checks: what verify, gc and forget found, for a person and as records."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from flows.show import MOST_REASONS
from flows.telling import count
from manifests.forget import Traces
from manifests.garbage import Garbage
from manifests.records import FileStat
from manifests.root import read_root
from manifests.storage import Folder
from manifests.verify import Verified

KINDS = {
    "missing": "files that are not there",
    "size": "files of another size",
    "content": "files of other bytes",
    "receipt": "receipts that cannot be read",
    "rows": "receipts of other frames than planned",
    "twice": "receipts that speak for the same frames",
    "manifest": "manifests that cannot be read",
    "decision": "decisions that are gone",
}


def show_verified(console: Console, out: Folder, found: Verified, deep: bool) -> None:
    """Print what verify found: counts, the first damages by name, and where other files lie."""
    read = "read and hashed" if deep else "compared by size (--deep reads them all)"
    console.print(
        f"Output root {out.url}: {count(len(found.subjects), 'subject')}, {count(found.n_shards, 'shard')}, "
        f"{count(found.n_frames, 'frame')} with receipts; {count(found.n_files, 'file')}, "
        f"{found.n_bytes / 1e6:,.1f} MB, {read}.",
        soft_wrap=True,
    )
    rows = [(number, KINDS[kind], "damaged") for kind, number in found.by_kind.items()]
    rows += [
        (found.n_pending_frames, "frames without a receipt", "pending"),
        (found.n_stale, "receipts of earlier inputs, recipes or frames", "stale"),
        (len(found.unfinished), "masks of ours without a receipt, in places of the plan", "unfinished"),
        (len(found.orphans), "masks of ours that no receipt names and no run will", "orphaned"),
        (len(found.foreign), "masks that cleanplate did not make", "foreign"),
        (len(found.leftovers), "writes that were cut short, or are at work", "leftover"),
    ]
    table = Table(show_header=False)
    for number, text, word in rows:
        if number:
            table.add_row(word, f"{number:,}", text)
    if table.row_count:
        console.print(table)
    for damage in found.damages[:MOST_REASONS]:
        console.print(f"! subject {damage.subject}: {damage.path}: {damage.text}", soft_wrap=True)
    if len(found.damages) > MOST_REASONS:
        console.print(f"! and {len(found.damages) - MOST_REASONS:,} more; --json lists them all.")
    for word, stats in (("foreign", found.foreign), ("orphaned", found.orphans), ("leftover", found.leftovers)):
        _show_some(console, word, stats)


def _show_some(console: Console, word: str, stats: tuple[FileStat, ...], most: int = 3) -> None:
    for stat in stats[:most]:
        console.print(f"  {word}: {stat.path}", soft_wrap=True)
    if len(stats) > most:
        console.print(f"  {word}: and {len(stats) - most:,} more; --json lists them all")


def show_next(console: Console, out: Folder, found: Verified, mended: tuple[int, int] | None) -> None:
    """Say how it is in one line, and which command comes next."""
    root = read_root(out)
    resume = shlex.join(["cleanplate", "matte", "CAPTURE" if root is None else root.capture_url, "--out", out.url])
    if not found.damages:
        todo = f"{count(found.n_pending_frames, 'frame')} pending. Go on with: {resume} ..."
        console.print(todo if found.n_pending_frames else "All is as it must be.", soft_wrap=True)
    elif mended is None:
        again = shlex.join(["cleanplate", "verify", out.url, "--repair"])
        console.print(
            f"Damaged. Queue what is damaged to be matted again, and nothing else, with: {again}", soft_wrap=True
        )
    else:
        n_shards, n_receipts = mended
        deleted = f", {count(n_receipts, 'damaged receipt')} deleted" if n_receipts else ""
        console.print(
            f"{count(n_shards, 'shard')} queued again{deleted}. Matte them by the same command as before: {resume} ...",
            soft_wrap=True,
        )


def verified_record(out: Folder, found: Verified, mended: tuple[int, int] | None) -> dict[str, Any]:
    """Return what verify found, for JSON."""
    record = asdict(found)
    for name in ("unfinished", "orphans", "foreign", "leftovers"):
        record[name] = [stat["path"] for stat in record[name]]
    repaired = None if mended is None else {"n_shards": mended[0], "n_receipts": mended[1]}
    return {"out": out.url, **record, "repaired": repaired}


def show_garbage(console: Console, out: Folder, found: Garbage, older_than: str, deleted: bool) -> None:
    """Print what gc found, or deleted."""
    said = "Deleted" if deleted else "Would go"
    console.print(f"Output root {out.url}: what no run will need, older than {older_than}", soft_wrap=True)
    table = Table()
    for name in (said.lower(), "number", "MB"):
        table.add_column(name, justify="left" if name == said.lower() else "right")
    kinds = (("leftovers of writes", found.temporary), ("orphaned masks", found.masks))
    for kind, stats in kinds:
        table.add_row(kind, f"{len(stats):,}", f"{sum(stat.size_bytes for stat in stats) / 1e6:,.1f}")
    table.add_row("stale receipts", f"{len(found.receipts):,}", "")
    console.print(table)
    for word, stats in kinds:
        _show_some(console, word, stats)
    if found.n_young:
        console.print(f"{found.n_young:,} of such files are younger, and stay.")
    if found.n_foreign:
        console.print(f"{count(found.n_foreign, 'mask')} that cleanplate did not make: foreign files always stay.")
    for subject in found.left_out:
        console.print(f"! subject {subject} is damaged and left out: run cleanplate verify --repair", soft_wrap=True)
    if not deleted and (found.temporary or found.masks or found.receipts):
        console.print("Nothing was deleted. Add --delete to delete it.")


def garbage_record(out: Folder, found: Garbage, deleted: bool) -> dict[str, Any]:
    """Return what gc found, for JSON."""
    return {
        "out": out.url,
        "deleted": deleted,
        "temporary": [stat.path for stat in found.temporary],
        "masks": [stat.path for stat in found.masks],
        "receipts": [{"subject": subject, "shard_id": receipt.shard_id} for subject, receipt in found.receipts],
        "n_bytes": found.n_bytes,
        "n_young": found.n_young,
        "n_foreign": found.n_foreign,
        "left_out": found.left_out,
    }


def show_traces(console: Console, out: Folder, traces: Traces, said: str) -> None:
    """Print what there is, or was, of a subject."""
    console.print(
        f"{said} of subject {traces.subject} under {out.url}: {len(traces.files):,} masks and frame files "
        f"({traces.n_bytes / 1e6:,.1f} MB), {count(len(traces.books), 'file')} of the books, "
        f"{len(traces.pages):,} pages and pictures.",
        soft_wrap=True,
    )
    if traces.foreign:
        console.print(f"! {count(len(traces.foreign), 'mask')} of it that cleanplate did not make stay:")
        for path in traces.foreign[:3]:
            console.print(f"  foreign: {path}", soft_wrap=True)


def traces_record(out: Folder, traces: Traces) -> dict[str, Any]:
    """Return what forget deleted, for JSON."""
    """Print what there is, or was, of a subject."""
    """Return what gc found, for JSON."""
    """Print what gc found, or deleted."""
    """Return what verify found, for JSON."""
    """Print what verify found: counts, the first damages by name, and where other files lie."""
    return {
        "out": out.url,
        "n_files": len(traces.files),
        "n_bytes": traces.n_bytes,
        "n_books": len(traces.books),
        "n_pages": len(traces.pages),
        "foreign": traces.foreign,
    }
