"""The Prefect flows of the command line: thin decorators over the plain functions."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from flows.engines import prepare_engines
from flows.enumerate import enumerate_capture
from flows.matte import matte
from flows.prefect_tasks import CALLER, RUNNER, Caller, FlowLogWatcher, as_tasks, end
from flows.progress_artifact import told_progress
from flows.published_report import bring_up_to_date
from flows.reprocess import reprocess
from flows.reprocess_settings import ReprocessSettings
from flows.settings import EnumerateSettings, MatteSettings
from flows.summary import Summary
from flows.telling import count
from manifests.storage import open_folder


@flow(name="enumerate-captures", validate_parameters=True)
def enumerate_captures(capture: str, out: str, settings: EnumerateSettings | None = None) -> State[Any]:
    """List a capture into the manifest of an output root."""
    settings = settings or EnumerateSettings()
    source, target = open_folder(capture, settings.store_options), open_folder(out, settings.store_options)
    found = list(enumerate_capture(source, target, settings))
    n_frames = sum(one.n_frames for one in found)
    return Completed(message=f"{count(len(found), 'subject')}, {count(n_frames, 'frame')}")


@flow(name="matte-captures", task_runner=RUNNER, validate_parameters=True)
def matte_captures(capture: str, out: str, settings: MatteSettings | None = None) -> State[Any]:
    """Matte what is pending of a capture; may be repeated and killed at any time."""
    caller = CALLER.get() or Caller(FlowLogWatcher())
    prepare_engines()
    settings = settings or MatteSettings()
    with told_progress(caller.watcher) as watcher:
        summary = matte(capture, out, settings, watcher, as_tasks(), caller.dry_run)
    return _end(caller, summary, settings)


@flow(name="reprocess-subject", task_runner=RUNNER, validate_parameters=True)
def reprocess_subject(out: str, subject: str, settings: MatteSettings | None = None) -> State[Any]:
    """Matte frames of one subject again, by the settings that are given and else as they were made last."""
    caller = CALLER.get() or Caller(FlowLogWatcher())
    settings = (settings or MatteSettings()).model_copy(update={"subjects": subject.split(",")})
    return _reprocess(caller, out, settings)


@flow(name="reprocess-flagged", task_runner=RUNNER, validate_parameters=True)
def reprocess_flagged(out: str, settings: ReprocessSettings | None = None) -> State[Any]:
    """Matte again what QC fails, or what it gives the verdict that the settings say, of all or selected subjects."""
    caller = CALLER.get() or Caller(FlowLogWatcher())
    settings = settings or ReprocessSettings()
    settings = settings if settings.flagged is not None else settings.model_copy(update={"flagged": "fail"})
    return _reprocess(caller, out, settings)


@flow(name="write-report", validate_parameters=True)
def write_report(out: str, n_pictures: int = 24, settings: EnumerateSettings | None = None) -> State[Any]:
    """Judge what is new of all or the selected subjects, bring the report up to date, and link it to the run."""
    settings = settings or EnumerateSettings()
    target = open_folder(out, settings.store_options)
    published = bring_up_to_date(target, settings.subjects, n_pictures, settings.store_options)
    return Failed(message=published.words) if published.troubles else Completed(message=published.words)


def _reprocess(caller: Caller, out: str, settings: MatteSettings) -> State[Any]:
    with told_progress(caller.watcher) as watcher:
        summary = reprocess(out, settings, watcher, as_tasks(), caller.dry_run)
    return _end(caller, summary, settings)


def _end(caller: Caller, summary: Summary, settings: MatteSettings) -> State[Any]:
    caller.summary = summary
    return end(summary, settings.store_options)
