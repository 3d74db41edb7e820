"""Matte: the main job. Manifest -> plan -> shards on a pool -> masks, receipts, summary."""

from __future__ import annotations

import getpass
import importlib.metadata
import platform
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from flows.books import Books, Pool, open_books, retry_failed
from flows.enumerate import enumerate_capture, tell
from flows.resolve import Workforce, resolve_weights
from flows.settings import MatteSettings
from flows.watch import Watcher
from manifests.errors import Fault, ForeignMasks, NoRoom, NothingSelected, StoreFault, WeightsRefused
from manifests.failures import clear_failures, write_failure
from manifests.ledger import compact
from manifests.manifest import listed_subjects
from manifests.plan import CameraStatus, SubjectPlan, camera_statuses, mask_paths_of, read_plan
from manifests.recipe import Recipe
from manifests.records import ShardFailure, ShardSummary
from manifests.runs import log_path, new_run_id, started_subjects, write_run
from manifests.storage import Folder, open_folder

BYTES_PER_PIXEL = 0.07
"""Of a full and a lowres mask together, at JPEG quality 95; generous for mattes of people."""
BYTES_PER_FRAME = 20_000
MAX_FAILURES_IN_A_ROW = 20

Outcome = ShardSummary | ShardFailure
"""What a pool answers for a shard."""
EachSubject = Callable[[Sequence[str], Callable[[str], None]], None]


@dataclass(frozen=True, slots=True)
class Todo:
    """What is to do for one subject: pending shards and frames by recipe, and the bytes that they will write."""

    subject: str
    n_shards: dict[Recipe, int]
    n_frames: int
    n_bytes: int
    n_done: int


@dataclass(slots=True)
class Summary:
    """How a run ended, for the selection that it was about."""

    out_url: str
    n_written: int = 0
    n_bytes: int = 0
    seconds: float = 0.0
    todo: list[Todo] = field(default_factory=list)
    cameras: list[CameraStatus] = field(default_factory=list)
    failures: list[ShardFailure] = field(default_factory=list)
    run_id: str | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, shard: ShardSummary) -> None:
        """Count a committed shard; subjects may be worked on at once."""
        with self.lock:
            self.n_written += shard.by_status.get("ok", 0)
            self.n_bytes += shard.bytes_written

    @property
    def exit_code(self) -> int:
        """Return 1 if selected frames are still pending, 3 if some are not ok, else 0."""
        if self.failures or any(camera.n_pending for camera in self.cameras):
            return 1
        return 3 if any(camera.n_failed for camera in self.cameras) else 0


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
    capture = open_folder(capture_url, settings.storage_option)
    out = open_folder(out_url, settings.storage_option)
    if settings.enumerate:
        list_capture(capture, out, settings, watcher)
    with open_books(out, capture.url, settings, settings.selection, watcher) as books:
        if settings.retry_failed:
            books = retry_failed(books, settings.selection)
        return work(books, watcher, each_subject or in_turn, dry_run)


def work(books: Books, watcher: Watcher, each_subject: EachSubject, dry_run: bool = False) -> Summary:
    """Do what the books of an output root say is pending in a selection."""
    started = time.monotonic()
    summary = Summary(books.out.url)
    subjects = _subjects(books)
    summary.todo = [todo for todo in (_todo(books, subject) for subject in subjects) if todo is not None]
    if not any(todo.n_frames or todo.n_done for todo in summary.todo):
        raise NothingSelected(f"No frame of the manifest under {books.out.url} matches: {books.selection}.")
    busy = [todo for todo in summary.todo if todo.n_frames]
    watcher.planned(sum(todo.n_frames for todo in busy), sum(sum(todo.n_shards.values()) for todo in busy))
    if dry_run:
        return summary
    if busy:
        _check_foreign(books, [todo.subject for todo in busy])
        check_room(books.out, sum(todo.n_bytes for todo in busy))
        books = books.claim()
        with _recorded(books, [todo.subject for todo in busy], summary):
            _matte_pending(books, busy, summary, watcher, each_subject)
    summary.cameras = [status for subject in subjects for status in _finish_subject(books, subject)]
    summary.seconds = time.monotonic() - started
    return summary


def list_capture(capture: Folder, out: Folder, settings: MatteSettings, watcher: Watcher) -> None:
    """Bring the manifest up to date and say what was found."""
    watcher.say(f"Listing {capture.url}")
    enumerated = list(enumerate_capture(capture, out, settings.subjects, settings.fingerprint, settings.replace))
    tell(enumerated, watcher.say, watcher.warn)


def _subjects(books: Books) -> list[str]:
    listed = listed_subjects(books.out)
    if not listed:
        raise NothingSelected(
            f"{books.out.url} has no manifest. Run cleanplate enumerate, or leave out --no-enumerate."
        )
    return [subject for subject in listed if books.selection.has_subject(subject)]


def _plan(books: Books, subject: str) -> SubjectPlan | None:
    return read_plan(books.out, subject, books.decisions, books.selection, books.root.grid)


def _todo(books: Books, subject: str) -> Todo | None:
    plan = _plan(books, subject)
    if plan is None:
        return None
    pending = plan.pending
    n_shards: dict[Recipe, int] = {}
    for shard in pending:
        n_shards[shard.recipe] = n_shards.get(shard.recipe, 0) + 1
    n_frames = sum(len(shard.rows) for shard in pending)
    frames = plan.manifest.frames
    pixels = int((frames.width.astype("int64") * frames.height).max()) if len(frames) else 0
    n_selected = sum(len(shard.rows) for shard in plan.selected)
    n_bytes = int(n_frames * (pixels * BYTES_PER_PIXEL + BYTES_PER_FRAME))
    return Todo(subject, n_shards, n_frames, n_bytes, n_selected - n_frames)


def _matte_pending(
    books: Books, busy: Sequence[Todo], summary: Summary, watcher: Watcher, each_subject: EachSubject
) -> None:
    """Work through the pending shards, one pool for each recipe that is still due."""
    recipes = dict.fromkeys(recipe for todo in busy for recipe in todo.n_shards)
    for recipe in recipes:
        weights = _weights_for(books, recipe, watcher)
        subjects = [todo.subject for todo in busy if recipe in todo.n_shards]
        watcher.say(_announce(recipe, books.workforce))
        pool = books.open_pool(recipe, weights)
        try:
            each_subject(subjects, lambda subject: _matte_subject(books, subject, recipe, pool, summary, watcher))  # noqa: B023
        finally:
            pool.close()


def _matte_subject(books: Books, subject: str, recipe: Recipe, pool: Pool, summary: Summary, watcher: Watcher) -> None:
    """Matte the pending shards of one subject and recipe, and keep account of what fails."""
    plan = _plan(books, subject)
    if plan is None:
        return
    rule = plan.manifest.fingerprint_rule
    shards = (s.to_shard(plan.manifest.frames, plan.manifest.plates, rule) for s in plan.pending if s.recipe == recipe)
    n_in_a_row = 0
    for outcome in pool.matte(shards):
        watcher.settled(outcome)
        if isinstance(outcome, ShardSummary):
            n_in_a_row = 0
            summary.add(outcome)
            continue
        n_in_a_row += 1
        summary.failures.append(outcome)
        if outcome.kind == "full":
            raise NoRoom(f"{outcome.shard_id}: {outcome.message}")
        write_failure(books.out, outcome, summary.run_id or "")
        if n_in_a_row >= MAX_FAILURES_IN_A_ROW:
            raise Fault(f"{n_in_a_row} shards in a row failed, the last one because: {outcome.message}")


def _finish_subject(books: Books, subject: str) -> list[CameraStatus]:
    """Count a subject's frames and, once it is complete, join its receipts."""
    plan = _plan(books, subject)
    if plan is None:
        return []
    statuses = camera_statuses(books.out, plan)
    if plan.is_complete and plan.ledger.singles:
        clear_failures(books.out, subject, plan.ledger.failed)
        compact(books.out, subject, plan.planned)
    return statuses


def _check_foreign(books: Books, subjects: Sequence[str]) -> None:
    """Refuse to write over masks that no run of cleanplate announced; `--replace` accepts them."""
    if books.settings.replace:
        return
    ours = started_subjects(books.out)
    n_foreign, first = 0, ""
    for subject in subjects:
        plan = None if subject in ours else _plan(books, subject)
        if plan is None or plan.ledger.failed:
            continue
        wanted = set(mask_paths_of(plan, plan.pending))
        foreign = sorted(stat.path for stat in books.out.list(subject) if stat.path in wanted)
        n_foreign, first = n_foreign + len(foreign), first or (foreign[0] if foreign else "")
    if n_foreign:
        raise ForeignMasks(
            f"{n_foreign} masks lie already where this run would write, made by something else than cleanplate "
            f"(the first: {books.out.url}/{first}). To write over them add --replace; to keep them name another --out."
        )


def check_room(out: Folder, n_bytes: int) -> None:
    """Raise StoreFault for a root that cannot be written and NoRoom for one with too little room, before any work."""
    probe = f"_cleanplate/writable-{uuid.uuid4().hex}"
    try:
        out.write_atomic(probe, b"")
        out.delete([probe])
    except OSError as err:
        raise StoreFault(
            f"{out.url} cannot be written ({err}). Check that it exists, its permissions and credentials."
        ) from err
    free = out.free_bytes()
    if free is not None and free < n_bytes:
        raise NoRoom(
            f"{out.url} has {free / 1e9:.1f} GB left and this run needs about {n_bytes / 1e9:.1f} GB. "
            "Make room, name another --out, or matte fewer --subjects at once."
        )


def _weights_for(books: Books, recipe: Recipe, watcher: Watcher) -> str | None:
    """Return the file with the weights of a recipe, which may be an older decision's."""
    if recipe.weights_sha256 is None:
        return None
    if books.weights is not None and books.weights.sha256 == recipe.weights_sha256:
        return str(books.weights.path)
    found = resolve_weights(recipe.model, None, recipe.weights_sha256, watcher.say, watcher.fetched)
    if found is None or found.sha256 != recipe.weights_sha256:
        raise WeightsRefused(
            f"Frames are pending for {recipe.model} with the weights {recipe.weights_sha256[:12]}..., "
            "and the weights at hand are others. Name that file with --weights."
        )
    return str(found.path)


def _announce(recipe: Recipe, workforce: Workforce) -> str:
    numerics = recipe.numerics
    workers = "1 worker" if workforce.n_workers == 1 else f"{workforce.n_workers} workers"
    return f"Matting with {recipe.model} on {numerics.device_class}, {numerics.precision}, {workers}"


@contextmanager
def _recorded(books: Books, subjects: list[str], summary: Summary) -> Iterator[None]:
    """Keep the record and the log of a run: who, what, when, with which versions, and how it ended."""
    summary.run_id = new_run_id()
    record = {
        "state": "running",
        "started": _now(),
        "user": _user(),
        "host": platform.node(),
        "version": importlib.metadata.version("cleanplate"),
        "capture": books.capture_url,
        "selection": str(books.selection),
        "recipe_id": books.recipe.recipe_id,
        "subjects": subjects,
        "settings": books.settings.model_dump(exclude={"storage_option"}),
        "log": log_path(summary.run_id),
    }
    write_run(books.out, summary.run_id, record)
    with books.logging_to(log_path(summary.run_id)):
        try:
            yield
        finally:
            ended = {"state": _state(sys.exception()), "ended": _now()}
            counts = {"n_written": summary.n_written, "n_bytes": summary.n_bytes}
            failures = [failure.shard_id for failure in summary.failures]
            write_run(books.out, summary.run_id, record | ended | counts | {"failed_shards": failures})


def _state(error: BaseException | None) -> str:
    """Say how a run ended: an error of any kind failed it, a signal or a closed pool interrupted it."""
    if error is None:
        return "finished"
    return "failed" if isinstance(error, Exception) and not isinstance(error, InterruptedError) else "interrupted"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "unknown"


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def in_turn(subjects: Sequence[str], work_on: Callable[[str], None]) -> None:
    """Work on one subject after the other."""
    for subject in subjects:
        work_on(subject)
