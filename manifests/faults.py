"""Faults of a listing: frames that only some cameras have, plates that cannot be used, videos that are not whole."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from manifests.capture import Stream
from manifests.manifest import Manifest
from manifests.rows import streams
from manifests.sharding import FrameTable


@dataclass(frozen=True, slots=True)
class VideoFault:
    """What is wrong with the video of a stream: kind is absent | unreadable | short.

    It has `n_frames`, the longest video of the sequence `longest`.
    """

    kind: str
    n_frames: int = 0
    longest: int = 0
    size_bytes: int = 0

    def __str__(self) -> str:
        """Say it in short."""
        if self.kind == "short":
            return f"{self.n_frames} of {self.longest}"
        return "absent" if self.kind == "absent" else f"unreadable ({self.size_bytes:,} bytes)"


def holes(frames: FrameTable, plates: Iterable[str] = ()) -> dict[Stream, list[int]]:
    """Return, per (sequence, camera), the frames that another camera of the sequence has and this one lacks.

    A camera that has a plate and no frame lacks all of them.
    """
    by_sequence: dict[str, dict[str, np.ndarray]] = {}
    for (sequence, camera), rows in streams(frames).items():
        by_sequence.setdefault(sequence, {})[camera] = frames.frame[rows]
    cameras = sorted({*(camera for found in by_sequence.values() for camera in found), *plates})
    lacking: dict[Stream, list[int]] = {}
    for sequence, found in by_sequence.items():
        everyone = np.unique(np.concatenate(list(found.values())))
        for camera in cameras:
            missing = np.setdiff1d(everyone, found.get(camera, ()), assume_unique=True)
            if len(missing):
                lacking[sequence, camera] = missing.tolist()
    return lacking


def video_faults(frames: FrameTable, plates: Iterable[str] = ()) -> dict[Stream, VideoFault]:
    """Return, per (sequence, camera), what is wrong with a video: unreadable, shorter than the longest, or absent."""
    firsts: dict[str, dict[str, int]] = {}
    for (sequence, camera), rows in streams(frames).items():
        if frames.kind[rows.start] == "video":
            firsts.setdefault(sequence, {})[camera] = rows.start
    cameras = sorted({*(camera for found in firsts.values() for camera in found), *plates})
    faults: dict[Stream, VideoFault] = {}
    for sequence, found in firsts.items():
        longest = max(0, int(frames.video_frames[list(found.values())].max()))
        for camera in cameras:
            fault = _video_fault(frames, found.get(camera), longest)
            if fault is not None:
                faults[sequence, camera] = fault
    return faults


def _video_fault(frames: FrameTable, row: int | None, longest: int) -> VideoFault | None:
    if row is None:
        return VideoFault("absent", 0, longest)
    n_frames, size_bytes = max(0, int(frames.video_frames[row])), int(frames.size_bytes[row])
    if n_frames and n_frames == longest:
        return None
    return VideoFault("short" if n_frames else "unreadable", n_frames, longest, size_bytes)


def missing_plates(manifest: Manifest) -> dict[str, str]:
    """Return, per camera that has frames and no usable plate, what is wrong: missing, unreadable or a wrong size."""
    faults: dict[str, str] = {}
    sizes = _sizes(manifest.frames)
    for camera in sorted(sizes):
        plate = manifest.plates.get(camera)
        if plate is None or plate.status != "ok":
            faults[camera] = "missing" if plate is None else plate.status
            continue
        others = sizes[camera] - {(plate.width, plate.height)}
        if plate.width and others:
            width, height = min(others)
            faults[camera] = f"size: plate {plate.width}x{plate.height}, frames {width}x{height}"
    return faults


def _sizes(frames: FrameTable) -> dict[str, set[tuple[int | None, int | None]]]:
    """Return the known sizes of each camera's frames."""
    sizes: dict[str, set[tuple[int | None, int | None]]] = {}
    for (_, camera), rows in streams(frames).items():
        known = np.unique(frames.width[rows].astype(np.int64) << 32 | frames.height[rows])
        sizes.setdefault(camera, set()).update((size >> 32, size & 0xFFFFFFFF) for size in known.tolist() if size)
    return sizes
