"""Reporting: the report of an output root brought up to date, with a bar, closing words and an exit code."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from urllib.parse import quote

from rich.console import Console

from flows.fresh import judge_stale
from flows.report import Built, ReportSettings, build_report
from flows.settings import EnumerateSettings
from flows.show import counting_bar, plain_console
from flows.telling import count
from manifests.manifest import listed_subjects
from manifests.pages import INDEX, REPORT
from manifests.storage import Folder, open_folder


def run_report(out_url: str, settings: EnumerateSettings, asked: tuple[int, bool, bool], as_json: bool) -> int:
    """Judge what is new, build the report and say where it lies; asked: (pictures of a subject, tables, force).

    Return 0, or 1 where a subject could not be judged or shown.
    """
    out, console = open_folder(out_url, settings.store_options), plain_console()
    n_pictures, frame_tables, force = asked
    wanted = ReportSettings(settings.subjects, n_pictures, frame_tables, force, settings.store_options)
    with counting_bar(console, as_json) as progress:
        subjects = [name for name in listed_subjects(out) if settings.selection.has_subject(name)]
        faults = judge_stale(out, subjects, settings.store_options, progress)
        built = build_report(out, wanted, progress)
    built = replace(built, troubles=(*faults, *built.troubles))
    if as_json:
        print(json.dumps({"report": f"{out.url}/{INDEX}", **asdict(built)}, indent=1))
    else:
        _show(console, out, built)
    return 1 if built.troubles else 0


def _show(console: Console, out: Folder, built: Built) -> None:
    cells = ", ".join(f"{number:,} {verdict}" for verdict, number in built.cells.items())
    console.print(f"{count(built.n_subjects, 'subject')}; cameras: {cells or 'none'}.", soft_wrap=True)
    console.print(f"{count(built.n_made, 'page')} made, {built.n_kept:,} up to date.", soft_wrap=True)
    for trouble in built.troubles:
        console.print(f"! {trouble}", soft_wrap=True)
    local = out.local_path(INDEX)
    if local is not None:
        console.print(f"Open file://{quote(str(local))}", soft_wrap=True)
    else:
        console.print(
            f"Open {out.url}/{INDEX} through the store's web address, or copy {out.url}/{REPORT} to a disk and open "
            "index.html there.",
            soft_wrap=True,
        )
