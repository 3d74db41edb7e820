"""Foregrounds that a user has: which picture, video or folder of frames goes with which alpha."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from manifests.errors import InputFault, UsageError
from manifests.layouts.pattern import PICTURES
from matting_tasks.alphas import read_alpha
from matting_tasks.fit.foreground_lists import read_list
from matting_tasks.fit.foreground_records import (
    ALPHAS,
    BACKGROUND_FOLDERS,
    PHOTO_FOLDERS,
    PURE_FOLDERS,
    Clip,
    Foregrounds,
    Pair,
    checked,
    folders_of,
    has_alpha,
    header_of,
)
from matting_tasks.pairs import TRIMAP_FOLDERS, Entry, Match, VideoMatch, entries_of, match

_OTHERS = ALPHAS | TRIMAP_FOLDERS | BACKGROUND_FOLDERS
_LISTS = (".txt", ".csv", ".lst")
_NEIGHBOURS_DIFFER = 0.06
"""Of the alphas of two frames of a clip, mean over 0..1; those of two stills differ by 0.1 and more."""


def find_foregrounds(place: Path) -> Foregrounds:
    """Find foregrounds with alpha: in a folder, in a list of files, or one picture with an alpha channel.

    A folder has its alphas in folders named as in ALPHAS, beside those of the foregrounds, or pictures with an alpha
    channel. A line of a list is `fg alpha`, `fg bg` or `fg bg trimap`; in the last two the alpha lies in a folder of
    alphas beside that of the foreground. Raises UsageError where nothing can be used.
    """
    if place.is_dir():
        found = _in_folder(place)
    elif place.suffix.lower() in _LISTS and place.is_file():
        found = read_list(place)
    elif place.suffix.lower() in PICTURES and place.is_file():
        found = checked([Pair(place.name, place, place)], (), {})
    else:
        raise UsageError(
            f"{place}: expected foregrounds with alpha, found {'another file' if place.exists() else 'nothing'}. Name "
            f"a folder with fg and alpha in it, a list of `fg alpha` lines ({' '.join(_LISTS)}), or a PNG with alpha."
        )
    if not found.pictures and not found.clips:
        said = "; ".join(f"{name}: {fault}" for name, fault in list(found.faults.items())[:3])
        raise UsageError(f"{place}: no foreground with alpha can be used there: {said or 'it holds no picture'}.")
    return found


def _in_folder(place: Path) -> Foregrounds:
    paths = [path.relative_to(place).as_posix() for path in sorted(place.rglob("*")) if path.is_file()]
    alphas = entries_of((path for path in paths if folders_of(path) & ALPHAS), (), ALPHAS)
    shown = _foreground_entries(path for path in paths if not folders_of(path) & _OTHERS)
    by_name = {alpha.name for alpha in alphas}
    own = [entry for entry in shown if entry.name not in by_name and has_alpha(place / entry.path)]
    own_names = {entry.name for entry in own}
    matched = match([entry for entry in shown if entry.name not in own_names], alphas)
    alone = match(own, own)
    faults = {name: _words(name, by_name, fault) for name, fault in matched.faults.items()}
    pairs, clips = [], [_clip_of(place, video) for video in (*matched.videos, *alone.videos)]
    for group in _by_clip((*matched.pictures, *alone.pictures)):
        if _moves_as_one(place, group):
            fgs, trues = (
                tuple(place / path for path in side) for side in zip(*(_sides(one) for one in group), strict=True)
            )
            clips.append(Clip(group[0].clip or group[0].name, fgs, trues))
        else:
            pairs += [Pair(one.name, place / one.pred, place / one.true) for one in group]
    return checked(pairs, tuple(clips), faults)


def _foreground_entries(paths: Iterable[str]) -> list[Entry]:
    """Return what may be a foreground; of one name that from folders of foregrounds rather than of photographs."""
    kinds: tuple[list[str], ...] = ([], [], [])
    for path in paths:
        folders = folders_of(path)
        kinds[0 if folders & PURE_FOLDERS else 1 if folders & PHOTO_FOLDERS else 2].append(path)
    found: list[Entry] = []
    for chosen, names in zip(kinds, (PURE_FOLDERS, PHOTO_FOLDERS, frozenset[str]()), strict=True):
        known = {entry.name for entry in found}
        found += [entry for entry in entries_of(chosen, (), names) if entry.name not in known]
    return found


def _words(name: str, alphas: set[str], fault: str) -> str:
    if fault.startswith("several"):
        return fault
    return "no foreground for this alpha" if name in alphas else "no alpha for this picture, and no alpha channel"


def _clip_of(place: Path, video: VideoMatch) -> Clip:
    first, second = (
        place / side if isinstance(side, str) else tuple(place / path for path in side)
        for side in (video.pred, video.true)
    )
    return Clip(video.name, first, second)


def _by_clip(matches: Sequence[Match]) -> Iterator[list[Match]]:
    groups: dict[tuple[str | None, str], list[Match]] = {}
    for one in matches:
        groups.setdefault((one.clip, "" if one.clip else one.name), []).append(one)
    yield from groups.values()


def _sides(one: Match) -> tuple[str, str]:
    return one.pred, one.true


def _moves_as_one(place: Path, group: Sequence[Match]) -> bool:
    """Tell whether numbered pictures are frames of a clip: of one size, each alpha much like the one before."""
    if len(group) < 2 or group[0].clip is None:
        return False
    headers = [header_of(place / group[at].true) for at in (0, len(group) // 2, -1)]
    if len({(header.width, header.height) if header else None for header in headers}) > 1:
        return False
    for at in {0, (len(group) - 1) // 2, len(group) - 2}:
        now, then = (_thumbnail(place / one.true) for one in group[at : at + 2])
        if now is None or then is None or float(np.abs(now - then).mean()) > _NEIGHBOURS_DIFFER:
            return False
    return True


def _thumbnail(path: Path) -> np.ndarray | None:
    try:
        values = read_alpha(path.read_bytes()).values
    except (InputFault, OSError):
        return None
    small = cv2.resize(values, (64, 64), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32) / np.iinfo(values.dtype).max
