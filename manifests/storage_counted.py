"""A local folder that counts what is read and written, as a store's client counts its requests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from io import SEEK_END, BytesIO
from pathlib import Path
from typing import BinaryIO

from manifests.records import FileStat
from manifests.storage import LocalFolder
from manifests.traffic import Meter


class CountedFolder(LocalFolder):
    """A folder on a disk of this machine; a listing counts once, however many folders it goes through."""

    def __init__(self, root: Path) -> None:
        """Name the folder; it need not exist until something is written."""
        super().__init__(root)
        self.meter = Meter()

    def read_with_stat(self, path: str) -> tuple[bytes, FileStat]:
        """Return the whole file and the stat of the very file that was read."""
        self.meter.sent("get")
        data, stat = super().read_with_stat(path)
        self.meter.received(len(data))
        return data, stat

    def read_range(self, path: str, start: int, stop: int) -> bytes:
        """Return the bytes from `start` up to `stop`, fewer where the file ends before."""
        self.meter.sent("get")
        data = super().read_range(path, start, stop)
        self.meter.received(len(data))
        return data

    def copy_to(self, path: str, target: Path) -> FileStat:
        """Copy a file and return the stat of the very file that was read."""
        self.meter.sent("get")
        stat = super().copy_to(path, target)
        self.meter.received(stat.size_bytes)
        return stat

    def write_atomic(self, path: str, data: bytes) -> None:
        """Write a file that is seen whole or not at all."""
        self.write_from(path, BytesIO(data))

    def write_from(self, path: str, source: BinaryIO) -> None:
        """Write what `source` holds, seen whole or not at all."""
        self.meter.sent("put", source.seek(0, SEEK_END))
        super().write_from(path, source)

    def put_if_absent(self, path: str, data: bytes) -> bool:
        """Write a file unless there is one."""
        self.meter.sent("put", len(data))
        return super().put_if_absent(path, data)

    def list(self, prefix: str = "") -> Iterator[FileStat]:
        """Yield all files below `prefix`."""
        self.meter.sent("list")
        return super().list(prefix)

    def leftovers(self, prefix: str = "") -> Iterator[FileStat]:
        """Yield the temporary files below `prefix`."""
        self.meter.sent("list")
        return super().leftovers(prefix)

    def children(self, prefix: str = "") -> tuple[str, ...]:
        """Return the sorted names of the folders directly below `prefix`."""
        self.meter.sent("list")
        return super().children(prefix)

    def delete(self, paths: Iterable[str]) -> None:
        """Delete files; a file that is not there is fine."""
        for path in paths:
            self.meter.sent("delete")
            super().delete([path])
