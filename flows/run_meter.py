"""Run meter: how far a run is, as metrics of Ray; a run without Ray has none."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from flows.books import Books
from flows.summary import Summary, Todo

if TYPE_CHECKING:
    from matting_tasks.exporting import Sample


@contextmanager
def metered(books: Books, busy: Sequence[Todo], summary: Summary) -> Iterator[None]:
    """Tell Ray's metrics how far a run is, until it is over, and the last state then."""
    if books.settings.executor == "local":
        yield
        return
    from matting_tasks.actor import ray_exporter

    started = time.monotonic()
    n_frames, n_shards = sum(todo.n_frames for todo in busy), sum(todo.n_shards for todo in busy)
    exporter = ray_exporter(lambda: samples(summary, n_frames, n_shards, time.monotonic() - started)).start()
    try:
        yield
    finally:
        exporter.stop()


def samples(summary: Summary, n_frames: int, n_shards: int, seconds: float) -> Iterator[Sample]:
    """Yield the numbers of a run that began with so many frames and shards, that long ago."""
    from matting_tasks.exporting import RUN_DONE, RUN_DUE, RUN_FRAMES, RUN_LEFT, RUN_RATE, RUN_SHARDS, Sample

    with summary.lock:
        by_status, n_ended = dict(summary.by_status), summary.n_shards + len(summary.failures)
        n_settled = sum(by_status.values()) + sum(failure.n_frames for failure in summary.failures)
    rate = n_settled / seconds if seconds else 0.0
    yield from (Sample(RUN_FRAMES, (status,), number) for status, number in by_status.items())
    yield Sample(RUN_DONE, (), n_settled)
    yield Sample(RUN_DUE, (), max(0, n_frames - n_settled))
    yield Sample(RUN_SHARDS, (), max(0, n_shards - n_ended))
    yield Sample(RUN_RATE, (), rate)
    if rate:
        yield Sample(RUN_LEFT, (), max(0, n_frames - n_settled) / rate)
