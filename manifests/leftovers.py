"""Leftovers: what writes that were cut short have left behind under an output root."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from manifests.records import FileStat
from manifests.storage import Folder

BOOKS = "_cleanplate"
_OF_BOOKS = re.compile(r"_cleanplate/(?:claims/.+|preflight/.+|writable-[0-9a-f]{32})|_cleanplate/.+\.claim")


def find_leftovers(out: Folder, folders: Sequence[str] | None = None) -> list[FileStat]:
    """Return temporary files, or uploads that were not ended, and what is left of claims and trials in the books.

    `folders` are those to look into besides the books; all if not given.
    """
    top = [""] if folders is None or "" in folders else [BOOKS, *folders]
    return [*_unended(out, top), *_of_books(out)]


def delete_leftovers(out: Folder, leftovers: Iterable[FileStat]) -> None:
    """Delete leftovers."""
    found = list(leftovers)
    out.delete(stat.path for stat in found if _OF_BOOKS.fullmatch(stat.path))
    out.delete_leftovers(stat for stat in found if not _OF_BOOKS.fullmatch(stat.path))


def _unended(out: Folder, folders: Iterable[str]) -> Iterator[FileStat]:
    for folder in folders:
        yield from out.leftovers(folder)


def _of_books(out: Folder) -> Iterator[FileStat]:
    return (stat for stat in out.list(BOOKS) if _OF_BOOKS.fullmatch(stat.path))
