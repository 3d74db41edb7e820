"""The stage of the Ray scenarios: a cluster whose nodes can be lost, and runs on it, paced and counted."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import psutil
import torch
from captures import make_tiny
from chaos.checking import Tree, read_tree

from flows.books import Books, Pool, open_books
from flows.matte import in_turn, list_capture, work
from flows.settings import MatteSettings
from flows.summary import Summary
from flows.watch import QuietWatcher
from manifests.recipe import Recipe
from manifests.storage import LocalFolder
from matting_tasks.worker import WorkerSettings
from models.base import Matte, MattingModel
from models.registry import build

SUBJECTS = ("031", "032")
N_WORKERS = 2
STORE_BYTES = 80 << 20
DETECTION = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 10000,
    "health_check_failure_threshold": 3,
}
"""A node that is lost is noticed in about two seconds, by default in some fifteen; a slow one is not taken for lost."""


@dataclass(frozen=True)
class Pace:
    """How a worker's model behaves: seconds a frame, and the chance that it calls `sys.exit` at one.

    A byte goes to `counter` for each frame that it is shown, one to `exits` for each exit. Reading the file whose name
    ends with `poison` kills the process.
    """

    counter: str
    exits: str
    seconds_a_frame: float = 0.0
    exit_chance: float = 0.0
    poison: str = ""

    def build(self, *words: Any) -> PacedModel:
        """Build the model in a worker, as the registry does."""
        if self.poison:
            sys.addaudithook(self._listen)
        return PacedModel(self, build(*words))

    def _listen(self, event: str, words: tuple[object, ...]) -> None:
        if event == "open" and str(words[0]).endswith(self.poison):
            os.kill(os.getpid(), signal.SIGKILL)


class PacedModel:
    """A model without memory, at a pace."""

    temporal = False

    def __init__(self, pace: Pace, model: MattingModel) -> None:
        self._pace, self._model = pace, model
        self.uses_plate = model.uses_plate

    def matte(
        self, frames: torch.Tensor, plates: torch.Tensor | None, state: object = None, want_foreground: bool = False
    ) -> Matte:
        n_frames = frames.shape[0] * frames.shape[1]
        note(self._pace.counter, n_frames)
        time.sleep(self._pace.seconds_a_frame * n_frames)
        if int.from_bytes(os.urandom(4)) / 2**32 < self._pace.exit_chance * n_frames:
            note(self._pace.exits, 1)
            sys.exit(0)
        return self._model.matte(frames, plates, state, want_foreground)


def note(file: str, number: int) -> None:
    """Append so many bytes to a file, whole whatever is killed."""
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(handle, b"." * number)
    os.close(handle)


@dataclass(frozen=True)
class PacedBooks(Books):
    """The books of a run whose workers are paced; on the Ray that is joined, or in this process."""

    pace: Pace | None = None
    on_ray: bool = True

    def open_pool(self, recipe: Recipe, weights: str | None) -> Pool:
        """Open a pool of workers for one recipe."""
        assert self.pace is not None
        urls = self.capture_url, self.out.url
        settings = WorkerSettings(recipe, weights, *urls, "cpu", 2, build=self.pace.build)
        if self.on_ray:
            from matting_tasks.pool import RayPool

            return RayPool(settings, N_WORKERS, 1, 0)
        from matting_tasks.in_process import InProcessPool

        return InProcessPool(settings)


def run(capture: Path, out: Path, pace: Pace, on_ray: bool = True) -> Summary:
    """Matte a capture as `cleanplate matte` does, with paced workers; raises what that raises."""
    source, target, watcher = LocalFolder(capture), LocalFolder(out), QuietWatcher()
    settings = MatteSettings(model="plate-difference", executor="local", device="cpu")
    list_capture(source, target, settings, watcher)
    with open_books(target, source.url, settings, settings.selection, watcher) as books:
        known = {one.name: getattr(books, one.name) for one in fields(Books)}
        return work(PacedBooks(**known, pace=pace, on_ray=on_ray), watcher, in_turn)


@dataclass(frozen=True)
class Ground:
    """A capture, the tree that an undisturbed run makes of it, and how many frames its model is shown."""

    capture: Path
    tree: Tree
    n_shown: int


@cache
def ground(n_cameras: int, n_frames: int) -> Ground:
    """Make a capture and its undisturbed tree, once for all rounds; without Ray, which must make no difference."""
    home = Path(tempfile.mkdtemp(prefix="cleanplate-chaos-ray-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    capture = make_tiny(home / "capture", SUBJECTS, n_cameras, n_frames)
    pace = Pace(str(home / "shown"), str(home / "exits"))
    summary = run(capture, home / "undisturbed", pace, on_ray=False)
    assert summary.exit_code == 0, summary
    return Ground(capture, read_tree(LocalFolder(home / "undisturbed")), size(home / "shown"))


def size(file: Path) -> int:
    """Return the size of a file, 0 where there is none."""
    return file.stat().st_size if file.exists() else 0


class RayStage:
    """A Ray cluster on this machine: a head that works on nothing, and a node of one CPU for each worker."""

    def __init__(self, n_nodes: int = N_WORKERS, **has: float) -> None:
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": STORE_BYTES}
        self._cluster = Cluster(initialize_head=True, head_node_args=head | {"_system_config": DETECTION})
        self._nodes: list[Any] = []
        self._has = has or {"num_cpus": 1}
        for _ in range(n_nodes):
            self.add_node()

    @contextlib.contextmanager
    def joined(self) -> Iterator[None]:
        """Join the cluster for a round, as `--ray-address` does."""
        from ray.cloudpickle import register_pickle_by_value

        from matting_tasks.cluster import start_ray, stop_ray

        register_pickle_by_value(sys.modules[__name__])
        self._mend()
        start_ray(self._cluster.address, 0)
        try:
            yield
        finally:
            stop_ray()

    def add_node(self, wait: bool = True) -> None:
        """Add a node."""
        node = self._cluster.add_node(wait=wait, object_store_memory=STORE_BYTES, **self._has)
        self._nodes.append(node)

    def workers(self) -> list[psutil.Process]:
        """Return the processes of the actors."""
        found: list[psutil.Process] = []
        for node in self._nodes:
            with contextlib.suppress(psutil.NoSuchProcess):
                found += psutil.Process(_raylet(node)).children(recursive=True)
        return [one for one in found if "ray::MattingActor" in title_of(one)]

    def lose_node(self, number: int) -> None:
        """Kill a node: its raylet and all its workers, each stopped first, as one machine that goes dark."""
        node = self._nodes.pop(number)
        with contextlib.suppress(psutil.NoSuchProcess):
            kill(family_of(_raylet(node)))
        node.kill_all_processes(check_alive=False, allow_graceful=False, wait=True)
        self._cluster.worker_nodes.discard(node)

    def _mend(self) -> None:
        """Replace nodes that ended by themselves, as they do on a machine too slow for Ray's own checks."""
        gone = [number for number, node in enumerate(self._nodes) if node.dead_processes()]
        for number in reversed(gone):
            self.lose_node(number)
            self.add_node()

    @property
    def n_nodes(self) -> int:
        """Count the nodes that work."""
        return len(self._nodes)

    def close(self) -> None:
        """End the cluster."""
        self._cluster.shutdown()


_standing: list[RayStage] = []


def ray_stage() -> RayStage:
    """Return the cluster of this process, started when it is first asked for."""
    if not _standing:
        _standing.append(RayStage())
    return _standing[0]


def close_ray_stage() -> None:
    """End the cluster, if there is one."""
    while _standing:
        _standing.pop().close()


@contextlib.contextmanager
def pool_talk() -> Iterator[list[str]]:
    """Collect what the pool warns of."""
    said: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    listener, log = Listener(logging.WARNING), logging.getLogger("matting_tasks")
    log.addHandler(listener)
    try:
        yield said
    finally:
        log.removeHandler(listener)


def family_of(pid: int) -> list[psutil.Process]:
    """Return a process and all that it started, stopped, so that none can start another."""
    root = psutil.Process(pid)
    family: dict[psutil.Process, None] = {}
    while more := [one for one in (root, *root.children(recursive=True)) if one not in family]:
        for one in more:
            family[one] = None
            with contextlib.suppress(psutil.NoSuchProcess):
                one.suspend()
    return list(family)


def kill(processes: list[psutil.Process]) -> None:
    """Kill processes and wait until they are gone; those of this list only, and none that has its number by chance."""
    for one in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.send_signal(signal.SIGKILL)
    psutil.wait_procs(processes, timeout=10)


def _raylet(node: Any) -> int:
    pid: int = node.all_processes["raylet"][0].process.pid
    return pid


def title_of(process: psutil.Process) -> str:
    """Return the command line of a process, empty where it is gone."""
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""
