"""Pairs: which matte is compared with which true one, by their names in two trees of files; pure, on paths."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from manifests.layouts.pattern import PICTURES, VIDEOS

ALPHA_FOLDERS = frozenset({"alpha", "alphas", "pha", "matte", "mattes", "alpha_maps", "fg_masks"})
"""Folders of mattes in datasets: alpha or matte in PPM-100, pha in clips of VideoMatte, alpha_maps in VHAP."""
TRIMAP_FOLDERS = frozenset({"trimap", "trimaps"})

PRED_PREFIXES = ("mask_", "alpha_")
TRUE_PREFIXES = ("alpha_", "mask_")
TRIMAP_PREFIXES = ("trimap_",)

_LOWRES = "mask_lowres_"
_OURS = "_cleanplate"


@dataclass(frozen=True, slots=True)
class Entry:
    """A file: `name` is its path without ending and without what says that it is a matte, so that two trees agree.

    `clip` and `place` say which frame of which clip it is; `clip` is None for a picture by itself. `is_gha`: they are
    those of a tree with a folder for each frame.
    """

    name: str
    path: str
    clip: str | None
    place: int = 0
    is_gha: bool = False

    @property
    def is_video(self) -> bool:
        """Tell whether it is a video."""
        return self.path.lower().endswith(VIDEOS)


@dataclass(frozen=True, slots=True)
class Match:
    """A matte and its truth. `before` is the name of the frame before in the clip of the truth, None for the first."""

    name: str
    pred: str
    true: str
    clip: str | None = None
    before: str | None = None
    trimap: str | None = None


@dataclass(frozen=True, slots=True)
class VideoMatch:
    """Two sequences of frames that are compared by place: a video's path, or the paths of its pictures in order."""

    name: str
    pred: str | tuple[str, ...]
    true: str | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Matched:
    """All that can be compared, in order, and by name what cannot, with the reason."""

    pictures: tuple[Match, ...] = ()
    videos: tuple[VideoMatch, ...] = ()
    faults: Mapping[str, str] = field(default_factory=dict)


def entries_of(paths: Iterable[str], prefixes: Sequence[str], folders: frozenset[str] = ALPHA_FOLDERS) -> list[Entry]:
    """Return the mattes among the files of a tree, sorted.

    Where there are folders of mattes, only what lies in them; where files have one of the prefixes, only those with the
    first of them that occurs. Books of ours, hidden files and lowres masks are passed over.
    """
    shown = [PurePosixPath(path) for path in sorted(paths) if path.lower().endswith(PICTURES + VIDEOS)]
    shown = [path for path in shown if not any(part == _OURS or part.startswith(".") for part in path.parts)]
    shown = [path for path in shown if not path.name.startswith(_LOWRES)]
    inside = [path for path in shown if any(part.lower() in folders for part in path.parts[:-1])]
    chosen = inside or shown
    prefix = next((one for one in prefixes if any(path.stem.startswith(one) for path in chosen)), "")
    chosen = [path for path in chosen if path.stem.startswith(prefix)]
    return [_entry(path, prefix, folders if inside else frozenset()) for path in chosen]


def single_entry(path: str) -> Entry:
    """Return a file that was named by itself: its name is empty, as that of the one it is compared with."""
    return Entry("", path, None)


def match(
    preds: Sequence[Entry], trues: Sequence[Entry], trimaps: Sequence[Entry] | None = None, still: bool = False
) -> Matched:
    """Match mattes with true ones by name; with `still`, pictures do not follow each other."""
    sides = _by_name(preds), _by_name(trues)
    faults: dict[str, str] = {}
    videos = _match_videos(preds, trues)
    done = {path for video in videos for side in (video.pred, video.true) for path in _paths(side)}
    unknown = None if trimaps is None else {entry.name: entry.path for entry in trimaps}
    pictures = []
    for name in sorted(set(sides[0]) | set(sides[1])):
        found = [side.get(name, []) for side in sides]
        if any(entry.path in done for entries in found for entry in entries):
            continue
        fault = _fault(found[0], found[1])
        if fault:
            faults[name] = fault
        elif unknown is not None and name not in unknown:
            faults[name] = "no trimap"
        else:
            pictures.append((found[0][0], found[1][0]))
    matches = _in_order(pictures, [entry for entry in trues if entry.path not in done], still)
    if unknown is not None:
        matches = [_with_trimap(one, unknown[one.name]) for one in matches]
    return Matched(tuple(matches), tuple(videos), faults)


def listed_names(text: str, trues: Sequence[Entry]) -> tuple[set[str], list[str]] | None:
    """Return the names that a list of a dataset has, a line each, and the lines that name none of `trues`.

    A line is a file's name or path, with or without its ending, or several of one picture, the matte last. None where
    no line names a matte: it is no list.
    """
    by_stem: dict[str, list[str]] = {}
    for entry in trues:
        by_stem.setdefault(PurePosixPath(entry.name).name, []).append(entry.name)
    names, unmatched = set(), []
    for line in filter(None, (line.strip() for line in text.splitlines())):
        said = [line, *reversed(re.split(r"[\s,;]+", line))]
        found = next((name for one in said if (name := _resolved(one, by_stem)) is not None), None)
        if found is None:
            unmatched.append(line)
        else:
            names.add(found)
    return (names, unmatched) if names else None


def _resolved(said: str, by_stem: Mapping[str, Sequence[str]]) -> str | None:
    """Return the one name of the dataset that a path of a list means, None where there is none or more."""
    path = PurePosixPath(said)
    stem = path.stem if said.lower().endswith(PICTURES + VIDEOS) else path.name
    candidates = by_stem.get(stem, ())
    if len(candidates) < 2:
        return candidates[0] if candidates else None
    parts = tuple(part for part in path.parent.parts if part.lower() not in ALPHA_FOLDERS)
    ends = [name for name in candidates if PurePosixPath(name).parent.parts[-len(parts) or None :] == parts]
    return ends[0] if len(ends) == 1 else None


def _entry(path: PurePosixPath, prefix: str, folders: frozenset[str]) -> Entry:
    parts = list(path.parent.parts)
    role = next((place for place, part in enumerate(parts) if part.lower() in folders), None)
    if role is not None:
        del parts[role]
    stem = path.stem.removeprefix(prefix)
    name = "/".join([*parts, stem])
    gha = re.fullmatch(r"(?:(.*)/)?images/(\d+)/([^/]+)", name)
    if gha is None and prefix and role is None:
        gha = re.fullmatch(r"(?:(.*)/)?(\d+)/([^/]+)", name)
    if gha is not None:
        return Entry(name, str(path), "/".join(filter(None, (gha[1], gha[3]))), int(gha[2]), is_gha=True)
    numbered = re.fullmatch(r"(.*?)(\d+)(\D*)", stem)
    if numbered is None:
        return Entry(name, str(path), None)
    same = f"{numbered[1]}*{numbered[3]}" if numbered[1] or numbered[3] else ""
    return Entry(name, str(path), "/".join([*parts, *filter(None, [same])]) or ".", int(numbered[2]))


def _by_name(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        found.setdefault(entry.name, []).append(entry)
    return found


def _fault(preds: Sequence[Entry], trues: Sequence[Entry]) -> str:
    if not preds:
        return "no matte to compare with the truth"
    if not trues:
        return "no true matte"
    double = next((entries for entries in (preds, trues) if len(entries) > 1), None)
    return "" if double is None else f"several files of that name: {', '.join(entry.path for entry in double)}"


def _match_videos(preds: Sequence[Entry], trues: Sequence[Entry]) -> list[VideoMatch]:
    """Match videos with videos of that name, or with the pictures of a folder of that name, in their order."""
    found = {}
    for mine, others, is_pred in ((preds, trues, True), (trues, preds, False)):
        for entry in mine:
            other = _sequence(entry.name, others) if entry.is_video else None
            if other:
                pair = (entry.path, other) if is_pred else (other, entry.path)
                found[entry.name] = VideoMatch(entry.name, *pair)
    return [found[name] for name in sorted(found)]


def _sequence(name: str, entries: Sequence[Entry]) -> str | tuple[str, ...]:
    """Return the video of a name, or the pictures in the folder of that name by their numbers; empty if none."""
    video = next((entry.path for entry in entries if entry.is_video and entry.name == name), None)
    if video is not None:
        return video
    pictures = [entry for entry in entries if not entry.is_video]
    inside = [entry for entry in pictures if str(PurePosixPath(entry.name).parent) == (name or ".")]
    return tuple(entry.path for entry in sorted(inside, key=lambda entry: (entry.place, entry.name)))


def _paths(side: str | tuple[str, ...]) -> tuple[str, ...]:
    return (side,) if isinstance(side, str) else side


def _in_order(pairs: Sequence[tuple[Entry, Entry]], trues: Sequence[Entry], still: bool) -> list[Match]:
    """Return the matches clip by clip, each with the name of the frame before it in the clip of the truth."""
    gha = {true.name: pred for pred, true in pairs if pred.is_gha and not true.is_gha}
    clips: dict[str, list[Entry]] = {}
    for entry in (gha.get(true.name, true) for true in trues):
        if entry.clip is not None and not still:
            clips.setdefault(entry.clip, []).append(entry)
    where: dict[str, tuple[str, int, str | None]] = {}
    for clip, entries in clips.items():
        ordered = sorted(entries, key=lambda entry: (entry.place, entry.name))
        for place, entry in enumerate(ordered if len(ordered) > 1 else []):
            where[entry.name] = clip, place, ordered[place - 1].name if place else None
    alone: tuple[str, int, str | None] = ("", 0, None)
    ordered_pairs = sorted(pairs, key=lambda pair: (*where.get(pair[1].name, alone)[:2], pair[1].name))
    matches = []
    for pred, true in ordered_pairs:
        clip, _, before = where.get(true.name, alone)
        matches.append(Match(true.name, pred.path, true.path, clip or None, before))
    return matches


def _with_trimap(one: Match, path: str) -> Match:
    return Match(one.name, one.pred, one.true, one.clip, one.before, path)
