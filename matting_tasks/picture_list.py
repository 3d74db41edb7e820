"""The pictures of a sequence: a folder, or a pattern of names, to files in the order of their numbers."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from pathlib import Path

from manifests.errors import UsageError
from manifests.layouts.pattern import PICTURES, VIDEOS, regex_of

_PRINTF = re.compile(r"%(0\d+)?d")


def list_pictures(path: Path) -> list[Path] | None:
    """Return the pictures that a path names in the order of their numbers, None where it names another file.

    A path is a folder, a picture, or a pattern of names in a folder: frame_*.jpg, frame_%06d.jpg or
    frame_{frame:06d}.jpg. Raises UsageError where there is none.
    """
    if path.is_dir():
        return _some(_pictures_in(path, re.compile(".*")), path, path)
    if path.exists():
        return [path] if path.suffix.lower() in PICTURES else None
    if not re.search(r"[*?{%]", path.name):
        raise UsageError(f"{path}: there is no such file or folder. Name a video, or a folder of jpg or png pictures.")
    named = _PRINTF.sub(lambda found: f"{{frame:{found[1]}d}}" if found[1] else "{frame}", path.name)
    pattern = regex_of(named) if "{frame" in named else re.compile(fnmatch.translate(path.name))
    return _some(_pictures_in(path.parent, pattern) if path.parent.is_dir() else [], path, path.parent)


def frame_numbers(pictures: Sequence[Path]) -> tuple[int, ...] | None:
    """Return the last number in each picture's name, None where one has none or they do not rise."""
    found = [re.search(r"(\d+)\D*$", picture.stem) for picture in pictures]
    numbers = tuple(int(match[1]) for match in found if match is not None)
    rises = all(before < after for before, after in zip(numbers, numbers[1:], strict=False))
    return numbers if len(numbers) == len(pictures) and rises else None


def _pictures_in(folder: Path, pattern: re.Pattern[str]) -> list[Path]:
    named = (path for path in folder.iterdir() if not path.name.startswith(".") and pattern.fullmatch(path.name))
    return sorted((path for path in named if path.suffix.lower() in PICTURES and path.is_file()), key=_natural)


def _natural(path: Path) -> tuple[list[str | int], str]:
    """Order by the numbers in names, not by their digits: 9 before 10."""
    parts = re.split(r"(\d+)", path.name)
    return [int(part) if place % 2 else part for place, part in enumerate(parts)], path.name


def _some(pictures: list[Path], path: Path, folder: Path) -> list[Path]:
    if pictures:
        return pictures
    if not folder.is_dir():
        raise UsageError(f"{path}: there is no folder {folder}.")
    names = sorted(other.name for other in folder.iterdir() if not other.name.startswith("."))
    videos = [name for name in names if name.lower().endswith(VIDEOS)]
    there = f"it holds {', '.join(names[:4])}{', ...' if len(names) > 4 else ''}" if names else "it is empty"
    hint = f" To matte a video, name it: {folder / videos[0]}" if videos else ""
    which = f"in {folder} is named like that" if path != folder else f"is in {folder}"
    raise UsageError(f"{path}: no picture ({' '.join(PICTURES)}) {which}; {there}.{hint}")
