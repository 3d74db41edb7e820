"""Sides: what a URL of mattes, or of true ones, names: a file, a tree, a dataset with its lists, or one list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from manifests.errors import UsageError
from manifests.layouts.pattern import PICTURES, VIDEOS
from manifests.packs import PACKS
from manifests.storage import Folder, open_folder
from matting_tasks.pairs import ALPHA_FOLDERS, Entry, entries_of, listed_names, single_entry

LIST = ".txt"


@dataclass(frozen=True, slots=True)
class Listed:
    """The names that the lists of a dataset have, lines that name nothing of it, and the lists that were used."""

    names: set[str]
    unmatched: list[str]
    used: list[str]

    def has(self, entry: Entry) -> bool:
        """Tell whether a matte is to be compared."""
        return not self.used or entry.name in self.names


@dataclass(frozen=True, slots=True)
class Side:
    """Mattes, the folder that they are in, and the lists that lie beside them, or the one that was named."""

    entries: list[Entry]
    folder: Folder
    lists: tuple[str, ...] = ()
    is_list: bool = False


def open_side(
    url: str, prefixes: Sequence[str], options: Mapping[str, str], folders: frozenset[str] = ALPHA_FOLDERS
) -> Side:
    """Return the mattes that a URL names; raises UsageError where there are none."""
    parent, name = split_url(url)
    if _is_file(url, PICTURES + VIDEOS):
        folder = open_folder(parent, options)
        path = folder.local_path(name)
        if path is not None and not path.is_file():
            raise UsageError(f"{url}: there is no such file.")
        return Side([single_entry(name)], folder)
    is_list = _is_file(url, (LIST,))
    folder = open_folder(parent if is_list else url, options)
    paths = [stat.path for stat in folder.list()]
    entries = entries_of(paths, prefixes, folders)
    if not entries and any(path.startswith(f"{PACKS}/") for path in paths):
        raise UsageError(f"{url}: its masks lie in packs. Make files of them: cleanplate unpack {url} --to FOLDER")
    if not entries:
        raise UsageError(
            f"{url}: there is no picture ({' '.join(PICTURES)}) or video ({' '.join(VIDEOS)}) there. Name a file, a "
            "folder of mattes, an output root or a dataset."
        )
    beside = sorted(path for path in paths if "/" not in path and path.lower().endswith(LIST))
    return Side(entries, folder, (name,) if is_list else tuple(beside), is_list)


def named_alone(mine: list[Entry], others: Sequence[Entry], prefixes: Sequence[str]) -> list[Entry]:
    """Give a file that was named by itself its own name where it is one of many on the other side."""
    if len(mine) != 1 or mine[0].name or not any(entry.name for entry in others):
        return mine
    if mine[0].is_video and not any(entry.is_video for entry in others):
        return mine
    return entries_of([mine[0].path], prefixes)


def listed_by(side: Side) -> Listed:
    """Return what the lists of a dataset name; raises UsageError for one that was given and names nothing."""
    names: set[str] = set()
    unmatched: list[str] = []
    used = []
    for path in side.lists:
        found = listed_names(side.folder.read(path).decode(errors="replace"), side.entries)
        if found is not None and (side.is_list or len(found[0]) >= len(found[1])):  # a text may happen to name one
            names |= found[0]
            unmatched += found[1]
            used.append(path)
        elif side.is_list:
            raise UsageError(f"{path}: none of its lines names a true matte beside it.")
    return Listed(names, unmatched, used)


def _is_file(url: str, endings: tuple[str, ...]) -> bool:
    """Tell whether a URL names a file; a local folder may have any name."""
    return url.lower().endswith(endings) and not ("://" not in url and Path(url).expanduser().is_dir())


def split_url(url: str) -> tuple[str, str]:
    """Return the folder and the name of a file's URL or path."""
    if "://" not in url:
        return str(Path(url).expanduser().parent), Path(url).name
    parent, name = url.rsplit("/", 1)
    return parent, name
