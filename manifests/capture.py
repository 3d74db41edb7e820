"""Scanning: one subject of a capture, from its listing, to pictures, videos and plates."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np

from manifests.layouts.base import EVERY_CAMERA, Found, Layout
from manifests.layouts.own_masks import OthersTree, written_by
from manifests.recipe import Recipe
from manifests.records import CalibrationFile, FileStat, Plate
from manifests.sharding import FrameTable
from manifests.storage import Folder

Key = TypeVar("Key")
PictureKey = tuple[str, str, int]
Stream = tuple[str, str]
"""(sequence, camera) of one subject."""

BLOCK_BYTES = 8 << 20

_SUFFIX_RANK = {"jpg": 0, "jpeg": 1, "png": 2}


@dataclass(frozen=True, slots=True)
class Video:
    """The video of one stream; `n_frames`, `width` and `height` are 0 where it was not probed or cannot be read."""

    sequence: str
    camera: str
    stat: FileStat
    fingerprint: str
    n_frames: int = 0
    width: int = 0
    height: int = 0
    is_probed: bool = False


@dataclass(frozen=True, slots=True)
class Scanned:
    """One subject as it lies in the capture: `frames` are its pictures, by the numbers in their names.

    `n_masks` counts the masks that already lie beside the frames, `n_doubles` the files that were left out because
    another one is the same frame, video or plate (as .jpg and .png, or in folders 1 and 0001).
    """

    frames: FrameTable
    plates: dict[str, Plate]
    n_masks: int
    n_doubles: int = 0
    videos: tuple[Video, ...] = ()
    calibration: CalibrationFile | None = None

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing of the subject lies there."""
        return not len(self.frames) and not self.videos and not self.plates


@dataclass(slots=True)
class _Files:
    """The files of a subject by what they are."""

    frames: dict[PictureKey, FileStat] = field(default_factory=dict)
    visible: dict[PictureKey, FileStat] = field(default_factory=dict)
    videos: dict[Stream, FileStat] = field(default_factory=dict)
    plates: dict[str, FileStat] = field(default_factory=dict)
    calibration: FileStat | None = None
    n_masks: int = 0
    n_doubles: int = 0

    def add(self, found: Found, stat: FileStat) -> None:
        """Sort one file in."""
        if found.role == "frame":
            self.n_doubles += _keep_first(self.frames, (found.sequence, found.camera, found.frame), stat)
        elif found.role == "video":
            self.n_doubles += _keep_first(self.videos, (found.sequence, found.camera), stat)
        elif found.role == "visible":
            _keep_first(self.visible, (found.sequence, found.camera, found.frame), stat)
        elif found.role == "plate":
            self.n_doubles += _keep_first(self.plates, found.camera, stat)
        elif found.role == "calibration":
            self.calibration = stat
        else:
            self.n_masks += 1

    def cameras(self) -> set[str]:
        """Return the cameras that have frames or videos."""
        return {camera for _, camera, _ in self.frames} | {camera for _, camera in self.videos}


def scan_subject(capture: Folder, subject: str, rule: str, layout: Layout, recipes: Sequence[Recipe] = ()) -> Scanned:
    """List a subject once and sort what is there; `rule` makes the fingerprints.

    Only with the rule `content` is a file read. `recipes` are those of masks that lie in the capture: files that they
    have written are left out.
    """
    files = _Files()
    for found, file in layout.files(OthersTree(capture, written_by(recipes, layout.name, layout.plate)), subject):
        files.add(found, file)
    stat = files.calibration
    return Scanned(
        frames=_table(capture, subject, rule, files),
        plates=_plates(capture, subject, rule, files),
        n_masks=files.n_masks,
        n_doubles=files.n_doubles,
        videos=tuple(
            Video(sequence, camera, file, _fingerprint(capture, file, rule))
            for (sequence, camera), file in sorted(files.videos.items(), key=lambda item: item[0])
        ),
        calibration=None if stat is None else CalibrationFile(stat.path, _fingerprint(capture, stat, rule)),
    )


def fingerprint_of(data: bytes | None, stat: FileStat, rule: str) -> str:
    """Return a file's fingerprint; `data` are its bytes, needed for the rule `content` only."""
    if rule == "content":
        return hashlib.sha256(data or b"").hexdigest()
    return stat.fingerprint(rule)


def content_hash(folder: Folder, path: str) -> str:
    """Return the SHA-256 of a file as hex digits, reading a block at a time; raises OSError."""
    digest, start = hashlib.sha256(), 0
    while block := folder.read_range(path, start, start + BLOCK_BYTES):
        digest.update(block)
        start += len(block)
    return digest.hexdigest()


def hash_of_file(path: Path) -> str:
    """Return the SHA-256 of a file on this machine's disk as hex digits, reading a block at a time."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def text_column(values: Iterable[str]) -> np.ndarray:
    """Return texts as a column, (n,) object."""
    listed = list(values)
    column = np.empty(len(listed), dtype=object)
    column[:] = listed
    return column


def _keep_first(found: dict[Key, FileStat], key: Key, stat: FileStat) -> bool:
    """Keep one file where a frame lies there twice, as .jpg and .png; tell whether it does."""
    known = found.get(key)
    if known is None or _rank(stat) < _rank(known):
        found[key] = stat
    return known is not None


def _rank(stat: FileStat) -> tuple[int, str]:
    return _SUFFIX_RANK.get(stat.path.rsplit(".", 1)[-1].lower(), 9), stat.path


def _fingerprint(capture: Folder, stat: FileStat, rule: str) -> str:
    return content_hash(capture, stat.path) if rule == "content" else stat.fingerprint(rule)


def _plates(capture: Folder, subject: str, rule: str, files: _Files) -> dict[str, Plate]:
    """Return the plate of each camera; where plates name no camera, the one that there is belongs to all."""
    cameras, found = files.cameras(), dict(files.plates)
    if cameras and EVERY_CAMERA in found and EVERY_CAMERA not in cameras:
        shared = found.pop(EVERY_CAMERA)
        found = {camera: shared for camera in cameras} | found
    return {
        camera: _plate(capture, subject, camera, found.get(camera), rule) for camera in sorted(cameras | set(found))
    }


def _plate(capture: Folder, subject: str, camera: str, stat: FileStat | None, rule: str) -> Plate:
    if stat is None:
        return Plate(subject, camera, None, "", "missing")
    return Plate(subject, camera, stat.path, _fingerprint(capture, stat, rule), "ok", stat.size_bytes)


def _table(capture: Folder, subject: str, rule: str, files: _Files) -> FrameTable:
    keys = sorted(files.frames)
    stats = [files.frames[key] for key in keys]
    seen = [files.visible.get(key) for key in keys]
    numbers = np.array([frame for _, _, frame in keys], dtype=np.int32)
    return FrameTable(
        subject=subject,
        sequence=text_column(sequence for sequence, _, _ in keys),
        camera=text_column(camera for _, camera, _ in keys),
        frame=numbers,
        source_frame=numbers,
        path=text_column(stat.path for stat in stats),
        kind=text_column("image" for _ in keys),
        size_bytes=np.array([stat.size_bytes for stat in stats], dtype=np.int64),
        mtime_ns=np.array([-1 if stat.mtime_ns is None else stat.mtime_ns for stat in stats], dtype=np.int64),
        etag=text_column(stat.etag or "" for stat in stats),
        fingerprint=text_column(_fingerprint(capture, stat, rule) for stat in stats),
        visible_path=text_column(stat.path if stat else "" for stat in seen),
        visible_fingerprint=text_column(_fingerprint(capture, stat, rule) if stat else "" for stat in seen),
        width=np.zeros(len(keys), dtype=np.int32),
        height=np.zeros(len(keys), dtype=np.int32),
        video_frames=np.zeros(len(keys), dtype=np.int32),
    )
