"""The Prefect flows: thin decorators over the plain functions, for the command line and for deployments alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner

from flows.artifacts import publish, publish_report
from flows.engines import prepare_engines
from flows.enumerate import enumerate_capture
from flows.fresh import judge_stale
from flows.matte import matte
from flows.progress_artifact import told_progress
from flows.report import ReportSettings, build_report
from flows.reprocess import reprocess
from flows.reprocess_settings import ReprocessSettings
from flows.settings import EnumerateSettings, MatteSettings
from flows.summary import Summary
from flows.telling import count
from flows.watch import QuietWatcher, Watcher
from manifests.manifest import listed_subjects
from manifests.storage import open_folder

SUBJECTS_AT_ONCE = 2
"""So that the workers have shards of the next subject while the last ones of this are under way."""

RUNNER: Any = ThreadPoolTaskRunner(max_workers=SUBJECTS_AT_ONCE)


@dataclass(slots=True)
class Caller:
    """Who started a flow in this process: the watcher that it has, and the summary that it gets back."""

    watcher: Watcher = field(default_factory=QuietWatcher)
    dry_run: bool = False
    summary: Summary | None = None


CALLER: ContextVar[Caller | None] = ContextVar("cleanplate_caller", default=None)


class FlowLogWatcher(QuietWatcher):
    """Tells the flow run's log, for runs that nobody watches at a terminal."""

    def __init__(self) -> None:
        """Take the log of the flow run that is under way."""
        self._log = get_run_logger()

    def say(self, text: str) -> None:
        """Log a line."""
        self._log.info("%s", text)

    def warn(self, text: str) -> None:
        """Log a warning."""
        self._log.warning("%s", text)


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
        summary = matte(capture, out, settings, watcher, _as_tasks, caller.dry_run)
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
    subjects = [subject for subject in listed_subjects(target) if settings.selection.has_subject(subject)]
    troubles = judge_stale(target, subjects, settings.store_options)
    shown = ReportSettings(settings.subjects, n_pictures, store_options=settings.store_options)
    built = build_report(target, shown)
    troubles += built.troubles
    publish_report(target)
    message = f"{count(built.n_subjects, 'subject')}, {count(built.n_made, 'page')} made, {built.n_kept} up to date"
    return Failed(message="; ".join([message, *troubles[:3]])) if troubles else Completed(message=message)


def _reprocess(caller: Caller, out: str, settings: MatteSettings) -> State[Any]:
    with told_progress(caller.watcher) as watcher:
        summary = reprocess(out, settings, watcher, _as_tasks, caller.dry_run)
    return _end(caller, summary, settings)


def _as_tasks(subjects: Sequence[str], work_on: Callable[[str], None]) -> None:
    """Work on subjects as Prefect tasks, one a subject; a fault of the infrastructure is tried again."""

    @task(
        name="matte-subject",
        task_run_name="matte-{subject}",
        retries=2,
        retry_delay_seconds=[5, 30],
        retry_condition_fn=_is_infrastructure,
        cache_policy=NO_CACHE,
        persist_result=False,
    )
    def matte_subject(subject: str) -> None:
        work_on(subject)

    for under_way in [matte_subject.submit(subject) for subject in subjects]:
        under_way.result()


def _is_infrastructure(_task: Any, _run: Any, state: State[Any]) -> bool:
    error = state.result(raise_on_failure=False)
    return isinstance(error, OSError) and not isinstance(error, InterruptedError)


def _end(caller: Caller, summary: Summary, settings: MatteSettings) -> State[Any]:
    """Publish what a run came to and return the state that says how it ended."""
    caller.summary = summary
    message = (
        f"{summary.n_written} frames matted, {sum(camera.n_failed for camera in summary.cameras)} not ok, "
        f"{sum(camera.n_pending for camera in summary.cameras)} pending; masks under {summary.out_url}"
    )
    publish(summary, open_folder(summary.out_url, settings.store_options), message)
    return Completed(message=message) if not summary.exit_code else Failed(message=message)
