"""Reading: one frame of a shard from the capture to uint8 pixels, or to the reason why it cannot be matted."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from manifests.capture import fingerprint_of
from manifests.errors import InputChanged, InputFault
from manifests.records import Frame, Shard
from matting_tasks.decode import decode_image, read_header
from matting_tasks.plates import Plates, Visible


@dataclass(frozen=True, slots=True)
class ReadFrame:
    """A frame on its way: pixels (H, W, 3) uint8 RGB and its visible mask, or the fault that its row will name."""

    frame: Frame
    pixels: np.ndarray | None = None
    visible: Visible | None = None
    fault: InputFault | None = None
    note: str | None = None
    decode_s: float = 0.0


@dataclass(frozen=True, slots=True)
class FrameReader:
    """Reads the frames of one shard; `plate_size` is (width, height), or None where no plate sets the size."""

    shard: Shard
    plates: Plates
    plate_size: tuple[int, int] | None
    use_visible: bool

    def __call__(self, frame: Frame) -> ReadFrame:
        """Read and decode a frame; raises InputChanged for a file that is not the one listed, OSError for the store."""
        started = time.perf_counter()
        try:
            if frame.frame in self.shard.crashed:
                raise InputFault("crashed", "it ended every worker that touched it, and was left out")
            data = self._read(frame.path, frame.fingerprint)
            self._check_size(data, frame)
            picture = decode_image(data)
            visible = self._visible(frame, picture.pixels)
        except InputFault as fault:
            about_visible = frame.visible_path is not None and fault.message.startswith(frame.visible_path)
            named = fault if about_visible else InputFault(fault.status, f"{frame.path}: {fault.message}")
            return ReadFrame(frame, fault=named, decode_s=time.perf_counter() - started)
        return ReadFrame(frame, picture.pixels, visible, None, picture.note, time.perf_counter() - started)

    def _read(self, path: str, fingerprint: str) -> bytes:
        """Return the bytes of a file that is still the one that the manifest names."""
        try:
            data, stat = self.plates.capture.read_with_stat(path)
        except FileNotFoundError as err:
            raise InputChanged(f"{self.shard.shard_id}: {path} vanished since the capture was listed.") from err
        if fingerprint_of(data, stat, self.shard.fingerprint_rule) != fingerprint:
            raise InputChanged(f"{self.shard.shard_id}: {path} changed since the capture was listed.")
        return data

    def _check_size(self, data: bytes, frame: Frame) -> None:
        """Compare sizes from the header, before any pixel is decoded."""
        header = read_header(data)
        size = header.width, header.height
        if self.plate_size is not None and size != self.plate_size:
            width, height = self.plate_size
            raise InputFault("plate_mismatch", f"it is {size[0]}x{size[1]}, its camera's plate is {width}x{height}")

    def _visible(self, frame: Frame, pixels: np.ndarray) -> Visible | None:
        if not self.use_visible or frame.visible_path is None:
            return None
        data = self._read(frame.visible_path, frame.visible_fingerprint or "")
        try:
            visible = self.plates.visible(data)
        except InputFault as fault:
            raise InputFault(fault.status, f"{frame.visible_path}: {fault.message}") from fault
        if visible.pixels.shape != pixels.shape[:2]:
            height, width = visible.pixels.shape
            raise InputFault(
                "undecodable",
                f"{frame.visible_path} is {width}x{height}, its frame is {pixels.shape[1]}x{pixels.shape[0]}",
            )
        return visible
