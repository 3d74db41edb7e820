"""Run records: who ran what, when, with which versions, and how it ended; for people, never for decisions of bytes."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from manifests.rows import streams
from manifests.sharding import FrameTable
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


def announced_rows(runs: Iterable[Mapping[str, Any]], frames: FrameTable) -> np.ndarray:
    """Return a (n,) bool mask of the frames of a subject that any run has announced to matte.

    Masks of other frames are foreign: a run announces before it writes.
    """
    rows_of, found = streams(frames), np.zeros(len(frames), dtype=bool)
    for run in runs:
        for sequence, camera, spans in run.get("announced", {}).get(frames.subject, ()):
            rows = rows_of.get((sequence, camera), slice(0))
            numbers, inside = frames.frame[rows], found[rows]
            for first, last in spans:
                start, stop = np.searchsorted(numbers, (first, last + 1))
                inside[start:stop] = True
    return found


def announced_cameras(runs: Iterable[Mapping[str, Any]], subject: str) -> set[str]:
    """Return the cameras of which any run has announced frames of a subject."""
    return {camera for run in runs for _, camera, _ in run.get("announced", {}).get(subject, ())}


def announced_by(run: Mapping[str, Any], subject: str) -> Iterator[tuple[str, str, int]]:
    """Yield (sequence, camera, frame) of the frames of a subject that one run has announced."""
    for sequence, camera, spans in run.get("announced", {}).get(subject, ()):
        yield from ((sequence, camera, frame) for first, last in spans for frame in range(first, last + 1))


def spans_of(frames: Iterable[int] | np.ndarray) -> list[tuple[int, int]]:
    """Return frame numbers as sorted spans (first, last)."""
    numbers = np.sort(frames if isinstance(frames, np.ndarray) else np.array(list(frames), dtype=np.int64))
    gaps = np.flatnonzero(np.diff(numbers) > 1)
    firsts, lasts = [0, *(gaps + 1).tolist()], [*gaps.tolist(), len(numbers) - 1]
    return list(zip(numbers[firsts].tolist(), numbers[lasts].tolist(), strict=True)) if len(numbers) else []
