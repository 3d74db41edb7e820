"""The Prefect flows: thin decorators over the plain functions, for the command line and for deployments alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner

from flows.engines import prepare_engines
from flows.enumerate import enumerate_capture
from flows.matte import matte
from flows.reprocess import reprocess
from flows.settings import EnumerateSettings, MatteSettings
from flows.summary import Summary
from flows.telling import count
from flows.watch import QuietWatcher, Watcher
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
    return _end(caller, matte(capture, out, settings, caller.watcher, _as_tasks, caller.dry_run))


@flow(name="reprocess-subject", task_runner=RUNNER, validate_parameters=True)
def reprocess_subject(out: str, subject: str, settings: MatteSettings | None = None) -> State[Any]:
    """Matte frames of one subject again, by the settings that are given and else as they were made last."""
    caller = CALLER.get() or Caller(FlowLogWatcher())
    settings = (settings or MatteSettings()).model_copy(update={"subjects": subject.split(",")})
    return _end(caller, reprocess(out, settings, caller.watcher, _as_tasks, caller.dry_run))


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


def _end(caller: Caller, summary: Summary) -> State[Any]:
    """Publish a summary of the run and return the state that says how it ended."""
    caller.summary = summary
    rows = [
        {
            "subject": camera.subject,
            "sequence": camera.sequence,
            "camera": camera.camera,
            "frames": camera.n_frames,
            "ok": camera.n_ok,
            "pending": camera.n_pending,
            "not ok": ", ".join(f"{count} {status}" for status, count in camera.failed.items()),
        }
        for camera in summary.cameras
    ]
    message = (
        f"{summary.n_written} frames matted, {sum(camera.n_failed for camera in summary.cameras)} not ok, "
        f"{sum(camera.n_pending for camera in summary.cameras)} pending; masks under {summary.out_url}"
    )
    if rows:
        create_table_artifact(key="matte-summary", table=rows, description=message)
    return Completed(message=message) if not summary.exit_code else Failed(message=message)
