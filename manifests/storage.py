"""Storage: one Folder over a local disk, an object store or memory, with whole-file writes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Protocol

from manifests.errors import StoreFault, UsageError
from manifests.records import FileStat
from manifests.storage_local import TEMPORARY as TEMPORARY
from manifests.storage_local import LocalFolder as LocalFolder


class Folder(Protocol):
    """A tree of files named by relative paths with forward slashes.

    Missing files raise FileNotFoundError, all else that fails in the store an OSError.
    """

    url: str

    def read(self, path: str) -> bytes:
        """Return the whole file."""

    def read_with_stat(self, path: str) -> tuple[bytes, FileStat]:
        """Return the whole file and what identifies the version that was read."""

    def read_range(self, path: str, start: int, stop: int) -> bytes:
        """Return the bytes from `start` up to `stop`, fewer where the file ends before."""

    def copy_to(self, path: str, target: Path) -> FileStat:
        """Copy a file, however large, to this machine's disk and return what identifies the version that was read."""

    def write_atomic(self, path: str, data: bytes) -> None:
        """Write a file that is seen whole or not at all, and survives a power cut once this returns."""

    def write_from(self, path: str, source: BinaryIO) -> None:
        """Write what `source` holds from its start on, of any size, as `write_atomic` writes bytes."""

    def put_if_absent(self, path: str, data: bytes) -> bool:
        """Write a file unless there is one; tell whether it was written."""

    def list(self, prefix: str = "") -> Iterator[FileStat]:
        """Yield all files below the folder `prefix`, in no promised order; nothing where it does not exist."""

    def children(self, prefix: str = "") -> tuple[str, ...]:
        """Return the sorted names of the folders directly below the folder `prefix`."""

    def leftovers(self, prefix: str = "") -> Iterator[FileStat]:
        """Yield what unfinished writes have left below the folder `prefix`, or hold there now."""

    def delete(self, paths: Iterable[str]) -> None:
        """Delete files; a file that is not there is fine."""

    def delete_leftovers(self, leftovers: Iterable[FileStat]) -> None:
        """Delete what `leftovers` has yielded."""

    def prune(self, paths: Iterable[str]) -> None:
        """Delete the folders of deleted files that are empty now, and those above them; stores may have none."""

    def free_bytes(self) -> int | None:
        """Return the room that is left, or None where the store does not tell."""

    def local_path(self, path: str) -> Path | None:
        """Return where the file lies on this machine's disk, or None."""


def open_folder(url: str, options: Mapping[str, str] | None = None) -> Folder:
    """Return the folder at a local path, `file://` or `s3://bucket/prefix` URL.

    `options` go to the object store's client (`--storage-option key=value`); credentials and endpoint otherwise come
    from the standard AWS environment and profile.
    """
    if not url.strip():
        raise UsageError("A folder or s3:// URL is wanted, and an empty text was given: is a shell variable unset?")
    if url.startswith("s3://"):
        from manifests.storage_s3 import S3Folder

        return S3Folder(url.rstrip("/"), dict(options or {}))
    if "://" in url and not url.startswith("file://"):
        raise UsageError(f"{url}: cleanplate reads and writes local folders and s3:// URLs.")
    from manifests.storage_counted import CountedFolder

    return CountedFolder(Path(url.removeprefix("file://")))


def unwritable(folder: Folder, err: OSError) -> StoreFault:
    """Return the error that says that a folder cannot be written, and what to look at."""
    return StoreFault(f"{folder.url} cannot be written ({err}). Check the path, its permissions, room and credentials.")


def user_temporary_file(suffix: str) -> Path:
    """Return the path of a new empty file in the machine's folder for temporary files."""
    handle, path = tempfile.mkstemp(prefix="cleanplate-", suffix=suffix)
    os.close(handle)
    return Path(path)
