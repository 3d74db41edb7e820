"""What all Prefect flows share: who started them, subjects as tasks, and how they end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner

from flows.artifacts import publish
from flows.matte import EachSubject
from flows.summary import Summary
from flows.watch import Outcome, QuietWatcher, Watcher
from manifests.errors import StoreFault
from manifests.records import ShardFailure
from manifests.storage import open_folder

SUBJECTS_AT_ONCE = 8
"""Of large clusters; a run takes two turns, and one more for each 64 workers (flows/matte.py)."""
RETRY_DELAYS_S = (5.0, 30.0)
JITTER = 0.5
"""The share of a delay that chance adds, so that runs which a store threw out at once do not come back at once."""

RUNNER: Any = ThreadPoolTaskRunner(max_workers=SUBJECTS_AT_ONCE)

Slot = Callable[[str, threading.Event], AbstractContextManager[None]]
"""What a subject is worked on inside of; the event says that the run ends and nothing is to be waited for."""


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

    def settled(self, outcome: Outcome) -> None:
        """Log a shard that failed; those that are well are in the log of the output root."""
        super().settled(outcome)
        if isinstance(outcome, ShardFailure):
            text = "subject %s shard %s worker %s: %s: %s"
            self._log.error(text, outcome.subject, outcome.shard_id, outcome.worker, outcome.kind, outcome.message)


def as_tasks(slot: Slot | None = None, delays_s: Sequence[float] = RETRY_DELAYS_S) -> EachSubject:
    """Return how to work on subjects as Prefect tasks, one a subject, each inside of `slot` if that is given.

    A fault of the infrastructure is tried again after each of the delays; nothing else is.
    """

    def each_subject(subjects: Sequence[str], work_on: Callable[[str], None]) -> None:
        @task(
            name="matte-subject",
            task_run_name="matte-{subject}",
            retries=len(delays_s),
            retry_delay_seconds=list(delays_s),
            retry_jitter_factor=JITTER,
            retry_condition_fn=_is_infrastructure,
            cache_policy=NO_CACHE,
            persist_result=False,
        )
        def matte_subject(subject: str) -> None:
            with nullcontext() if slot is None else slot(subject, ended):
                work_on(subject)

        with _set_at_the_end() as ended:
            for under_way in [matte_subject.submit(subject) for subject in subjects]:
                under_way.result()

    return each_subject


def end(summary: Summary, store_options: dict[str, str]) -> State[Any]:
    """Publish what a run came to and return the state that says how it ended."""
    message = told(summary)
    publish(summary, open_folder(summary.out_url, store_options), message)
    return Completed(message=message) if not summary.exit_code else Failed(message=message)


def told(summary: Summary) -> str:
    """Say what a run came to, in one line."""
    return (
        f"{summary.n_written} frames matted, {sum(camera.n_failed for camera in summary.cameras)} not ok, "
        f"{sum(camera.n_pending for camera in summary.cameras)} pending; masks under {summary.out_url}"
    )


@contextmanager
def _set_at_the_end() -> Iterator[threading.Event]:
    event = threading.Event()
    try:
        yield event
    finally:
        event.set()


def _is_infrastructure(_task: Any, _run: Any, state: State[Any]) -> bool:
    error = state.result(raise_on_failure=False)
    return isinstance(error, OSError | StoreFault) and not isinstance(error, InterruptedError)
