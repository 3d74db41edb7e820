"""Faults of stores: whole runs, capture and masks on S3, through a proxy that does to them what networks do."""

from __future__ import annotations

import atexit
import contextlib
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from captures import make_tiny
from chaos.checking import Findings, Tree, check, read_tree, sweep
from chaos.fault_proxy import Faults, fault_proxy
from chaos.job import Job
from chaos.rounds import Round, Scenario
from chaos.stage import zygote
from s3_servers import S3Server, serve_moto, serve_rclone

from manifests.storage import Folder, LocalFolder, open_folder

Serve = Callable[[Path], contextlib.AbstractContextManager[S3Server]]

CLIENT = {"read_timeout": "1", "connect_timeout": "2"}
STALL_S = 2.0
MOST_TRIES = 4
"""Commands that a round may take: each goes on where the last one failed."""


@dataclass
class S3Stage:
    """A server, a capture on it and on the disk, and what undisturbed runs on the disk make of that."""

    home: Path
    serve: Serve
    n_cameras: int = 2
    n_frames: int = 40
    _open: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self.server = self._open.enter_context(self.serve(self.home))
        atexit.register(self.close)
        self.bucket = self.server.new_bucket()
        self.capture = make_tiny(self.home / "capture", ("031",), self.n_cameras, self.n_frames)

    def close(self) -> None:
        """End the server."""
        self._open.close()

    @property
    def n_model_frames(self) -> int:
        """Count the frames that an undisturbed run shows the model."""
        return self.n_cameras * self.n_frames

    @cached_property
    def on_store(self) -> str:
        """Return the URL of the capture on the server."""
        return self.copy_capture(f"{self.bucket}/capture")

    def copy_capture(self, url: str) -> str:
        """Copy the capture to the server, undisturbed."""
        source, target = LocalFolder(self.capture), self.folder(url)
        for stat in source.list():
            target.write_atomic(stat.path, source.read(stat.path))
        return url

    def folder(self, url: str) -> Folder:
        """Open a folder of the server on the straight way."""
        return open_folder(url, self.server.options)

    @cached_property
    def beside(self) -> Tree:
        """Return the tree of an undisturbed run on the disk."""
        return self._undisturbed(self.capture, self.home / "beside")

    @cached_property
    def in_place(self) -> Tree:
        """Return the tree of an undisturbed run on the disk whose masks lie in the capture."""
        root = make_tiny(self.home / "in-place", ("031",), self.n_cameras, self.n_frames)
        return self._undisturbed(root, root)

    def _undisturbed(self, capture: Path, out: Path) -> Tree:
        log = self.home / "undisturbed.log"
        if zygote().run(Job(matte_words(str(capture), str(out)), log=str(log))) != 0:
            raise RuntimeError(f"an undisturbed run on the disk fails:\n{log.read_text()[-2000:]}")
        return read_tree(LocalFolder(out))


def matte_words(capture: str, out: str, **options: str) -> tuple[str, ...]:
    """Return the words of the command; options are those of the store."""
    known = ("--model", "plate-difference", "--executor", "local", "--io-threads", "8", "--quiet")
    stores = (word for name, value in options.items() for word in ("--storage-option", f"{name}={value}"))
    return ("matte", capture, "--out", out, *known, *stores)


@dataclass
class S3Faults:
    """Runs on a server through the proxy; each third one in place, each fourth with a store that is gone for a while.

    The same command is given again until it ends well. While the store is gone it must fail and name what is left.
    With `part_bytes` masks go into packs, which are uploaded in parts of that size, and must be those of the files.
    """

    name: str
    serve: Serve
    n_rounds: int = 6
    part_bytes: int | None = None
    _stages: dict[Path, S3Stage] = field(default_factory=dict)

    def run(self, seed: int, folder: Path) -> Round:
        """Play a round."""
        home = folder.parent / self.name.replace(" ", "-")
        if home not in self._stages:
            self._stages[home] = S3Stage(home, self.serve)
        return self.play(self._stages[home], seed, folder)

    def play(self, stage: S3Stage, seed: int, folder: Path, name: str = "round") -> Round:
        """Play a round on a stage, in an output root of that name."""
        rng = random.Random(f"{self.name} {seed}")
        out = f"{stage.bucket}/{name}-{seed}"
        in_place = seed % 3 == 2
        capture = stage.copy_capture(out) if in_place else stage.on_store
        reference = stage.in_place if in_place else stage.beside
        started = time.monotonic()
        faults = Faults(seed=seed, rate=rng.uniform(0.1, 0.35), stall_s=STALL_S)
        counter = folder / "frames"
        with fault_proxy(stage.server.endpoint, faults) as endpoint:
            options = stage.server.options | CLIENT | {"endpoint_url": endpoint}
            words = (*matte_words(capture, out, **options), *(("--pack",) if self.part_bytes else ()))
            job = Job(words, log=str(folder / "log"), counter=str(counter), part_bytes=self.part_bytes)
            n_gone = _with_outage(job, faults, rng.randint(20, 3 * stage.n_model_frames)) if seed % 4 == 3 else 0
            n_tries = _completed(job)
        if self.part_bytes:
            sweep(stage.folder(out))
        found = check(stage.folder(out), reference)
        shown = counter.stat().st_size if counter.exists() else 0
        recomputed = max(0, shown - stage.n_model_frames)
        counts = faults.n_injected, found.lost, found.corrupt, found.duplicates, recomputed
        seconds = round(time.monotonic() - started, 3)
        return Round(self.name, seed, 0, *counts, seconds, _note(found, n_tries, n_gone))


def _with_outage(job: Job, faults: Faults, n_requests: int) -> int:
    """Run the command against a store that is gone after so many requests; return how many it then asked in vain."""
    faults.down_from = n_requests
    attempts = ("--storage-option", "max_attempts=2")
    code = zygote().run(replace(job, words=(*job.words, *attempts)))
    n_gone, faults.down_from = faults.n_requests - n_requests, None
    if n_gone > 0 and code == 0:
        raise RuntimeError(f"the store was gone, and the run ended with 0:\n{_said(job)}")
    return max(0, n_gone)


def _completed(job: Job) -> int:
    """Give the command until it ends well; return how often that was."""
    for number in range(1, MOST_TRIES + 1):
        code = zygote().run(job)
        if code == 0:
            return number
        if code != 1:
            break
    raise RuntimeError(f"the command ended with {code} after {number} tries:\n{_said(job)}")


def _said(job: Job) -> str:
    log = Path(job.log)
    return log.read_text(errors="replace")[-3000:] if log.exists() else ""


def _note(found: Findings, n_tries: int, n_gone: int) -> str:
    gone = f"the store was gone for {n_gone} requests" if n_gone else ""
    again = f"the command was given {n_tries} times" if n_tries > 1 else ""
    return "; ".join(filter(None, (gone, again, *found.texts)))


def scenarios() -> list[Scenario]:
    """Return the scenarios of this file."""
    return [
        S3Faults("store faults on moto", serve_moto),
        S3Faults("store faults on rclone", serve_rclone),
    ]
