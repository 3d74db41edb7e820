"""Recording: who ran what, when, with which versions, how it ended, and its log."""

from __future__ import annotations

import getpass
import importlib.metadata
import logging
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from flows.books import Books
from flows.costs import Hold, cost_record
from flows.run_meter import metered
from flows.summary import Summary, Todo
from manifests.log_lines import OUR_LOGGERS as OUR_LOGGERS
from manifests.log_lines import JsonLines, about
from manifests.runs import log_path, new_run_id, write_run
from manifests.storage import Folder, user_temporary_file
from manifests.traffic import joined, traffic_of


@contextmanager
def recorded(books: Books, busy: Sequence[Todo], summary: Summary) -> Iterator[None]:
    """Keep the record and the log of a run: who, what, when, with which versions, how it ended and what it cost."""
    summary.run_id, started = new_run_id(), time.monotonic()
    record = {
        "state": "running",
        "started": _now(),
        "user": user_name(),
        "host": platform.node(),
        "version": _version(),
        "capture": books.capture_url,
        "selection": str(books.selection),
        "recipe_id": books.recipe.recipe_id,
        "subjects": [todo.subject for todo in busy],
        "announced": {todo.subject: todo.announced for todo in busy},
        "decision": books.decisions[-1].number,
        "settings": books.settings.model_dump(exclude={"storage_option"}),
        "log": log_path(summary.run_id),
    }
    write_run(books.out, summary.run_id, record)
    with logging_to(books.out, log_path(summary.run_id)), about(run=summary.run_id):
        try:
            with metered(books, busy, summary):
                yield
        finally:
            summary.hold = Hold.of(books.machine, books.workforce, summary.worker_s, time.monotonic() - started)
            ended = {"state": _state(sys.exception()), "ended": _now()}
            counts = {"n_written": summary.n_written, "n_bytes": summary.n_bytes}
            failures = [failure.shard_id for failure in summary.failures]
            traffic = joined([summary.traffic, traffic_of(books.out)])
            cost = {"cost": cost_record(summary.hold, summary.n_written, summary.device_s, traffic)}
            with _not_instead_of(sys.exception()):
                write_run(books.out, summary.run_id, record | ended | counts | cost | {"failed_shards": failures})


@contextmanager
def _not_instead_of(err: BaseException | None) -> Iterator[None]:
    """Let a store that fails once more, as a full one does, not hide the error that ended the run."""
    try:
        yield
    except OSError:
        if err is None:
            raise


@contextmanager
def logging_to(out: Folder, path: str) -> Iterator[None]:
    """Write this process's log, one JSON object a line, to a file of the output root."""
    target = out.local_path(path)
    file = target or user_temporary_file(".log")
    handler = logging.FileHandler(file, encoding="utf-8")
    handler.setFormatter(JsonLines())
    handler.setLevel(logging.INFO)
    ours = [logging.getLogger(name) for name in OUR_LOGGERS]
    for logger in ours:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        for logger in ours:
            logger.removeHandler(handler)
        handler.close()
        if target is None:
            out.write_atomic(path, file.read_bytes())
            file.unlink()


def _state(error: BaseException | None) -> str:
    """Say how a run ended: an error of any kind failed it, a signal or a closed pool interrupted it."""
    if error is None:
        return "finished"
    return "failed" if isinstance(error, Exception) and not isinstance(error, InterruptedError) else "interrupted"


def _version() -> str:
    try:
        return importlib.metadata.version("cleanplate")
    except importlib.metadata.PackageNotFoundError:  # run from a source tree
        return "unknown"


def user_name() -> str:
    """Return who runs this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "unknown"


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
