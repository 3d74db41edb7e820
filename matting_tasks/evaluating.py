"""Evaluating: pairs of files to their metrics, on threads, clip by clip; what cannot be read is a row that says why."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np

from manifests.errors import InputFault
from manifests.storage import Folder
from matting_tasks.alphas import open_alphas, read_stored
from matting_tasks.metrics import (
    Scores,
    as_alpha,
    change_map,
    dtssd,
    error_maps,
    scores_of,
    unknown_of_trimap,
    unknown_of_truth,
)
from matting_tasks.pairs import Match, Matched, VideoMatch
from matting_tasks.threads import map_ahead

MOST_THREADS = 8
_NOTHING = np.zeros((1, 1), np.uint8)
Regions = Mapping[str, np.ndarray | None]
"""Name -> (H, W) bool, None for the whole picture; the first one is what was asked for."""


class Folders(NamedTuple):
    """Where mattes, true mattes and trimaps lie."""

    pred: Folder
    true: Folder
    trimap: Folder | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """How mattes are compared: `unknown_px` is the radius of the unknown band that is made of the truth."""

    unknown_px: int | None = None
    stretched: bool = False


@dataclass(frozen=True, slots=True)
class Scored:
    """One pair: its metrics by region, the one asked for first; or `fault`, the reason why there are none."""

    name: str
    pred: str
    true: str
    clip: str | None = None
    scores: Mapping[str, Scores] = field(default_factory=dict)
    note: str | None = None
    fault: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    """One pair to compare: files by their paths, frames of videos as they were read, or what is wrong with them."""

    scored: Scored
    pred: str | np.ndarray | InputFault
    true: str | np.ndarray | InputFault
    trimap: str | None = None
    before: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Compared:
    """A pair that was compared by itself; pred and true: (H, W) uint8 or uint16, None where there is a fault."""

    scored: Scored
    before: str | None = None
    pred: np.ndarray | None = None
    true: np.ndarray | None = None
    regions: Regions = field(default_factory=dict)


def score_pairs(matched: Matched, folders: Folders, rules: Rules) -> Iterator[Scored]:
    """Yield the metrics of all pairs in order, or why there are none; raises MemoryError."""
    n_threads = min(MOST_THREADS, len(os.sched_getaffinity(0)))
    last: _Compared | None = None
    tasks = _tasks(matched, folders)
    for compared in map_ahead(lambda task: _compare(task, folders, rules), tasks, n_threads, 2 * n_threads):
        yield _with_change(compared, last)
        last = compared


def _tasks(matched: Matched, folders: Folders) -> Generator[_Task]:
    for one in matched.pictures:
        yield _picture_task(one)
    for video in matched.videos:
        yield from _video_tasks(video, folders)


def _picture_task(one: Match) -> _Task:
    scored = Scored(one.name or PurePosixPath(one.pred).name, one.pred, one.true, one.clip)
    return _Task(scored, one.pred, one.true, one.trimap, one.before)


def _compare(task: _Task, folders: Folders, rules: Rules) -> _Compared:
    """Read both mattes of a pair and measure what needs no other frame."""
    try:
        pred, pred_note = _values(task.pred, folders.pred, "matte")
        true, true_note = _values(task.true, folders.true, "truth")
        if pred.shape != true.shape:
            sizes = " and ".join(f"{shape[1]}x{shape[0]}" for shape in (pred.shape, true.shape))
            raise InputFault("undecodable", f"matte and truth differ in size: {sizes} pixels")
        p, g = as_alpha(pred), as_alpha(true)
        regions = _regions(task, folders, rules, g)
    except InputFault as fault:
        return _Compared(replace(task.scored, fault=fault.message))
    maps = error_maps(p, g, rules.stretched)
    scores = {name: scores_of(maps, region) for name, region in regions.items()}
    notes = [f"{side}: {note}" for side, note in (("matte", pred_note), ("truth", true_note)) if note]
    scored = replace(task.scored, scores=scores, note="; ".join(notes) or None)
    return _Compared(scored, task.before, pred, true, regions)


def _with_change(now: _Compared, last: _Compared | None) -> Scored:
    """Add dtSSD where the pair before is the frame before in the clip."""
    if last is None or now.before is None or last.scored.name != now.before:
        return now.scored
    if now.pred is None or now.true is None or last.pred is None or last.true is None:
        return now.scored
    if now.pred.shape != last.pred.shape:
        return now.scored
    change = change_map(*(as_alpha(values) for values in (now.pred, last.pred, now.true, last.true)))
    scores = {
        name: replace(now.scored.scores[name], dtssd=dtssd(change, region)) for name, region in now.regions.items()
    }
    return replace(now.scored, scores=scores)


def _regions(task: _Task, folders: Folders, rules: Rules, true: np.ndarray) -> Regions:
    """Return the whole picture, or unknown and known region and the whole; raises InputFault for a bad trimap."""
    if rules.unknown_px is not None:
        unknown = unknown_of_truth(true, rules.unknown_px)
    elif task.trimap is not None and folders.trimap is not None:
        trimap, _ = _values(task.trimap, folders.trimap, "trimap")
        if trimap.shape != true.shape:
            sizes = " and ".join(f"{shape[1]}x{shape[0]}" for shape in (trimap.shape, true.shape))
            raise InputFault("undecodable", f"trimap and truth differ in size: {sizes} pixels")
        unknown = unknown_of_trimap((trimap >> 8).astype(np.uint8) if trimap.dtype == np.uint16 else trimap)
    else:
        return {"whole": None}
    return {"unknown": unknown, "known": ~unknown, "whole": None}


def _values(side: str | np.ndarray | InputFault, folder: Folder, role: str) -> tuple[np.ndarray, str | None]:
    """Return the values of a matte, (H, W) uint8 or uint16, and a note; raises InputFault with the role in it."""
    if isinstance(side, InputFault):
        raise InputFault(side.status, f"{role}: {side.message}")
    if not isinstance(side, str):
        return side, None
    try:
        found = read_stored(side, folder)
    except InputFault as fault:
        raise InputFault(fault.status, f"{role} {side}: {fault.message}") from fault
    return found.values, found.note


def _video_tasks(video: VideoMatch, folders: Folders) -> Generator[_Task]:
    """Yield the frames of two sequences by place; where one is shorter, the last row says so."""
    paths = _label(video.pred), _label(video.true)
    label = video.name or paths[0]
    with ExitStack() as open_files:
        try:
            pred = open_files.enter_context(open_alphas(video.pred, folders.pred))
            true = open_files.enter_context(open_alphas(video.true, folders.true))
        except InputFault as fault:
            yield _Task(Scored(label, *paths), fault, fault)
            return
        before = None
        for place in count():
            sides = pred.read(place), true.read(place)
            scored = Scored(f"{label}#{place}", *paths, label)
            ended = [isinstance(side, InputFault) and side.status == "short_video" for side in sides]
            if all(ended):
                return
            if any(ended):
                short = InputFault("short_video", f"ends after {place} frames, the other goes on")
                yield _Task(scored, short if ended[0] else _NOTHING, short if ended[1] else _NOTHING)
                return
            yield _Task(scored, sides[0], sides[1], before=before)
            before = scored.name


def _label(side: str | tuple[str, ...]) -> str:
    return side if isinstance(side, str) else str(PurePosixPath(side[0]).parent)
