"""Checking: an output root verified, mended, cleaned and freed of a subject, with words and exit codes."""

from __future__ import annotations

import json
import re
import sys
import time

import typer

from flows.record import user_name
from flows.settings import EnumerateSettings
from flows.show import counting_bar, plain_console
from flows.show_checks import (
    garbage_record,
    show_garbage,
    show_next,
    show_traces,
    show_verified,
    traces_record,
    verified_record,
)
from flows.show_traffic import show_traffic, traffic_record
from manifests.errors import UsageError
from manifests.forget import find_traces, forget
from manifests.garbage import collect_garbage
from manifests.storage import open_folder
from manifests.traffic import traffic_of
from manifests.verify import repair, verify

YOUNGEST_S = 3600
"""What is younger may belong to a run at work."""
_SECONDS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def run_verify(
    out_url: str, settings: EnumerateSettings, deep: bool, mend: bool, as_json: bool, verbose: bool = False
) -> int:
    """Verify an output root, print what was found, mend it if asked; return 0 all is well, 1 pending, 3 damaged."""
    out, console = open_folder(out_url, settings.store_options), plain_console()
    with counting_bar(console, as_json) as progress:
        found = verify(out, settings.subjects, deep, progress)
    if not as_json:
        show_verified(console, out, found, deep)
    mended = repair(out, found) if mend and found.damages else None
    code = 3 if found.damages else 1 if found.n_pending_frames else 0
    if as_json:
        traffic = {"traffic": traffic_record(traffic_of(out))}
        print(json.dumps(verified_record(out, found, mended) | {"exit_code": code} | traffic, indent=1))
        return code
    show_next(console, out, found, mended)
    if verbose:
        show_traffic(console, traffic_of(out))
    return code


def run_gc(out_url: str, settings: EnumerateSettings, older_than: str, delete: bool, as_json: bool) -> int:
    """Show what no run will need, or delete it, and return 0."""
    out, console = open_folder(out_url, settings.store_options), plain_console()
    before_ns = time.time_ns() - age_s(older_than) * 10**9
    with counting_bar(console, as_json) as progress:
        found = collect_garbage(out, before_ns, delete, progress)
    if as_json:
        print(json.dumps(garbage_record(out, found, delete), indent=1))
        return 0
    show_garbage(console, out, found, older_than, delete)
    return 0


def run_forget(out_url: str, settings: EnumerateSettings, subject: str, sure: bool, as_json: bool) -> int:
    """Delete all that was made of a subject, once that is confirmed; return 0, or 1 if it was not."""
    out, console = open_folder(out_url, settings.store_options), plain_console()
    if not sure:
        if not sys.stdin.isatty() or as_json:
            raise UsageError(f"All masks of subject {subject} under {out.url} would go. Add --yes if that is wanted.")
        show_traces(console, out, find_traces(out, subject), "There is")
        if not typer.confirm("Delete all of it? It cannot be undone."):
            console.print("Nothing was deleted.")
            return 1
    traces = forget(out, subject, user_name(), time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    if as_json:
        print(json.dumps(traces_record(out, traces), indent=1))
        return 0
    show_traces(console, out, traces, "Deleted")
    console.print(
        "The capture was not touched, nor any copy elsewhere. A later cleanplate matte leaves the subject out unless "
        "--subjects names it.",
        soft_wrap=True,
    )
    return 0


def age_s(text: str) -> int:
    """Return the seconds of an age such as 90m, 12h, 7d or 2w; raises UsageError, also for less than an hour."""
    matched = re.fullmatch(r"(\d+)([mhdw])", text.strip())
    seconds = int(matched[1]) * _SECONDS[matched[2]] if matched else 0
    if seconds < YOUNGEST_S:
        raise UsageError(
            f"--older-than {text}: an age of an hour or more is wanted, such as 12h, 7d or 2w; what is younger may "
            "belong to a run at work."
        )
    return seconds
