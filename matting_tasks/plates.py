"""Plates: decoded and uploaded once per (subject, camera), checked against the frames; visible masks likewise."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import cv2
import numpy as np
import torch
from torch import Tensor

from manifests.errors import InputFault
from manifests.records import Shard
from manifests.storage import Folder
from matting_tasks.decode import decode_gray, decode_image
from matting_tasks.geometry import VISIBLE_FROM, Geometry, apply, geometry_of, visible_pixels
from matting_tasks.listed import read_listed
from matting_tasks.plate_measures import to_small
from matting_tasks.qc import mostly_visible

Key = TypeVar("Key")
Value = TypeVar("Value")

CPU_SLOTS = 2
N_PLATES = 8
N_VISIBLE = 32
VISIBLE_PX = 256


@dataclass(frozen=True, slots=True)
class Visible:
    """The pixels inside the sensor: pixels (H, W) bool; lowres (256, 256) bool, True where all of it is inside."""

    digest: str
    pixels: np.ndarray
    lowres: np.ndarray


@dataclass(frozen=True, slots=True)
class LoadedPlate:
    """A plate on the device: pixels (1, 3, H, W) as the model takes them, behind the geometry; size: (width, height)
    before it. small (256, 256, 3) uint8 is the copy that frames are measured beside.
    """

    pixels: Tensor
    size: tuple[int, int]
    small: np.ndarray


class Plates:
    """The plates that a worker holds, on its device and in its model's type; safe to use from several threads.

    `slots` are those of the device: whoever computes holds one. A GPU has one. On a CPU two batches compute at once,
    for the threads of one leave the cores idle wherever they wait for each other.
    """

    def __init__(
        self,
        capture: Folder,
        device: torch.device,
        dtype: torch.dtype,
        missing_plate: str,
        geometry: str = "native",
    ) -> None:
        """Start empty; `missing_plate` is that of the recipe, `geometry` is what plates pass through as frames do."""
        self.capture = capture
        self.device = device
        self.dtype = dtype
        self.missing_plate = missing_plate
        self.geometry = geometry
        self.slots = threading.BoundedSemaphore(CPU_SLOTS if device.type == "cpu" else 1)
        self.n_decoded = 0
        self._plates = _Recent[tuple[str, str, str], LoadedPlate](N_PLATES)
        self._visible = _Recent[str, Visible](N_VISIBLE)
        self._visible_on_device = _Recent[str, Tensor](N_VISIBLE)

    def of(self, shard: Shard) -> LoadedPlate | None:
        """Return the plate of a shard's camera; None where zeros stand for it.

        Raises InputFault: `missing_plate`, or `undecodable` for a plate that is there and cannot be read.
        """
        plate = shard.plate
        if plate.path is None:
            if self.missing_plate == "zeros":
                return None
            raise InputFault(
                "missing_plate",
                "there is no plate; add it, matte without one with --missing-plate rvm-mobilenetv3, or over a black "
                "one with --missing-plate zeros",
            )
        return self._plates.get((shard.subject, shard.camera, plate.fingerprint), lambda: self._load(shard))

    def visible(self, data: bytes) -> Visible:
        """Return the visible mask in the bytes of a `visible_*` picture, decoded once per content."""
        digest = hashlib.sha256(data).hexdigest()
        return self._visible.get(digest, lambda: _decode_visible(data, digest, self.geometry))

    def visible_of(self, geometry: Geometry) -> Visible:
        """Return the visible mask that a geometry with pads makes, worked out once."""
        key = f"{geometry}"
        return self._visible.get(key, lambda: _to_visible(visible_pixels(geometry), key))

    def visible_on_device(self, visible: Visible) -> Tensor:
        """Return a visible mask (H, W) bool on the device, uploaded once."""
        return self._visible_on_device.get(visible.digest, lambda: torch.from_numpy(visible.pixels).to(self.device))

    def visible_in_map(self, visible: Visible, size: tuple[int, int]) -> Tensor:
        """Return the visible pixels of a map of (h, w), (h, w) bool on the device, worked out once."""
        key = f"{visible.digest} {size}"
        return self._visible_on_device.get(key, lambda: mostly_visible(self.visible_on_device(visible), size))

    def _load(self, shard: Shard) -> LoadedPlate:
        path = shard.plate.path or ""
        data = read_listed(self.capture, shard, path, shard.plate.fingerprint)
        try:
            decoded = decode_image(data).pixels
            pixels = apply(geometry_of(self.geometry, decoded.shape[1], decoded.shape[0]), decoded)
        except InputFault as fault:
            raise InputFault(fault.status, f"plate {path}: {fault.message}") from fault
        self.n_decoded += 1
        uploaded = to_device(pixels[None], self.device, self.dtype)
        return LoadedPlate(uploaded, (decoded.shape[1], decoded.shape[0]), to_small(pixels))


def to_device(pixels: np.ndarray, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Upload pictures (N, H, W, 3) uint8 and return them as (N, 3, H, W) in `dtype`: 0..1, or as they are in uint8.

    Only bytes cross the bus, from pinned memory where the device is a GPU.
    """
    host = torch.from_numpy(pixels)
    if device.type == "cuda":
        host = host.pin_memory()
    uploaded = host.to(device, non_blocking=True)
    # (N, H, W, 3) -> (N, 3, H, W)
    if dtype == torch.uint8:
        return uploaded.permute(0, 3, 1, 2)
    return (uploaded.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format) / 255).to(dtype)


class _Recent(Generic[Key, Value]):
    """The values last used, each made once; whoever asks for one that is being made waits."""

    def __init__(self, n_kept: int) -> None:
        self._n_kept = n_kept
        self._values: OrderedDict[Key, Value] = OrderedDict()
        self._lock = threading.RLock()

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        with self._lock:
            if key not in self._values:
                self._values[key] = make()
            self._values.move_to_end(key)
            while len(self._values) > self._n_kept:
                self._values.popitem(last=False)
            return self._values[key]


def _decode_visible(data: bytes, digest: str, geometry: str) -> Visible:
    gray = decode_gray(data)
    return _to_visible(apply(geometry_of(geometry, gray.shape[1], gray.shape[0]), gray) >= VISIBLE_FROM, digest)


def _to_visible(pixels: np.ndarray, digest: str) -> Visible:
    share = cv2.resize(pixels.astype(np.float32), (VISIBLE_PX, VISIBLE_PX), interpolation=cv2.INTER_AREA)
    return Visible(digest, pixels, share > 0.999)
