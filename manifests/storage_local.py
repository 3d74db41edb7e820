"""A local disk behind the Folder seam: files appear whole, and survive a power cut."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from manifests.records import FileStat

TEMPORARY = ".cleanplate-"
"""Prefix of files that are being written; never read, listed or counted."""
COPY_BYTES = 1 << 20
_LEFTOVER = re.compile(re.escape(TEMPORARY) + "[0-9a-f]{32}")


class LocalFolder:
    """A folder on a disk of this machine, or on a file system that looks like one."""

    def __init__(self, root: Path) -> None:
        """Name the folder; it need not exist until something is written."""
        self.root = Path(os.path.abspath(root.expanduser()))
        self.url = str(self.root)

    def read(self, path: str) -> bytes:
        """Return the whole file."""
        return self.read_with_stat(path)[0]

    def read_with_stat(self, path: str) -> tuple[bytes, FileStat]:
        """Return the whole file and the stat of the very file that was read."""
        with _opened(self._at(path)) as file:
            data, stat = file.read(), os.fstat(file.fileno())
        return data, FileStat(path, stat.st_size, stat.st_mtime_ns)

    def read_range(self, path: str, start: int, stop: int) -> bytes:
        """Return the bytes from `start` up to `stop`, fewer where the file ends before."""
        with _opened(self._at(path)) as file:
            file.seek(start)
            return file.read(max(0, stop - start))

    def copy_to(self, path: str, target: Path) -> FileStat:
        """Copy a file and return the stat of the very file that was read."""
        with _opened(self._at(path)) as file, open(target, "wb") as copy:
            shutil.copyfileobj(file, copy)
            stat = os.fstat(file.fileno())
        return FileStat(path, stat.st_size, stat.st_mtime_ns)

    def write_atomic(self, path: str, data: bytes) -> None:
        """Write a temporary file beside the target, flush it to the disk, rename it, flush the folder."""
        self.write_from(path, BytesIO(data))

    def write_from(self, path: str, source: BinaryIO) -> None:
        """Write what `source` holds from its start on, as `write_atomic` writes bytes."""
        target = self._at(path)
        with self._written(target, source) as temporary:
            os.replace(temporary, target)
        _fsync_folder(target.parent)

    def put_if_absent(self, path: str, data: bytes) -> bool:
        """Write a file unless there is one, by a hard link: it appears whole or not at all."""
        target = self._at(path)
        with self._written(target, BytesIO(data)) as temporary:
            try:
                os.link(temporary, target)
            except FileExistsError:
                return False
            except OSError as err:
                if err.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS):
                    raise
                return _claim_without_links(target, temporary)
        _fsync_folder(target.parent)
        return True

    def list(self, prefix: str = "") -> Iterator[FileStat]:
        """Yield all files below `prefix`; temporary files are passed over, and links that lead back up."""
        return self._stats(prefix, lambda name: not name.startswith(TEMPORARY))

    def leftovers(self, prefix: str = "") -> Iterator[FileStat]:
        """Yield the temporary files below `prefix`."""
        return self._stats(prefix, _LEFTOVER.fullmatch)

    def _stats(self, prefix: str, wanted: Callable[[str], object]) -> Iterator[FileStat]:
        for path, entry in self._entries(prefix):
            if wanted(entry.name):
                with contextlib.suppress(FileNotFoundError):
                    stat = entry.stat()
                    yield FileStat(path, stat.st_size, stat.st_mtime_ns)

    def _entries(self, prefix: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
        pending: list[tuple[str, frozenset[str]]] = [(prefix.strip("/"), frozenset())]
        while pending:
            folder, above = pending.pop()
            true_path = os.path.realpath(self._at(folder))
            if true_path in above:
                continue
            above |= {true_path}
            try:
                entries = os.scandir(self._at(folder))
            except (FileNotFoundError, NotADirectoryError):
                continue
            with entries:
                for entry in entries:
                    path = f"{folder}/{entry.name}" if folder else entry.name
                    if entry.is_dir():
                        pending.append((path, above))
                    else:
                        yield path, entry

    def children(self, prefix: str = "") -> tuple[str, ...]:
        """Return the sorted names of the folders directly below `prefix`."""
        try:
            with os.scandir(self._at(prefix)) as entries:
                return tuple(sorted(entry.name for entry in entries if entry.is_dir()))
        except (FileNotFoundError, NotADirectoryError):
            return ()

    def delete(self, paths: Iterable[str]) -> None:
        """Delete files; a file that is not there is fine."""
        for path in paths:
            self._at(path).unlink(missing_ok=True)

    def delete_leftovers(self, leftovers: Iterable[FileStat]) -> None:
        """Delete temporary files."""
        self.delete(leftover.path for leftover in leftovers)

    def prune(self, paths: Iterable[str]) -> None:
        """Delete the folders of `paths` that are empty, and those above them up to the root, which stays."""
        for folder in sorted({self._at(path).parent for path in paths}, reverse=True):
            while folder != self.root:
                try:
                    folder.rmdir()
                except FileNotFoundError:
                    pass
                except OSError:  # not empty
                    break
                folder = folder.parent

    def free_bytes(self) -> int:
        """Return the room that is left on the disk which holds, or will hold, the folder."""
        existing = self.root
        while not existing.exists():
            existing = existing.parent
        return shutil.disk_usage(existing).free

    def local_path(self, path: str) -> Path:
        """Return where the file lies."""
        return self._at(path)

    def _at(self, path: str) -> Path:
        if path.startswith("/") or ".." in path.split("/"):
            raise ValueError(f"{path!r} leads out of {self.url}")
        return self.root / path

    @contextlib.contextmanager
    def _written(self, target: Path, source: BinaryIO) -> Iterator[Path]:
        """Hold a flushed temporary file beside `target`; whatever is left of it at the end is deleted."""
        _make_folders(target.parent)
        temporary = target.with_name(f"{TEMPORARY}{uuid.uuid4().hex}")
        source.seek(0)
        try:
            with open(temporary, "xb") as file:
                shutil.copyfileobj(source, file, COPY_BYTES)
                file.flush()
                os.fsync(file.fileno())
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)


def _opened(path: Path) -> BinaryIO:
    """Open a file to be read; a path that leads through a file is a missing file, too."""
    try:
        return open(path, "rb")
    except NotADirectoryError as err:
        raise FileNotFoundError(errno.ENOENT, "no such file", str(path)) from err


def _fsync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _make_folders(folder: Path) -> None:
    """Make a folder and its parents, each flushed into its own parent."""
    if folder.is_dir():
        return
    _make_folders(folder.parent)
    with contextlib.suppress(FileExistsError):
        folder.mkdir()
        _fsync_folder(folder.parent)


def _claim_without_links(target: Path, written: Path) -> bool:
    """Put `written` at `target` on a file system without hard links: a claim made exclusively, then a rename.

    A claim whose owner died before the rename is taken over after ten seconds.
    """
    if target.exists():
        return False
    claim = target.with_name(f"{target.name}.claim")
    try:
        os.close(os.open(claim, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        deadline = time.monotonic() + 10
        while not target.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        if target.exists():
            return False
    os.replace(written, target)
    claim.unlink(missing_ok=True)
    _fsync_folder(target.parent)
    return True
