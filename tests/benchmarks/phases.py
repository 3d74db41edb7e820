"""Phases: seconds that functions of the frame path take, added up by name while a run goes on.

A probe stands around a function where the path looks it up. The seconds of threads that work side by side add up: only
those of the device's line (see DEVICE) can be compared with the time on the wall.
"""

from __future__ import annotations

import importlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

PROBES: dict[str, tuple[str, ...]] = {
    "read": ("manifests.storage.LocalFolder.read_with_stat",),
    "decode": ("matting_tasks.frames.decode_image", "matting_tasks.plates.decode_gray"),
    "decode plate": ("matting_tasks.plates.decode_image",),
    "gather": ("matting_tasks.batches._gather",),
    "to device": ("matting_tasks.batches.to_device",),
    "masks": (
        "matting_tasks.batches.finish_alpha",
        "matting_tasks.batches.to_mask",
        "matting_tasks.batches.to_mask_16",
    ),
    "lowres": ("matting_tasks.batches.to_lowres",),
    "QC": ("matting_tasks.batches.measure_alpha", "matting_tasks.batches.measure_error"),
    "shape measures": ("matting_tasks.shard.measure_shape",),
    "encode": ("matting_tasks.shard.encode_mask",),
    "write": ("manifests.storage.LocalFolder.write_atomic",),
}
NETWORK = "network"
DEVICE = ("gather", "to device", NETWORK, "masks", "lowres", "QC")
"""What one shard at a time does, in turn; the rest happens on threads beside it."""


class Phases:
    """Seconds and calls by phase; safe to add to from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: list[tuple[Any, Any]] = []
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        with self._lock:
            self.seconds: Counter[str] = Counter()
            self.calls: Counter[str] = Counter()
            self._events.clear()

    def timed(self, phase: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that does the same and adds up its seconds."""

        def call(*arguments: Any, **named: Any) -> Any:
            started = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                took = time.perf_counter() - started
                with self._lock:
                    self.seconds[phase] += took
                    self.calls[phase] += 1

        return call

    def timed_on_gpu(self, phase: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that does the same; its time on the GPU's stream is added up by `collect`."""
        import torch

        def call(*arguments: Any, **named: Any) -> Any:
            begun, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begun.record()
            made = function(*arguments, **named)
            ended.record()
            with self._lock:
                self._events.append((begun, ended))
                self.calls[phase] += 1
            return made

        return call

    def collect(self, phase: str = NETWORK) -> None:
        """Wait for the GPU and add up what it took."""
        if self._events:
            import torch

            torch.cuda.synchronize()
            self.seconds[phase] += sum(begun.elapsed_time(ended) for begun, ended in self._events) / 1000
            self._events.clear()

    def by_frame(self, n_frames: int, wall_s: float, n_lines: int = 1) -> dict[str, float]:
        """Return seconds a frame by phase; `waiting` is the time of the device's lines in which they did nothing.

        n_lines: of batches that are computed at once; times of several add up to as many times the wall's.
        """
        known = [*PROBES, NETWORK]
        spent = {phase: self.seconds[phase] / n_frames for phase in known if phase in self.seconds}
        return spent | {"waiting": n_lines * wall_s / n_frames - sum(spent.get(phase, 0) for phase in DEVICE)}


@contextmanager
def probed(phases: Phases, probes: dict[str, tuple[str, ...]] | None = None) -> Iterator[list[str]]:
    """Put the probes in place; yields the names that are not there any more, whose time nobody sees."""
    missing: list[str] = []
    with ExitStack() as placed:
        for phase, names in (PROBES if probes is None else probes).items():
            for name in names:
                found = _resolve(name)
                if found is None:
                    missing.append(name)
                    continue
                owner, attribute = found
                placed.enter_context(patch.object(owner, attribute, phases.timed(phase, getattr(owner, attribute))))
        yield missing


def timed_build(phases: Phases, build: Callable[..., Any], device: str) -> Callable[..., Any]:
    """Return a builder of models whose `matte` is timed."""

    def build_timed(*arguments: Any) -> Any:
        model = build(*arguments)
        timed = phases.timed if device == "cpu" else phases.timed_on_gpu
        model.matte = timed(NETWORK, model.matte)
        return model

    return build_timed


def _resolve(name: str) -> tuple[Any, str] | None:
    """Return (what holds it, its name) of a dotted name, or None where there is no such thing."""
    parts = name.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        try:
            owner: Any = importlib.import_module(".".join(parts[:cut]))
        except ImportError:
            continue
        return _walk(owner, parts[cut:])
    return None


def _walk(owner: Any, path: Sequence[str]) -> tuple[Any, str] | None:
    for part in path[:-1]:
        owner = getattr(owner, part, None)
    return (owner, path[-1]) if hasattr(owner, path[-1]) else None
