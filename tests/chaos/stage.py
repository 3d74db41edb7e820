"""The stage of a scenario: captures, roots in every situation, and what undisturbed runs make of them."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from captures import make_tiny
from chaos.checking import Findings, Tree, check, read_tree, sweep
from chaos.job import Job
from chaos.processes import Child, Zygote

from manifests.storage import LocalFolder
from manifests.verify import verify

SUBJECTS = ("031", "032")
N_CAMERAS, N_FRAMES = 3, 6
KILLED = -9


def tiny_capture(root: Path) -> Path:
    """Make a capture of pictures."""
    return make_tiny(root, SUBJECTS, N_CAMERAS, N_FRAMES)


@dataclass(frozen=True)
class Situation:
    """How a root stands before, and the command that is disturbed; `{capture}` and `{out}` in words are filled in.

    `make` makes the capture, `prepare(stage, capture, out)` the root. The command ends with `code` where nothing
    disturbs it but what `disturbed` says of its job, with `code_when_done` where it has nothing left to do; `settle`
    is run after it. Where it `has_packs` those that no receipt names are deleted before the check: they are no damage.
    """

    name: str
    prepare: Callable[[Stage, Path, Path], None]
    command: tuple[str, ...]
    settle: tuple[str, ...] = ()
    code: int = 0
    code_when_done: int | None = None
    make: Callable[[Path], Path] = tiny_capture
    disturbed: tuple[tuple[str, Any], ...] = ()
    has_packs: bool = False


@dataclass(frozen=True)
class Standing:
    """A situation on a stage: its root and capture, and what the undisturbed command made, took and cost.

    `hits` is how often each step was taken, `n_frames` how many frames the model was shown, `n_bytes` what was written.
    """

    situation: Situation
    capture: Path
    template: Path
    tree: Tree
    hits: Mapping[str, int]
    n_frames: int
    seconds: float
    n_bytes: int

    @property
    def steps(self) -> list[tuple[str, int]]:
        """Return the steps and how often each was taken, in order of their names."""
        return sorted(self.hits.items())


class Stage:
    """A folder with the captures and roots of the situations, made when they are first asked for."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._standings: dict[str, Standing] = {}

    def command(self, words: tuple[str, ...], capture: Path, out: Path) -> tuple[str, ...]:
        """Fill paths into the words of a command."""
        return tuple(word.format(capture=capture, out=out) for word in words)

    def undisturbed(self, words: tuple[str, ...], capture: Path, out: Path, **disturbed: Any) -> int:
        """Run a command to its end, and return its exit code."""
        log = self.home / "undisturbed.log"
        return zygote().run(Job(self.command(words, capture, out), log=str(log), **disturbed))

    def stand(self, situation: Situation) -> Standing:
        """Return a situation with what an undisturbed run makes of it."""
        if situation.name not in self._standings:
            self._standings[situation.name] = self._make(situation)
        return self._standings[situation.name]

    def _make(self, situation: Situation) -> Standing:
        template = self.home / "templates" / situation.name
        template.parent.mkdir(parents=True, exist_ok=True)
        capture = situation.make(self.home / "captures" / situation.name)
        situation.prepare(self, capture, template)
        out = self.home / "undisturbed" / situation.name
        copy_root(template, out)
        hits, counter = self.home / f"{situation.name}.hits", self.home / f"{situation.name}.frames"
        started = time.monotonic()
        known = dict(situation.disturbed) | {"counter": str(counter)}
        code = self.undisturbed(situation.command, capture, out, hits_file=str(hits), **known)
        seconds = time.monotonic() - started
        said = (self.home / "undisturbed.log").read_text()[-2000:]
        if code != situation.code:
            raise RuntimeError(f"{situation.name}: undisturbed it ends with {code}, not {situation.code}:\n{said}")
        if situation.settle and self.undisturbed(situation.settle, capture, out, counter=str(counter)):
            raise RuntimeError(f"{situation.name}: undisturbed it does not settle:\n{said}")
        n_frames = counter.stat().st_size if counter.exists() else 0
        if situation.has_packs:
            sweep(LocalFolder(out))
        tree = read_tree(LocalFolder(out))
        findings = check(LocalFolder(out), tree)
        if not findings.are_none:
            raise RuntimeError(f"{situation.name}: an undisturbed run leaves damage: {findings}")
        n_bytes = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
        taken = json.loads(hits.read_text())
        return Standing(situation, capture, template, tree, taken, n_frames, seconds, n_bytes)


@dataclass
class Scene:
    """One round: a copy of a situation's root, and the processes that are let loose on it."""

    stage: Stage
    standing: Standing
    folder: Path
    kills: int = 0
    started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.out = self.folder / "out"
        self.log = self.folder / "log"
        self.counter = self.folder / "frames"
        copy_root(self.standing.template, self.out)

    def job(self, words: tuple[str, ...] | None = None, **disturbed: Any) -> Job:
        """Return the job of the situation's command, or another one, disturbed as told."""
        situation = self.standing.situation
        filled = self.stage.command(words or situation.command, self.standing.capture, self.out)
        known = {} if words else dict(situation.disturbed)
        return Job(filled, log=str(self.log), counter=str(self.counter), **known | disturbed)

    def start(self, job: Job | None = None) -> Child:
        """Start a process."""
        return zygote().start(job or self.job())

    def ended(self, child: Child, patience_s: float = 120.0) -> int:
        """Wait for a process, and count it if it was killed."""
        code = child.wait(patience_s)
        self.kills += code == KILLED
        return code

    def complete(self, words: tuple[str, ...] | None = None) -> None:
        """Run the same command to its end, or another one that was disturbed; raises RuntimeError where it fails."""
        situation = self.standing.situation
        code = zygote().run(self.job(words))
        if code not in (situation.code, situation.code_when_done):
            raise RuntimeError(f"{situation.name}: the command ends with {code} after it was disturbed:\n{self.said()}")
        if situation.settle and (code := zygote().run(self.job(situation.settle))) != 0:
            raise RuntimeError(f"{situation.name}: it settles with {code}:\n{self.said()}")

    def check(self) -> Findings:
        """Compare the root with that of the undisturbed run."""
        if self.standing.situation.has_packs:
            sweep(LocalFolder(self.out))
        return check(LocalFolder(self.out), self.standing.tree)

    def broken(self) -> str:
        """Say what is half done in the root now; empty where nothing is. What is pending or unfinished is not."""
        if not (self.out / "_cleanplate/manifest").exists():
            return ""
        found = verify(LocalFolder(self.out), deep=True)
        left = [f"{damage.path}: {damage.text}" for damage in found.damages]
        return "; ".join([*left, *(f"{stat.path}: left over" for stat in found.leftovers)][:5])

    def said(self) -> str:
        """Return the last of what the processes said."""
        return self.log.read_text(errors="replace")[-3000:] if self.log.exists() else ""

    @property
    def recomputed(self) -> int:
        """Count the frames that the model was shown more often than undisturbed."""
        shown = self.counter.stat().st_size if self.counter.exists() else 0
        return max(0, shown - self.standing.n_frames)

    @property
    def seconds(self) -> float:
        """Return how long the round took up to now."""
        return round(time.monotonic() - self.started, 3)


def copy_root(template: Path, out: Path) -> None:
    """Copy a root with its times; one that is not there stays so."""
    shutil.rmtree(out, ignore_errors=True)
    if template.exists():
        shutil.copytree(template, out, copy_function=shutil.copy2)


def age(root: Path, seconds: int) -> None:
    """Make all files of a root older."""
    for path in root.rglob("*"):
        if path.is_file():
            stat = path.stat()
            os.utime(path, ns=(stat.st_atime_ns - seconds * 10**9, stat.st_mtime_ns - seconds * 10**9))


@cache
def zygote() -> Zygote:
    """Return the zygote of this process; it ends with it."""
    import atexit

    started = Zygote()
    atexit.register(started.__exit__, None, None, None)
    return started


def end_children() -> None:
    """Kill what a round that was given up has left running."""
    if zygote.cache_info().currsize:
        zygote().end_children()
