"""Running: a command's settings to a run, by Prefect or without, and its end to the screen."""

from __future__ import annotations

import io
import logging
import shlex
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import asdict

from rich.console import Console

from flows.costs import cost_record
from flows.engines import prepare_engines
from flows.enumerate import enumerate_capture
from flows.flagged import show_compared
from flows.matte import matte
from flows.relay import warnings_to
from flows.reprocess import reprocess
from flows.reprocess_settings import ReprocessSettings
from flows.settings import EnumerateSettings, MatteSettings
from flows.show import plain_console, reasons_of, show_plan, show_summary
from flows.show_traffic import show_traffic, traffic_record
from flows.summary import Summary
from flows.telling import tell
from flows.watch import JsonLinesWatcher, RichWatcher, Watcher, make_watcher
from manifests.errors import CleanplateError, Fault
from manifests.storage import open_folder
from manifests.traffic import traffic_of


def run_matte(capture: str, out: str, settings: MatteSettings, mode: str, dry_run: bool) -> int:
    """Run the main job and return the exit code; `mode` is text | verbose | quiet | json."""
    if settings.executor == "local" or dry_run:
        return _watched(mode, dry_run, lambda watcher: matte(capture, out, settings, watcher, dry_run=dry_run))

    def by_prefect(watcher: Watcher) -> Summary:
        from flows.prefect_flows import matte_captures

        return _in_flow(watcher, lambda: matte_captures(capture, out, settings, return_state=True))

    return _watched(mode, dry_run, by_prefect)


def run_reprocess(out: str, settings: ReprocessSettings, mode: str, dry_run: bool) -> int:
    """Matte frames again and return the exit code."""
    if settings.executor == "local" or dry_run:
        return _watched(mode, dry_run, lambda watcher: reprocess(out, settings, watcher, dry_run=dry_run))
    return _watched(mode, dry_run, lambda watcher: _reprocess_by_prefect(out, settings, watcher))


def _reprocess_by_prefect(out: str, settings: ReprocessSettings, watcher: Watcher) -> Summary:
    from flows.prefect_flows import reprocess_flagged, reprocess_subject

    if settings.flagged is not None:
        return _in_flow(watcher, lambda: reprocess_flagged(out, settings, return_state=True))
    subject = ",".join(settings.subjects or ())
    return _in_flow(watcher, lambda: reprocess_subject(out, subject, settings, return_state=True))


def run_enumerate(capture: str, out: str, settings: EnumerateSettings, verbose: bool = False) -> int:
    """List a capture into the manifest, print what changed, and return 0."""
    console = plain_console()
    source, target = open_folder(capture, settings.store_options), open_folder(out, settings.store_options)
    with console.status(f"Listing {source.url}") as status:
        found = []
        for one in enumerate_capture(source, target, settings):
            found.append(one)
            status.update(f"Listing {source.url}: {len(found)} subjects, {sum(e.n_frames for e in found):,} frames")
    watcher = RichWatcher(console)
    with warnings_to(watcher):
        tell(found, watcher.say, watcher.warn)
    if verbose:
        show_traffic(console, traffic_of(source, target))
    return 0


def _watched(mode: str, dry_run: bool, run: Callable[[Watcher], Summary]) -> int:
    console = plain_console(file=sys.stdout)
    prepare_engines()
    watcher = make_watcher(mode, console, sys.stdout)
    with watcher, warnings_to(watcher), redirect_stdout(_EngineTalk()):
        try:
            summary = run(watcher)
        except CleanplateError as err:
            if isinstance(watcher, JsonLinesWatcher):
                watcher.event("error", {"text": str(err), "exit_code": err.exit_code})
            raise
    if isinstance(watcher, JsonLinesWatcher):
        _tell_summary(watcher, summary)
    elif mode in ("text", "verbose"):
        _show_end(console, summary, mode, dry_run)
    elif not dry_run:
        for reason in reasons_of(summary.cameras, summary.failures):
            watcher.warn(reason)
    return 0 if dry_run else summary.exit_code


def _show_end(console: Console, summary: Summary, mode: str, dry_run: bool) -> None:
    if dry_run:
        show_plan(console, summary)
    else:
        show_summary(console, summary, _command_again())
        if summary.compared:
            show_compared(console, summary.compared)
    if mode == "verbose":
        show_traffic(console, summary.traffic)


def _tell_summary(watcher: JsonLinesWatcher, summary: Summary) -> None:
    for todo in summary.todo:
        for recipe, pending in todo.by_recipe.items():
            due = {"subject": todo.subject, "recipe_id": recipe.recipe_id, "model": recipe.model, **pending._asdict()}
            watcher.event("todo", due)
    cameras = [asdict(camera) for camera in summary.cameras]
    told = {"cameras": cameras, "exit_code": summary.exit_code, "out": summary.out_url}
    if summary.compared:
        told["compared"] = [asdict(row) for row in summary.compared]
    if summary.hold is not None:
        told["cost"] = cost_record(summary.hold, summary.n_written, summary.device_s, summary.traffic)
    watcher.event("summary", told | {"traffic": traffic_record(summary.traffic)})


def _command_again() -> str:
    """Return the command that was given, without what may be secret in it."""
    words = list(sys.argv[1:])
    for place, word in enumerate(words):
        if word == "--storage-option" and place + 1 < len(words):
            words[place + 1] = f"{words[place + 1].split('=', 1)[0]}=..."
        elif word.startswith("--storage-option="):
            words[place] = f"--storage-option={word.split('=', 2)[1]}=..."
    return shlex.join(["cleanplate", *words])


class _EngineTalk(io.TextIOBase):
    """Takes what Ray and Prefect print, for the run's log; our own words go to the stream that was there before."""

    def fileno(self) -> int:
        return sys.__stdout__.fileno() if sys.__stdout__ is not None else super().fileno()

    def write(self, text: str) -> int:
        if text.strip():
            logging.getLogger("cleanplate").info("engine: %s", text.strip()[:500])
        return len(text)


def _in_flow(watcher: Watcher, start: Callable[[], object]) -> Summary:
    """Run a flow in this process with a watcher of ours, and return what it summed up."""
    from flows.prefect_tasks import CALLER, Caller
    from flows.server import prefect_server

    caller = Caller(watcher)
    token = CALLER.set(caller)
    try:
        watcher.say("Starting the Prefect flow")
        with prefect_server():
            state = start()
    finally:
        CALLER.reset(token)
    if caller.summary is None:
        state.result()  # type: ignore[attr-defined]
        raise Fault("The flow ended without a summary; its state is above.")
    return caller.summary
