"""Seams: where a process that runs cleanplate is disturbed: at each step of a write, at each delete, in the model.

Installed in a child process only, over the local folder of `manifests.storage` and the model without weights.
"""

from __future__ import annotations

import builtins
import contextlib
import errno
import json
import os
import re
import resource
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from chaos.job import Job
from fakes import DifferenceModel
from torch import Tensor

import manifests.garbage
import manifests.packs
import manifests.plan
import manifests.storage_local
import manifests.verify
from manifests.packs import PackWriter
from manifests.storage import LocalFolder
from manifests.storage_s3 import S3Folder
from models import registry
from models.base import Matte

KINDS = (
    ("root", r"_cleanplate/root\.json"),
    ("decision", r"_cleanplate/decisions/.*"),
    ("run record", r"_cleanplate/runs/.*\.json"),
    ("probe", r"_cleanplate/writable-.*"),
    ("plates", r"_cleanplate/manifest/.*\.plates\.parquet"),
    ("frames", r"_cleanplate/manifest/.*\.parquet"),
    ("numbering", r"_cleanplate/manifest/.*\.numbering.*\.json"),
    ("joined receipts", r"_cleanplate/ledger/.*\.compact\.parquet"),
    ("receipt", r"_cleanplate/ledger/.*\.f\d+\.parquet"),
    ("failure", r"_cleanplate/failures/.*"),
    ("forgotten record", r"_cleanplate/forgotten/.*"),
    ("pack", r"_cleanplate/packs/.*\.tar"),
    ("lowres mask", r".*/mask_lowres_[^/]*"),
    ("mask", r".*/mask_[^/]*"),
    ("log", r"_cleanplate/.*"),
)
"""What a path is, in the words of the protocol; the first that fits."""


@dataclass
class _Place(threading.local):
    """What this thread writes now, and as part of what."""

    kind: str = ""
    within: str = ""


class Seams:
    """Count the steps that a process takes, and kill it or fail it at the one that it is told to."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.hits: Counter[str] = Counter()
        self.n_bytes = 0
        self.n_frames = 0
        self.n_opened = 0
        self.lock = threading.Lock()
        self.place = _Place()
        self.model_lock = threading.Lock()

    def hit(self, moment: str, kind: str = "") -> None:
        """Take a step; it may be the last."""
        within = f"{self.place.within}: " if self.place.within else ""
        name = f"{within}{kind or self.place.kind} {moment}"
        with self.lock:
            self.hits[name] += 1
            nth = self.hits[name]
            if (name, nth) == (self.job.kill_at, self.job.nth):
                os.kill(os.getpid(), signal.SIGKILL)

    def check_room(self, n_bytes: int) -> None:
        """Raise what a full disk raises, from the given byte on."""
        with self.lock:
            self.n_bytes += n_bytes
            if self.job.full_after is not None and self.n_bytes > self.job.full_after:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def check_access(self) -> None:
        """Raise what a folder without permissions raises, at the files that are told."""
        with self.lock:
            self.n_opened += 1
            number = self.n_opened
        if self.job.denied_from is not None and 0 <= number - self.job.denied_from < self.job.n_denied:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    def count_frame(self) -> int:
        """Note on disk that a frame was shown to the model, so that a kill does not lose the count."""
        with self.model_lock:
            self.n_frames += 1
            if self.job.counter:
                with builtins.open(self.job.counter, "ab", buffering=0) as counter:
                    counter.write(b".")
            return self.n_frames

    def save_hits(self) -> None:
        """Write how often each step was taken, for a run that records."""
        if self.job.hits_file:
            Path(self.job.hits_file).write_text(json.dumps(self.hits))

    @contextlib.contextmanager
    def within(self, name: str) -> Iterator[None]:
        """Say what the steps of this thread are part of."""
        before, self.place.within = self.place.within, name
        try:
            yield
        finally:
            self.place.within = before


def kind_of(path: str) -> str:
    """Return what a path is."""
    return next((kind for kind, shape in KINDS if re.fullmatch(shape, path)), "frame file")


def install(job: Job) -> Seams:
    """Put the seams into this process."""
    seams = Seams(job)
    _install_writes(seams)
    _install_deletes(seams)
    _install_packs(seams)
    _install_model(seams)
    _name_parts(seams)
    if job.file_limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (job.file_limit, job.file_limit))
    return seams


def _install_writes(seams: Seams) -> None:
    storage: Any = manifests.storage_local

    def put(step: Callable[[Path, Path], None]) -> Callable[[Path, Path], None]:
        def named(temporary: Path, target: Path) -> None:
            seams.check_access()
            step(temporary, target)
            seams.hit("in place")

        return named

    names = {name: getattr(os, name) for name in dir(os) if not name.startswith("__")}
    storage.os = SimpleNamespace(**names | {"replace": put(os.replace), "link": put(os.link)})
    storage.open = lambda path, mode: _opened(seams, path, mode)
    for method in ("write_from", "put_if_absent"):  # the former is what `write_atomic` does
        setattr(LocalFolder, method, _written(seams, getattr(LocalFolder, method)))


def _written(seams: Seams, step: Callable[..., Any]) -> Callable[..., Any]:
    def named(folder: LocalFolder, path: str, data: Any) -> Any:
        seams.place.kind = kind_of(path)
        seams.hit("to come")
        try:
            done = step(folder, path, data)
            seams.hit("done")
        finally:
            seams.place.kind = ""
        return done

    return named


def _opened(seams: Seams, path: object, mode: str) -> Any:
    """Open a file as `open` does; one that is written is written in two halves, with steps between."""
    if mode != "xb":
        return builtins.open(path, mode)  # type: ignore[call-overload]
    seams.check_access()
    return _Halved(seams, builtins.open(path, mode))  # type: ignore[call-overload]


class _Halved:
    """A file whose content arrives in two halves."""

    def __init__(self, seams: Seams, file: Any) -> None:
        self._seams, self._file = seams, file

    def __enter__(self) -> _Halved:
        self._seams.hit("opened")
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self._file.close()
        if kind is None:
            self._seams.hit("written")

    def write(self, data: bytes) -> None:
        middle = len(data) // 2
        self._write(data[:middle])
        self._seams.hit("half written")
        self._write(data[middle:])

    def _write(self, data: bytes) -> None:
        self._seams.check_room(len(data))
        self._file.write(data)
        self._file.flush()

    def flush(self) -> None:
        self._file.flush()

    def fileno(self) -> int:
        number: int = self._file.fileno()
        return number


def _install_deletes(seams: Seams) -> None:
    delete = LocalFolder.delete

    def named(folder: LocalFolder, paths: Iterable[str]) -> None:
        for path in paths:
            seams.hit("to be deleted", kind_of(path))
            delete(folder, [path])
            seams.hit("deleted", kind_of(path))

    LocalFolder.delete = named  # type: ignore[method-assign]


def _install_packs(seams: Seams) -> None:
    """Let packs grow where the job says, with a step after each frame."""
    job, add = seams.job, PackWriter.add
    if job.pack_memory is not None:
        manifests.packs.IN_MEMORY = job.pack_memory
    if job.temporary:
        tempfile.tempdir = job.temporary
    if job.part_bytes is not None:
        S3Folder.__init__.__defaults__ = (job.part_bytes,)

    def named(pack: PackWriter, *what: Any) -> None:
        add(pack, *what)
        seams.hit("grown", "pack")

    PackWriter.add = named  # type: ignore[method-assign]


def _name_parts(seams: Seams) -> None:
    """Name the parts of the protocol that write and delete receipts for reasons of their own."""
    import flows.finishing

    places: tuple[tuple[Any, str], ...] = (
        (flows.finishing, "compact"),
        (manifests.plan, "withdraw"),
        (manifests.verify, "withdraw"),
        (manifests.garbage, "withdraw"),
    )
    for module, name in places:
        setattr(module, name, _part(seams, name, getattr(module, name)))


def _part(seams: Seams, name: str, step: Callable[..., Any]) -> Callable[..., Any]:
    def named(*arguments: Any) -> Any:
        with seams.within(name):
            return step(*arguments)

    return named


class _Disturbed(DifferenceModel):
    """The fake model, counted and disturbed as the job says."""

    def __init__(self, seams: Seams) -> None:
        self._seams = seams

    def matte(
        self, frames: Tensor, plates: Tensor | None, state: object = None, want_foreground: bool = False
    ) -> Matte:
        job = self._seams.job
        number = self._seams.count_frame()
        time.sleep(job.seconds_a_frame)
        if number == job.exit_at:
            raise SystemExit(job.exit_code)
        if job.raise_from and number >= job.raise_from:
            raise RuntimeError("a fault of the model, on purpose")
        return super().matte(frames, plates, state, want_foreground)


def _install_model(seams: Seams) -> None:
    known = registry.ENTRIES["plate-difference"]
    registry.ENTRIES["plate-difference"] = replace(known, build=lambda parameters: _Disturbed(seams))
