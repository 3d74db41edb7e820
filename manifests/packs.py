"""Packs: one tar a shard instead of two files a frame, and where in it a mask lies.

A pack is an ordinary tar in the order of the frames, as WebDataset reads it: `<key>.mask.jpg` and `<key>.lowres.jpg`
with the key `<subject>/<sequence>/<camera>/<frame:06d>`. Receipts are its index: a row names a mask by the pack, where
it begins and how long it is, `_cleanplate/packs/031/<name>.tar@<start>+<bytes>`, so that one range read gets it.

The name of a pack ends in a digest of its bytes. Two runs that race over a shard and see different frames fail write
two packs, and each receipt speaks of its own.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count, groupby
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import NamedTuple

from manifests.records import FrameRow, Shard
from manifests.sharding import encode_name, subject_folder
from manifests.storage import Folder

PACKS = "_cleanplate/packs"
IN_MEMORY = 64 << 20
"""Bytes of a pack that are held in memory while it grows; more go to this machine's folder for temporary files."""
WINDOW = 32 << 20
"""Bytes of a pack that are read by one request where all of its masks are wanted."""

END_BYTES = 2 * tarfile.BLOCKSIZE
DIGITS = 10
"""Of the SHA-256 of a pack, in its name."""

_PLACE = re.compile(rf"(?P<path>{re.escape(PACKS)}/[^/]+/[^/]+\.tar)@(?P<start>\d+)\+(?P<size>\d+)")
_NAME = re.compile(rf"{re.escape(PACKS)}/[^/]+/(?P<shard>[^/]+)\.(?P<digest>[0-9a-f]{{{DIGITS}}})\.tar")


class Place(NamedTuple):
    """Where in a pack a file lies: `size` bytes from `start` on."""

    path: str
    start: int
    size: int

    def __str__(self) -> str:
        """Return the text that rows name it by."""
        return f"{self.path}@{self.start}+{self.size}"


@dataclass(frozen=True, slots=True)
class Masks:
    """The encoded masks of a frame, and the suffix of their files, such as `.jpg`."""

    full: bytes
    lowres: bytes
    suffix: str


def packs_folder(subject: str) -> str:
    """Return the folder of a subject's packs, relative to the output root."""
    return f"{PACKS}/{subject_folder(subject)}"


def place_of(path: str) -> Place | None:
    """Return where in a pack the file lies that a row names by `path`; None for a file of its own."""
    found = _PLACE.fullmatch(path)
    return None if found is None else Place(found["path"], int(found["start"]), int(found["size"]))


def lies_in(path: str) -> str:
    """Return the file that is there for one that a row names: the pack that holds it, or itself."""
    place = place_of(path)
    return path if place is None else place.path


def shard_of_pack(path: str) -> str | None:
    """Return the shard_id in a pack's name; None for what is no pack."""
    found = _NAME.fullmatch(path)
    return None if found is None else found["shard"]


def pack_bytes(places: Iterable[Place]) -> int:
    """Return the size of a whole pack, of which these are all files."""
    return _padded(max(place.start + place.size for place in places)) + END_BYTES


def has_digest(out: Folder, path: str) -> bool:
    """Read a pack piece by piece, and tell whether its bytes are those that its name speaks of."""
    named, digest = _NAME.fullmatch(path), hashlib.sha256()
    for start in count(0, WINDOW):
        piece = out.read_range(path, start, start + WINDOW)
        digest.update(piece)
        if len(piece) < WINDOW:
            break
    return named is not None and digest.hexdigest()[:DIGITS] == named["digest"]


def read_mask(out: Folder, path: str) -> bytes:
    """Return the file that a row names, whether it lies in a pack or by itself."""
    place = place_of(path)
    return out.read(path) if place is None else out.read_range(place.path, place.start, place.start + place.size)


def windows(paths: Iterable[str]) -> Iterator[list[str]]:
    """Group files that rows name: neighbours in a pack up to WINDOW together, files of their own alone."""
    for _, names in groupby(paths, key=lies_in):
        window: list[str] = []
        for name in names:
            if window and not _fits(window[0], name):
                yield window
                window = []
            window.append(name)
        yield window


def read_window(out: Folder, window: Sequence[str]) -> list[bytes]:
    """Return the files of a window, by one request; short ones where the pack is too short."""
    places = [place_of(path) for path in window]
    if places[0] is None:
        return [out.read(path) for path in window]
    within = [place for place in places if place is not None]
    first = min(place.start for place in within)
    data = out.read_range(within[0].path, first, max(place.start + place.size for place in within))
    return [data[place.start - first : place.start - first + place.size] for place in within]


class PackWriter:
    """Collects the masks of a shard; `write` makes it one object. Used as a context, which lets go of what it holds."""

    def __init__(self, out: Folder, shard: Shard) -> None:
        """Begin an empty pack."""
        self._out, self._shard = out, shard
        self._file = SpooledTemporaryFile(IN_MEMORY, prefix="cleanplate-")  # noqa: SIM115
        self._digest = hashlib.sha256()
        self._starts: dict[int, tuple[int, int]] = {}

    def __enter__(self) -> PackWriter:
        """Return this."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop what is held."""
        with contextlib.suppress(OSError):  # what a full disk did not take is asked for again here
            self._file.close()

    def add(self, row: FrameRow, masks: Masks) -> None:
        """Append the masks of the next frame."""
        parts = (self._shard.subject, self._shard.sequence, self._shard.camera)
        key = "/".join([*(encode_name(part) for part in parts if part), f"{row.frame:06d}"])
        named = (f"{key}.mask{masks.suffix}", masks.full), (f"{key}.lowres{masks.suffix}", masks.lowres)
        self._starts[row.frame] = self._append(*named[0]), self._append(*named[1])

    def write(self, rows: Sequence[FrameRow]) -> list[FrameRow]:
        """Write the pack as one object, unless it is empty, and return the rows with the places of their masks."""
        if not self._starts:
            return list(rows)
        self._put(bytes(END_BYTES))
        with _named():
            self._file.flush()
        path = f"{packs_folder(self._shard.subject)}/{self._shard.shard_id}.{self._digest.hexdigest()[:DIGITS]}.tar"
        self._out.write_from(path, self._file)  # type: ignore[arg-type]
        return [self._placed(path, row) for row in rows]

    def _placed(self, path: str, row: FrameRow) -> FrameRow:
        if row.frame not in self._starts:
            return row
        full, lowres = self._starts[row.frame]
        places = Place(path, full, row.mask_bytes or 0), Place(path, lowres, row.lowres_bytes or 0)
        return replace(row, mask_path=str(places[0]), lowres_path=str(places[1]))

    def _append(self, name: str, data: bytes) -> int:
        """Append a file and return where its bytes begin."""
        header = tarfile.TarInfo(name)
        header.size, header.mode = len(data), 0o644
        self._put(header.tobuf(tarfile.GNU_FORMAT))
        start = self._file.tell()
        self._put(data)
        self._put(bytes(_padded(len(data)) - len(data)))
        return start

    def _put(self, data: bytes) -> None:
        with _named():
            self._file.write(data)
        self._digest.update(data)


@contextlib.contextmanager
def _named() -> Iterator[None]:
    """Name the folder for temporary files where that fails: the store is another disk."""
    try:
        yield
    except OSError as err:
        folder, reason = tempfile.gettempdir(), os.strerror(err.errno) if err.errno else str(err)
        raise OSError(
            err.errno or 0, f"{reason} in {folder}, this machine's folder for temporary files, where a pack grows"
        ) from err


def _padded(n_bytes: int) -> int:
    return -(-n_bytes // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE


def _fits(first: str, name: str) -> bool:
    begins, ends = place_of(first), place_of(name)
    return begins is not None and ends is not None and 0 <= ends.start + ends.size - begins.start <= WINDOW
