"""Unpack: what lies in packs made files of, with a bar, words and an exit code."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console

from flows.settings import EnumerateSettings
from flows.show import counting_bar, plain_console
from flows.telling import count
from manifests.errors import NothingSelected
from manifests.inventory import read_books
from manifests.layouts.outputs import check_output_layout
from manifests.storage import Folder, open_folder
from manifests.unpacking import Unpacked, Unpacking, unpack_subject

MOST_NAMED = 5


def run_unpack(out_url: str, to_url: str, layout: str | None, settings: EnumerateSettings, as_json: bool) -> int:
    """Write the selected masks as files and return 0, or 3 where frames have no mask or a mask is damaged."""
    out, target = (open_folder(url, settings.store_options) for url in (out_url, to_url))
    books = read_books(out)
    for recipe in {decision.recipe for decision in books.decisions}:
        if layout is not None:
            check_output_layout(layout, recipe.mask_format)
    subjects = [subject for subject in books.subjects if settings.selection.has_subject(subject)]
    if not subjects:
        known = ", ".join(books.subjects[:16]) or "none"
        raise NothingSelected(f"{out.url} has none of these subjects. There is: {known}.")
    console, found = plain_console(), Unpacked()
    unpacking = Unpacking(books, target, layout, settings.selection)
    with counting_bar(console, as_json) as progress:
        for number, subject in enumerate(subjects):
            progress("subjects", number, len(subjects))
            found += unpack_subject(unpacking, subject, progress)
    if not found.n_frames:
        raise NothingSelected(f"No frame of the manifest under {out.url} matches: {settings.selection}.")
    code = 3 if found.damaged or found.n_without else 0
    if as_json:
        print(json.dumps({"to": target.url, **asdict(found), "exit_code": code}, indent=1))
        return code
    _show(console, target, found)
    return code


def _show(console: Console, target: Folder, found: Unpacked) -> None:
    console.print(
        f"{count(found.n_frames, 'frame')}: {found.n_written:,} mask files written ({found.n_bytes / 1e6:,.1f} MB), "
        f"{found.n_kept:,} were there already, under {target.url}",
        soft_wrap=True,
    )
    if found.n_without:
        console.print(f"! {count(found.n_without, 'frame')} without a mask; cleanplate status says why.")
    _name(console, found.stale, "lie at the places of frames that have no mask now, and were left there")
    _name(
        console,
        found.damaged,
        "are damaged or missing, and were not written; run cleanplate verify --deep --repair and cleanplate matte",
    )


def _name(console: Console, paths: Sequence[str], text: str) -> None:
    if paths:
        named = ", ".join(paths[:MOST_NAMED]) + (", ..." if len(paths) > MOST_NAMED else "")
        console.print(f"! {len(paths)} masks {text}: {named}", soft_wrap=True)
