"""What a layout of captures is: which subjects there are, and what each file of a subject is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from manifests.records import FileStat

OURS = "_cleanplate"
LAST_FRAME = 2**31 - 1
LISTING_THREADS = 8
MOST_EXAMPLES = 5

EVERY_CAMERA = ""
"""The camera of a plate in a layout whose plates name none: it is the plate of all of them."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a file is: role is frame | video | visible | mask | plate | calibration; `frame` is -1 where it has none."""

    role: str
    sequence: str = ""
    camera: str = ""
    frame: int = -1


class Tree(Protocol):
    """As much of a folder as a layout needs: listings, never a look at a single file."""

    url: str

    def list(self, prefix: str = "") -> Iterator[FileStat]:
        """Yield all files below the folder `prefix`."""

    def children(self, prefix: str = "") -> tuple[str, ...]:
        """Return the sorted names of the folders directly below the folder `prefix`."""


class Layout(Protocol):
    """One way to lay out captures. `name` is what the manifest keeps, `plate` the pattern of the plates, if any."""

    @property
    def name(self) -> str:
        """Name the layout: a word, or the pattern itself."""

    @property
    def plate(self) -> str:
        """Return the pattern of the plates; empty where the layout itself says where they lie."""

    def subjects(self, capture: Tree) -> list[str]:
        """Return the sorted subjects; none if the capture is not in this layout."""

    def files(self, capture: Tree, subject: str) -> Iterator[tuple[Found, FileStat]]:
        """Yield what lies there of a subject, with its stat; files of no meaning are left out."""

    def describe(self) -> str:
        """Say what the layout looks like, for messages."""

    def found_instead(self, capture: Tree) -> str:
        """Say what lies there, for messages about a capture that has nothing in this layout."""


class RememberedTree:
    """A tree whose folders are looked into once, while several layouts are tried on it."""

    def __init__(self, capture: Tree) -> None:
        """Look at a capture."""
        self.url = capture.url
        self._capture = capture
        self._children: dict[str, tuple[str, ...]] = {}

    def list(self, prefix: str = "") -> Iterator[FileStat]:
        """Yield all files below the folder `prefix`."""
        return self._capture.list(prefix)

    def children(self, prefix: str = "") -> tuple[str, ...]:
        """Return the sorted names of the folders directly below the folder `prefix`."""
        if prefix not in self._children:
            self._children[prefix] = self._capture.children(prefix)
        return self._children[prefix]


def folders(capture: Tree, prefix: str = "") -> list[str]:
    """Return the folders that may belong to a capture: neither ours nor hidden."""
    return [name for name in capture.children(prefix) if name != OURS and not name.startswith(".")]


def folders_with(capture: Tree, names: Iterable[str], fits: Callable[[tuple[str, ...]], bool]) -> list[str]:
    """Return those of the folders `names` whose children fit; several are looked into at once."""
    asked = list(names)
    with ThreadPoolExecutor(LISTING_THREADS, thread_name_prefix="list") as threads:
        return [name for name, below in zip(asked, threads.map(capture.children, asked), strict=True) if fits(below)]


def some_files(capture: Tree, prefix: str = "") -> list[str]:
    """Return the first few files below a folder, sorted."""
    found = (stat.path for stat in capture.list(prefix) if not stat.path.startswith(f"{OURS}/"))
    return sorted(islice(found, MOST_EXAMPLES))


def joined(names: Iterable[str]) -> str:
    """Return the first few names as text."""
    listed = list(names)
    return ", ".join(listed[:MOST_EXAMPLES]) + (", ..." if len(listed) > MOST_EXAMPLES else "")
