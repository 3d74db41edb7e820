"""Matte: the main job. Manifest -> plan -> shards on a pool -> masks, receipts, summary."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

from flows.books import Books, open_books, retry_failed
from flows.costs import worker_seconds
from flows.enumerate import enumerate_capture
from flows.finishing import Finisher, Wish, finish
from flows.guards import check_apart, check_foreign, check_names, check_paths, check_room, foreign_masks
from flows.job import Job
from flows.judge_run import Recalled, check_limits, tell_qc
from flows.record import recorded
from flows.resolve import Workforce, check_model, resolve_weights
from flows.settings import MatteSettings
from flows.summary import Pending, Summary, Todo
from flows.telling import tell
from flows.watch import Watcher
from manifests.errors import NothingSelected, WeightsRefused
from manifests.manifest import listed_subjects, read_manifest
from manifests.plan import (
    CameraStatus,
    SubjectPlan,
    camera_statuses,
    pending_spans,
)
from manifests.recipe import FALLBACK, Recipe
from manifests.runs import read_runs
from manifests.storage import Folder, open_folder
from manifests.traffic import traffic_of

BYTES_PER_PIXEL = {"jpg": 0.07, "png": 0.1, "png16": 0.2}
"""Of a full and a lowres mask together, JPEG at quality 95; generous for mattes of people."""
FRAME_BYTES_PER_PIXEL = 0.3
"""Of what `--write-frames` writes besides, at JPEG quality 95."""
SHRUNK_TO = {"native": 1.0, "half": 0.25, "gha": (2048 / 2200) ** 2 * 2200 / 3208}
"""The share of a source's pixels that a geometry leaves."""
BYTES_PER_FRAME = 20_000
WORKERS_A_SUBJECT = 64
"""A subject of so many more workers is matted at once: else they would wait for its last shards."""

EachSubject = Callable[[Sequence[str], Callable[[str], None]], None]


def matte(
    capture_url: str,
    out_url: str,
    settings: MatteSettings,
    watcher: Watcher,
    each_subject: EachSubject | None = None,
    dry_run: bool = False,
) -> Summary:
    """Matte a capture: list it, decide, plan, matte what is pending, and say how all selected frames are.

    May be repeated and killed at any time: what is committed is not done again. `each_subject` runs a function over
    subjects, in turn if not given. Raises UsageError, Refused and Fault.
    """
    check_model(settings.model)
    capture = open_folder(capture_url, settings.store_options)
    out = open_folder(out_url, settings.store_options)
    check_apart(capture, out)
    if settings.enumerate:
        list_capture(capture, out, settings, watcher)
    with open_books(out, capture.url, settings, settings.selection, watcher) as books:
        if settings.retry_failed:
            books = retry_failed(books, settings.selection)
        elif settings.check != "fail":
            books = retry_failed(books, settings.selection, ("plate_rejected",))
        summary = work(books, watcher, each_subject or in_turn, dry_run)
    summary.count_traffic(traffic_of(capture, out))
    return summary


def work(books: Books, watcher: Watcher, each_subject: EachSubject, dry_run: bool = False) -> Summary:
    """Do what the books of an output root say is pending in a selection."""
    started = time.monotonic()
    check_limits(books)
    summary = Summary(books.out.url)
    subjects = _subjects(books)
    foreign: list[str] = []
    judged = None if dry_run else Recalled(books, subjects, summary)
    summary.todo = _look(books, subjects, None if dry_run else foreign, judged)
    if not any(todo.n_frames or todo.n_done for todo in summary.todo):
        raise NothingSelected(f"No frame of the manifest under {books.out.url} matches: {books.selection}.")
    busy = [todo for todo in summary.todo if todo.n_frames]
    watcher.planned(sum(todo.n_frames for todo in busy), sum(todo.n_shards for todo in busy))
    if dry_run:
        return summary
    known = len(books.decisions)
    if busy:
        check_foreign(books, foreign)
        check_room(books.out, sum(todo.n_bytes for todo in busy))
        books = books.claim()
        if len(books.decisions) != known:  # another run has decided meanwhile
            busy = [todo for todo in _look(books, subjects) if todo.n_frames]
        with recorded(books, busy, summary):
            _matte_pending(books, busy, summary, watcher, each_subject)
        books = books.refreshed()
    settled = {todo.subject: todo.cameras for todo in summary.todo} if len(books.decisions) == known else {}
    finish = partial(_finish_subject, books, summary, watcher)
    summary.cameras = [status for subject in subjects for status in settled.get(subject) or finish(subject)]
    tell_qc(summary, subjects, watcher)
    summary.seconds = time.monotonic() - started
    return summary


def list_capture(capture: Folder, out: Folder, settings: MatteSettings, watcher: Watcher) -> None:
    """Bring the manifest up to date and say what was found."""
    watcher.say(f"Listing {capture.url}")
    enumerated = list(enumerate_capture(capture, out, settings, settings.replace))
    tell(enumerated, watcher.say, watcher.warn)


def _subjects(books: Books) -> list[str]:
    listed = listed_subjects(books.out)
    if not listed:
        raise NothingSelected(
            f"{books.out.url} has no manifest. Run cleanplate enumerate, or leave out --no-enumerate."
        )
    chosen = [subject for subject in listed if books.selection.has_subject(subject)]
    manifests = (read_manifest(books.out, subject) for subject in chosen)
    check_names(books.selection, listed, manifests)
    return chosen


def _look(
    books: Books, subjects: Sequence[str], foreign: list[str] | None = None, judged: Recalled | None = None
) -> list[Todo]:
    """Plan subject by subject, and keep of each plan only what is small.

    With `foreign`, a run is to follow: what it would write over is collected there, and check_paths may raise.
    """
    todo = []
    runs = [] if foreign is None else read_runs(books.out)
    for plan in books.plans(subjects):
        todo.append(_todo(books, plan, judged))
        if foreign is not None and plan.pending:
            check_paths(books, plan)
            foreign += foreign_masks(books, plan, runs)
    return todo


def _todo(books: Books, plan: SubjectPlan, judged: Recalled | None) -> Todo:
    by_recipe: dict[Recipe, Pending] = {}
    for shard in plan.pending:
        before = by_recipe.get(shard.recipe, Pending(0, 0))
        by_recipe[shard.recipe] = Pending(before.n_shards + 1, before.n_frames + len(shard.rows))
    frames = plan.manifest.frames
    pixels = int((frames.width.astype("int64") * frames.height).max()) if len(frames) else 0
    pixel_bytes = BYTES_PER_PIXEL[books.recipe.mask_format] + books.recipe.write_frames * FRAME_BYTES_PER_PIXEL
    frame_bytes = int(pixels * SHRUNK_TO[books.recipe.geometry] * pixel_bytes + BYTES_PER_FRAME)
    n_selected = sum(len(shard.rows) for shard in plan.selected)
    n_pending = sum(pending.n_frames for pending in by_recipe.values())
    is_settled = not plan.pending and not (plan.is_complete and plan.ledger.singles)
    is_settled = is_settled and (judged is None or judged.holds(plan))
    return Todo(
        subject=plan.subject,
        by_recipe=by_recipe,
        frame_bytes=frame_bytes,
        n_done=n_selected - n_pending,
        announced=pending_spans(plan),
        cameras=camera_statuses(books.out, plan) if is_settled else None,
    )


def _matte_pending(
    books: Books, busy: Sequence[Todo], summary: Summary, watcher: Watcher, each_subject: EachSubject
) -> None:
    """Work through the pending shards, one pool for each recipe that is still due."""
    for recipe in dict.fromkeys(recipe for todo in busy for recipe in todo.by_recipe):
        weights = _weights_for(books, recipe, watcher)
        watcher.say(_announce(recipe, books.workforce))
        pool = books.open_pool(recipe, weights)
        finisher = Finisher(books, summary, watcher)
        turns = threading.BoundedSemaphore(2 + pool.n_workers // WORKERS_A_SUBJECT)
        job = Job(books, recipe, pool, summary, watcher, finisher, turns)
        opened = time.monotonic()
        try:
            each_subject([todo.subject for todo in busy if recipe in todo.by_recipe], job.matte_subject)
        finally:
            pool.close()
            summary.count_traffic(pool.traffic())
            summary.worker_s += worker_seconds(pool, time.monotonic() - opened)
        finisher.wait()


def _finish_subject(books: Books, summary: Summary, watcher: Watcher, subject: str) -> list[CameraStatus]:
    """Count a subject's frames and, if it is complete, finish it, unless that is done."""
    plan = books.plan(subject)
    if plan is None:
        return []
    statuses = camera_statuses(books.out, plan)
    if plan.ledger.singles or subject not in summary.qc:
        Finisher(books, summary, watcher).take(subject, finish(books.out, Wish.of(books), plan))
    return statuses


def _weights_for(books: Books, recipe: Recipe, watcher: Watcher) -> str | None:
    """Return the file with the weights of a recipe, which may be an older decision's."""
    if recipe.weights_sha256 is None:
        return None
    if recipe.weights_sha256 in books.weights:
        return books.weights[recipe.weights_sha256]
    found = resolve_weights(recipe.model, None, recipe.weights_sha256, watcher.say, watcher.fetched)
    if found is None or found.sha256 != recipe.weights_sha256:
        option = "--missing-plate-weights" if recipe.missing_plate == FALLBACK else "--weights"
        raise WeightsRefused(
            f"Frames are pending for {recipe.model} with the weights {recipe.weights_sha256[:12]}..., "
            f"and the weights at hand are others. Name that file with {option}."
        )
    return str(found.path)


def _announce(recipe: Recipe, workforce: Workforce) -> str:
    numerics = recipe.numerics
    workers = "1 worker" if workforce.n_workers == 1 else f"{workforce.n_workers} workers"
    return f"Matting with {recipe.model} on {numerics.device_class}, {numerics.precision}, {workers}"


def in_turn(subjects: Sequence[str], work_on: Callable[[str], None]) -> None:
    """Work on one subject after the other."""
    for subject in subjects:
        work_on(subject)
