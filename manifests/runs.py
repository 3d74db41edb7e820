"""Run records: who ran what, when, with which versions, and how it ended; for people, never for decisions of bytes."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from manifests.storage import Folder

RUNS = "_cleanplate/runs"


def new_run_id() -> str:
    """Return a name for a run that sorts by its start (UTC)."""
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{uuid.uuid4().hex[:6]}"


def record_path(run_id: str) -> str:
    """Return where a run's record lies."""
    return f"{RUNS}/{run_id}.json"


def log_path(run_id: str) -> str:
    """Return where a run's log lies."""
    return f"{RUNS}/{run_id}.log"


def write_run(out: Folder, run_id: str, record: Mapping[str, Any]) -> None:
    """Write a run's record, at its start (state running) and again at its end."""
    out.write_atomic(record_path(run_id), json.dumps(record, indent=1, sort_keys=True, default=str).encode())


def read_runs(out: Folder) -> list[dict[str, Any]]:
    """Return all run records, oldest first; one that cannot be read says so."""
    runs = []
    for path in sorted(stat.path for stat in out.list(RUNS)):
        if not re.fullmatch(r"[^/]+\.json", path.rsplit("/", 1)[-1]):
            continue
        run_id = path.rsplit("/", 1)[-1].removesuffix(".json")
        try:
            record = json.loads(out.read(path))
        except ValueError:
            record = None
        runs.append({"run": run_id, **(record if isinstance(record, dict) else {"state": "unreadable"})})
    return runs


def announced_frames(out: Folder, subject: str) -> set[tuple[str, str, int]]:
    """Return (sequence, camera, frame) of all frames of a subject that any run has announced to matte.

    Masks of other frames are foreign: a run announces before it writes.
    """
    return {key for run in read_runs(out) for key in announced_by(run, subject)}


def announced_by(run: Mapping[str, Any], subject: str) -> Iterator[tuple[str, str, int]]:
    """Yield (sequence, camera, frame) of the frames of a subject that one run has announced."""
    for sequence, camera, spans in run.get("announced", {}).get(subject, ()):
        yield from ((sequence, camera, frame) for first, last in spans for frame in range(first, last + 1))


def spans_of(frames: Iterable[int]) -> list[tuple[int, int]]:
    """Return sorted frame numbers as spans (first, last)."""
    spans: list[tuple[int, int]] = []
    for frame in sorted(frames):
        if spans and frame == spans[-1][1] + 1:
            spans[-1] = spans[-1][0], frame
        else:
            spans.append((frame, frame))
    return spans
