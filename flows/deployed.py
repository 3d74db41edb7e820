"""The flows that are deployed: forms that a person fills in, over the same plain functions as the command line.

Their parameters are flat, and more than a function should have: each is a field of the form that Prefect shows.
`infra/prefect.yaml` and `cleanplate serve` name these flows by their module's path.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from flows.artifacts import publish_cameras, publish_night
from flows.engines import prepare_engines
from flows.matte import matte
from flows.nightly import work_of_the_night
from flows.parameters import (
    AS_USUAL,
    Cameras,
    Capture,
    Check,
    Frames,
    Model,
    More,
    Out,
    Pictures,
    RayAddress,
    Replace,
    RetryFailed,
    Sequences,
    Subject,
    Subjects,
    Workers,
    settings_of,
)
from flows.prefect_tasks import RUNNER, FlowLogWatcher, as_tasks, end
from flows.progress_artifact import told_progress
from flows.published_report import bring_up_to_date
from flows.relay import warnings_to
from flows.reprocess import reprocess
from flows.reprocess_settings import ReprocessSettings
from flows.settings import EnumerateSettings, MatteSettings
from flows.subject_slot import one_at_a_time
from flows.watch import Watcher
from manifests.errors import CleanplateError
from manifests.storage import open_folder


@flow(name="nightly", task_runner=RUNNER)
def nightly(
    capture: Capture,
    out: Out,
    subjects: Subjects = "",
    model: Model = AS_USUAL,
    check: Check = "fail",
    workers: Workers = 0,
    ray_address: RayAddress = "",
    pictures: Pictures = 24,
    more: More = "",
) -> State[Any]:
    """List the capture, check the plates of what is new, matte it, bring the report up to date, and say so once.

    Safe to cancel and to run again at any time: it goes on where it was stopped.
    """

    def work(watcher: Watcher) -> State[Any]:
        form = {"subjects": subjects, "model": model, "check": check, "workers": workers, "ray_address": ray_address}
        settings = settings_of(MatteSettings, form, more)
        each_subject = as_tasks(one_at_a_time(out, watcher.say))
        night = work_of_the_night(capture, out, settings, watcher, each_subject, pictures)
        publish_cameras(night.summary, night.words)
        publish_night(night.words, night.warnings)
        return Completed(message=night.words) if night.is_well else Failed(message=night.words)

    return _told(work)


@flow(name="matte-captures", task_runner=RUNNER)
def matte_captures(
    capture: Capture,
    out: Out,
    subjects: Subjects = "",
    sequences: Sequences = "",
    cameras: Cameras = "",
    frames: Frames = "",
    model: Model = AS_USUAL,
    check: Check = "fail",
    retry_failed: RetryFailed = False,
    replace: Replace = False,
    workers: Workers = 0,
    ray_address: RayAddress = "",
    more: More = "",
) -> State[Any]:
    """Matte what is pending of a capture, or of some of its subjects.

    Safe to cancel and to run again at any time: it goes on where it was stopped, and does nothing twice.
    """

    def work(watcher: Watcher) -> State[Any]:
        which = {"subjects": subjects, "sequences": sequences, "cameras": cameras, "frames": frames}
        how = {"model": model, "check": check, "retry_failed": retry_failed, "replace": replace}
        where = {"workers": workers, "ray_address": ray_address}
        settings = settings_of(MatteSettings, which | how | where, more)
        summary = matte(capture, out, settings, watcher, as_tasks(one_at_a_time(out, watcher.say)))
        return end(summary, settings.store_options)

    return _told(work)


@flow(name="reprocess-subject", task_runner=RUNNER)
def reprocess_subject(
    out: Out,
    subject: Subject,
    cameras: Cameras = "",
    frames: Frames = "",
    model: Model = AS_USUAL,
    sequences: Sequences = "",
    workers: Workers = 0,
    ray_address: RayAddress = "",
    more: More = "",
) -> State[Any]:
    """Matte frames of one subject again: as they were made last, but for what is filled in here.

    The masks are written over; what they were made by stays in the books. Cancelled, and started again with the same
    words, it goes on where it was stopped.
    """

    def work(watcher: Watcher) -> State[Any]:
        which = {"subjects": subject, "sequences": sequences, "cameras": cameras, "frames": frames}
        how = {"model": model, "workers": workers, "ray_address": ray_address}
        settings = settings_of(ReprocessSettings, which | how, more)
        summary = reprocess(out, settings, watcher, as_tasks(one_at_a_time(out, watcher.say)))
        return end(summary, settings.store_options)

    return _told(work)


@flow(name="report")
def report(out: Out, subjects: Subjects = "", pictures: Pictures = 24, more: More = "") -> State[Any]:
    """Judge what is new, bring the pages of the report up to date, and link them to this run."""

    def work(watcher: Watcher) -> State[Any]:
        settings = settings_of(EnumerateSettings, {"subjects": subjects}, more)
        target = open_folder(out, settings.store_options)
        published = bring_up_to_date(target, settings.subjects, pictures, settings.store_options)
        return Failed(message=published.words) if published.troubles else Completed(message=published.words)

    return _told(work)


def _told(work: Callable[[Watcher], State[Any]]) -> State[Any]:
    """Work while the log of the run is told; an error that says what to do ends the run with these words."""
    prepare_engines()
    with told_progress(FlowLogWatcher()) as watcher, warnings_to(watcher):
        try:
            return work(watcher)
        except CleanplateError as err:
            return Failed(message=str(err))
        except InterruptedError:
            raise
        except OSError as err:
            message = f"A store or file failed: {err}. Run it again when that is mended; nothing is lost."
            return Failed(message=message)
