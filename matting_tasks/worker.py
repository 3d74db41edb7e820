"""A worker: one model on one device, the stores it reads and writes, and shards until it is told to stop."""

from __future__ import annotations

import errno
import importlib.metadata
import os
import platform
import socket
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from manifests.errors import CleanplateError, InputChanged, WeightsRefused
from manifests.recipe import Recipe
from manifests.records import Frame, Shard, ShardFailure, ShardSummary
from manifests.storage import open_folder
from manifests.traffic import Traffic, traffic_of
from matting_tasks.batches import Stream, matte_streams
from matting_tasks.device import DTYPES, set_up_device
from matting_tasks.frames import open_reader
from matting_tasks.meters import Meters
from matting_tasks.plates import Plates
from matting_tasks.shard import Station, matte_shards
from models.base import MattingModel, takes_bytes
from models.errors import ModelError
from models.packaged import here
from models.registry import build_for_masks

Outcome = ShardSummary | ShardFailure

MAX_TRIES = 2

PACKAGES = ("cleanplate", "torch", "opencv-python-headless", "simplejpeg", "av", "numpy", "ray", "pyarrow")


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """All that a worker needs to set itself up, on any machine; options of the stores are kept out of its repr.

    `build` makes the model, by default the registry's in its form for masks: (name, parameters, weights, device,
    precision).
    """

    recipe: Recipe
    weights: str | None
    capture_url: str
    out_url: str
    device: str = "auto"
    n_threads: int = 2
    storage_options: Mapping[str, str] = field(default_factory=dict, repr=False)
    build: Callable[..., MattingModel] = build_for_masks


class Worker:
    """Mattes shards, two at a time if asked to: one computes while the other decodes."""

    def __init__(self, settings: WorkerSettings) -> None:
        """Open the stores and build the model; raises DeviceFault and WeightsRefused."""
        recipe = settings.recipe
        device = set_up_device(settings.device, recipe.numerics)
        try:
            weights = None if settings.weights is None else here(Path(settings.weights))
            precision = recipe.numerics.precision
            self._model = settings.build(recipe.model, dict(recipe.parameters), weights, str(device), precision)
        except ModelError as err:
            raise WeightsRefused(str(err)) from err
        self._recipe = recipe
        self._out = open_folder(settings.out_url, settings.storage_options)
        capture = open_folder(settings.capture_url, settings.storage_options)
        dtype = torch.uint8 if takes_bytes(self._model) else DTYPES[precision]
        self._plates = Plates(capture, device, dtype, recipe.missing_plate, recipe.geometry)
        self._stop = threading.Event()
        self.meters = Meters()
        self._station = Station(_name(), settings.n_threads, _versions(), self._stop, meters=self.meters)
        self._n_calls = 0
        self._idle = threading.Condition()

    def matte(self, shards: Sequence[Shard]) -> list[Outcome]:
        """Matte shards in lockstep and say how each went; what goes wrong is returned, not raised.

        Where one of several fails, those that are not done are matted each alone: a bad stream takes no other down.
        """
        with self._idle:
            self._n_calls += 1
        try:
            outcomes = self._in_lockstep(shards)
            return [
                self._in_lockstep([shard])[0] if len(shards) > 1 and _is_of_one(outcome) else outcome
                for shard, outcome in zip(shards, outcomes, strict=True)
            ]
        finally:
            with self._idle:
                self._n_calls -= 1
                self._idle.notify_all()

    def rehearse(self, shard: Shard, frame: Frame, decode_only: bool) -> None:
        """Decode one frame, or decode and matte it, and write nothing: to find the frame that kills a worker."""
        with closing(open_reader(replace(shard, crashed=frozenset()), self._plates, None, self._recipe)) as reader:
            read = reader(frame)
        if not decode_only and read.fault is None:
            plate = self._plates.of(shard) if self._recipe.uses_plate else None
            stream = Stream(iter([read]), None if plate is None else plate.pixels, shard.slot)
            list(matte_streams([stream], self._model, self._plates, self._recipe))

    def stop(self, timeout_s: float = 8.0) -> bool:
        """Drop the shards in hand at the next batch and wait for that; tell whether all are let go."""
        self._stop.set()
        deadline = time.monotonic() + timeout_s
        with self._idle:
            return self._idle.wait_for(lambda: self._n_calls == 0, max(0.0, deadline - time.monotonic()))

    def traffic(self) -> dict[str, Traffic]:
        """Return what was asked of the stores so far, by their URL."""
        return traffic_of(self._out, self._plates.capture)

    def traffic_by_store(self) -> dict[str, Traffic]:
        """Return the same by what a store is for: capture | out."""
        stores = {"capture": self._plates.capture, "out": self._out}
        return {name: traffic_of(folder).get(folder.url, Traffic()) for name, folder in stores.items()}

    @property
    def name(self) -> str:
        """Return host and process."""
        return self._station.name

    def _in_lockstep(self, shards: Sequence[Shard]) -> list[Outcome]:
        done: dict[str, ShardSummary] = {}
        try:
            for summary in matte_shards(shards, self._model, self._plates, self._out, self._recipe, self._station):
                done[summary.shard_id] = summary
        except Exception as err:  # the pool's boundary: whatever it was, the other shards go on
            return [done.get(shard.shard_id) or self._failure(shard, err) for shard in shards]
        return [done[shard.shard_id] for shard in shards]

    def _failure(self, shard: Shard, err: Exception) -> ShardFailure:
        kind, message = _explain(err, self._recipe)
        return ShardFailure.of(shard, kind, message, traceback.format_exc(), self._station.name)


def worth_another_try(outcome: object, n_tries: int) -> bool:
    """Tell whether a shard that was tried so often is tried again: after faults of a store or of ours, once."""
    return isinstance(outcome, ShardFailure) and outcome.kind in ("store", "fault") and n_tries < MAX_TRIES


def _is_of_one(outcome: Outcome) -> bool:
    """Tell whether the failure of a batch of streams may be that of one stream only."""
    return isinstance(outcome, ShardFailure) and outcome.kind in ("changed", "fault")


def is_device_failure(err: BaseException) -> bool:
    """Tell whether a GPU failed for good: nothing that the process computes after can be trusted."""
    signs = ("CUDA error", "cuDNN error", "CUBLAS_")
    return isinstance(err, RuntimeError) and any(sign in str(err) for sign in signs)


def _explain(err: Exception, recipe: Recipe) -> tuple[str, str]:
    """Return changed | stopped | memory | device | full | store | fault, and a message that says what to do."""
    if isinstance(err, InputChanged):
        return "changed", f"{err} Run the same command again, without --no-enumerate: it lists the capture first."
    if isinstance(err, InterruptedError):
        return "stopped", "stopped before it was done"
    if _is_memory_shortage(err):
        batch = recipe.numerics.batch
        chunk = recipe.numerics.chunk
        fewer = f"--batch-size {batch // 2}" if batch > 1 else "fewer --workers or --io-threads"
        fewer = f"--chunk {chunk // 2}" if chunk > 1 else fewer
        return "memory", f"too little memory for batches of {batch * chunk} frames: try {fewer} ({_first_line(err)})"
    if is_device_failure(err):
        return "device", f"the GPU failed, and its worker is replaced: {err}"
    if isinstance(err, OSError):
        if err.errno in (errno.ENOSPC, errno.EDQUOT):
            return "full", f"no room: {err}. Make room and run the same command again."
        return "store", f"the store failed: {err}. Check it, and run the same command again."
    return "fault", str(err) if isinstance(err, CleanplateError) else f"{type(err).__name__}: {err}"


def _is_memory_shortage(err: Exception) -> bool:
    if isinstance(err, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(err, RuntimeError) and "allocate memory" in str(err)


def _first_line(err: Exception) -> str:
    return str(err).strip().partition("\n")[0][:200]


def _name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
