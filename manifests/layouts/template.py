"""Any other rig: a layout that a pattern describes, `{subject}/{sequence}/cam_{camera}/{frame:06d}.png`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from manifests.layouts.base import EVERY_CAMERA, LAST_FRAME, OURS, Found, Tree, folders, joined
from manifests.layouts.pattern import Pattern, parse_layout, parse_plate, regex_of
from manifests.records import FileStat

MOST_FOLDERS = 20
ANY_SUBJECT = None

BySubject = dict[str | None, list[tuple[Found, FileStat]]]


class Template:
    """A layout by a pattern of the frames, or videos, and one of the plates.

    Where the subject is a folder of its own, that is listed; else all is listed once, and kept by subject.
    """

    def __init__(self, pattern: str, plate: str = "") -> None:
        """Understand both patterns; raises UsageError for one that makes no sense."""
        self.name = pattern
        self.plate = plate
        self._frames = parse_layout(pattern)
        self._plates = parse_plate(plate) if plate else None
        self._spells_frames_out = self._plates is not None and self._frames.n_spelled > self._plates.n_spelled
        self._kept: dict[Pattern, BySubject] = {}

    def subjects(self, capture: Tree) -> list[str]:
        """Return the subjects, one empty name where the pattern has none."""
        depth = _depth_of_subject(self._frames)
        if depth is None:
            return sorted(subject for subject in self._by_subject(capture, self._frames) if subject is not None)
        above, part = "/".join(self._frames.parts[:depth]), regex_of(self._frames.parts[depth])
        matched = (part.fullmatch(name) for name in folders(capture, above))
        return sorted(found["subject"] for found in matched if found)

    def files(self, capture: Tree, subject: str) -> Iterator[tuple[Found, FileStat]]:
        """Yield frames or videos, masks and plates of a subject, from one listing where they lie in one folder."""
        patterns = [self._frames] if self._plates is None else [self._frames, self._plates]
        own = [pattern for pattern in patterns if _depth_of_subject(pattern) is not None]
        for pattern in patterns:
            if pattern not in own:
                yield from _of(self._by_subject(capture, pattern), subject)
        roots = {_root(pattern, subject) for pattern in own}
        for root in roots:
            if any(root.startswith(f"{other}/") for other in roots):
                continue
            for stat in capture.list(root):
                for pattern in own:
                    found = self._look(pattern, stat.path)
                    if found is not None and found[0] == subject:
                        yield found[1], stat

    def describe(self) -> str:
        """Show the patterns."""
        return self.name + (f" with plates {self.plate}" if self.plate else "")

    def found_instead(self, capture: Tree) -> str:
        """Say at which part the pattern of the frames fails, and what lies there."""
        return nearest(capture, self._frames)

    def plates_instead(self, capture: Tree) -> str:
        """Say at which part the pattern of the plates fails, and what lies there."""
        return nearest(capture, self._plates) if self._plates is not None else "no --plate was given"

    def _by_subject(self, capture: Tree, pattern: Pattern) -> BySubject:
        if pattern not in self._kept:
            kept: BySubject = {}
            for stat in capture.list(_root(pattern, None)):
                found = self._look(pattern, stat.path)
                if found is not None:
                    kept.setdefault(found[0], []).append((found[1], stat))
            self._kept[pattern] = kept
        return self._kept[pattern]

    def _look(self, pattern: Pattern, path: str) -> tuple[str | None, Found] | None:
        """Return whose file a path is and what it is; None for what is not of the pattern, and for what is ours.

        A file that fits both patterns is of the one that spells more of its path out; a plate if both do alike.
        """
        if path.startswith(f"{OURS}/"):
            return None
        found = self._frames.found(path)
        plate = None if self._plates is None else self._plates.match(path)
        if found is not None and plate is not None:
            found, plate = (found, None) if self._spells_frames_out else (None, plate)
        if pattern is self._frames:
            return found
        if plate is None:
            return None
        camera = plate.camera if "camera" in pattern.fields else EVERY_CAMERA
        return (plate.subject if "subject" in pattern.fields else ANY_SUBJECT), Found("plate", "", camera)


def nearest(capture: Tree, pattern: Pattern) -> str:
    """Walk down a pattern part by part and say which part matches nothing, with what lies there instead."""
    above = [""]
    for number, part in enumerate(pattern.parts[:-1], 1):
        below = {prefix: folders(capture, prefix) for prefix in above}
        regex = regex_of(part)
        matched = [_join(prefix, name) for prefix, names in below.items() for name in names if regex.fullmatch(name)]
        if not matched:
            prefix = next((prefix for prefix, names in below.items() if names), above[0])
            there = "the folders " + joined(below[prefix]) if below[prefix] else "no folder"
            return f"part {number} of {pattern.option}, {part}, matches no folder in {_shown(capture, prefix)}: {there}"
        above = matched[:MOST_FOLDERS]
    return _nearest_files(capture, pattern, above)


def _nearest_files(capture: Tree, pattern: Pattern, above: list[str]) -> str:
    part = pattern.parts[-1]
    regex, last = regex_of(part), ""
    for prefix in above:
        start = len(prefix) + 1 if prefix else 0
        names = (stat.path[start:] for stat in capture.list(prefix) if not stat.path.startswith(f"{OURS}/"))
        some = sorted(islice(names, 1000))
        direct = [name for name in some if "/" not in name]
        fitting = [name for name in direct if regex.fullmatch(name)]
        if fitting:
            return (
                f"each part of {pattern.option} matches by itself, as {_join(prefix, fitting[0])}, but a field that "
                f"appears twice differs, or a frame number is above {LAST_FRAME}"
            )
        there = "the files " + joined(direct) if direct else f"only files deeper down, {joined(some)}" if some else ""
        last = last or (f" in {_shown(capture, prefix)}: {there}" if there else "")
    where = last or f": there is no file in {_shown(capture, above[0])}"
    return f"part {len(pattern.parts)} of {pattern.option}, {part}, matches no file{where}"


def _of(kept: BySubject, subject: str) -> list[tuple[Found, FileStat]]:
    return [*kept.get(subject, ()), *kept.get(ANY_SUBJECT, ())]


def _depth_of_subject(pattern: Pattern) -> int | None:
    """Return which folder of a pattern is the subject's own: {subject} and no other field is in it or above it."""
    for depth, part in enumerate(pattern.parts[:-1]):
        if part.count("{") == 1 and "{subject}" in part:
            return depth
        if "{" in part:
            return None
    return None


def _root(pattern: Pattern, subject: str | None) -> str:
    """Return the deepest folder that holds all files of a pattern, of one subject or of all."""
    parts = []
    for part in pattern.parts[:-1]:
        named = part if subject is None else part.replace("{subject}", subject)
        if "{" in part.replace("{subject}", "" if subject is not None else "{subject}"):
            break
        parts.append(named)
    return "/".join(parts)


def _join(prefix: str, name: str) -> str:
    return f"{prefix}/{name}" if prefix else name


def _shown(capture: Tree, prefix: str) -> str:
    return prefix or capture.url
