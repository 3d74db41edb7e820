"""A folder in the memory of this process, for tests and for machines without a disk to spare."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from manifests.records import FileStat


class MemoryFolder:
    """A folder in the memory of this process, for tests and for machines without a disk to spare."""

    def __init__(self, files: Mapping[str, bytes] | None = None) -> None:
        """Start with the given files."""
        self.url = "memory://"
        self.files = dict(files or {})
        self._lock = threading.Lock()

    def read(self, path: str) -> bytes:
        """Return the whole file."""
        try:
            return self.files[path]
        except KeyError as err:
            raise FileNotFoundError(errno.ENOENT, "no such file", path) from err

    def read_with_stat(self, path: str) -> tuple[bytes, FileStat]:
        """Return the whole file and its size."""
        data = self.read(path)
        return data, FileStat(path, len(data), 0)

    def read_range(self, path: str, start: int, stop: int) -> bytes:
        """Return the bytes from `start` up to `stop`."""
        return self.read(path)[start : max(start, stop)]

    def copy_to(self, path: str, target: Path) -> FileStat:
        """Copy a file to the disk."""
        data, stat = self.read_with_stat(path)
        target.write_bytes(data)
        return stat

    def write_atomic(self, path: str, data: bytes) -> None:
        """Set the file."""
        with self._lock:
            self.files[path] = bytes(data)

    def write_from(self, path: str, source: BinaryIO) -> None:
        """Set the file to what `source` holds."""
        source.seek(0)
        self.write_atomic(path, source.read())

    def put_if_absent(self, path: str, data: bytes) -> bool:
        """Set the file unless there is one."""
        with self._lock:
            if path in self.files:
                return False
            self.files[path] = bytes(data)
            return True

    def list(self, prefix: str = "") -> Iterator[FileStat]:
        """Yield all files below `prefix`."""
        start = f"{prefix.strip('/')}/" if prefix else ""
        for path, data in sorted(self.files.items()):
            if path.startswith(start):
                yield FileStat(path, len(data), 0)

    def children(self, prefix: str = "") -> tuple[str, ...]:
        """Return the sorted names of the folders directly below `prefix`."""
        start = f"{prefix.strip('/')}/" if prefix else ""
        rests = (path[len(start) :] for path in list(self.files) if path.startswith(start))
        return tuple(sorted({rest.split("/", 1)[0] for rest in rests if "/" in rest}))

    def delete(self, paths: Iterable[str]) -> None:
        """Delete files; a file that is not there is fine."""
        for path in paths:
            self.files.pop(path, None)

    def leftovers(self, prefix: str = "") -> Iterator[FileStat]:
        """Yield nothing: a write is never seen in part."""
        return iter(())

    def delete_leftovers(self, leftovers: Iterable[FileStat]) -> None:
        """Do nothing: there are none."""

    def prune(self, paths: Iterable[str]) -> None:
        """Do nothing: a folder is there as long as a file is in it."""

    def free_bytes(self) -> None:
        """Tell nothing."""

    def local_path(self, path: str) -> None:
        """Tell that the file is on no disk."""
