"""Scanning: one subject of a capture, from one listing of its folder, to frames and plates."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from manifests.errors import NotACapture
from manifests.layouts import gha
from manifests.records import FileStat, Plate
from manifests.sharding import FrameTable
from manifests.storage import Folder

Key = TypeVar("Key")

OURS = "_cleanplate"
_SUFFIX_RANK = {"jpg": 0, "jpeg": 1, "png": 2}


@dataclass(frozen=True, slots=True)
class Scanned:
    """One subject as it lies in the capture.

    `n_masks` counts the masks that already lie beside the frames, `n_doubles` the files that were left out because
    another one is the same frame or plate (as .jpg and .png, or in folders 1 and 0001).
    """

    frames: FrameTable
    plates: dict[str, Plate]
    n_masks: int
    n_doubles: int = 0


def find_subjects(capture: Folder) -> list[str]:
    """Return the subjects of a capture; raises NotACapture with what was found instead."""
    children = [name for name in capture.children() if name != OURS and not name.startswith(".")]
    if "images" in children and "background" in children:
        raise NotACapture(
            f"{capture.url} is one subject, not a capture: name the folder above it, and this one with --subjects."
        )
    subjects = [name for name in children if {"images", "background"} & set(capture.children(name))]
    if subjects:
        return subjects
    found = f"the folders {', '.join(children[:5])}" if children else _nothing(capture)
    raise NotACapture(
        f"{capture.url} is not a capture in a known layout.\n"
        f"Expected: {gha.describe()}.\nFound: {found}.\nCheck the path, and that the disk or bucket is mounted."
    )


def _nothing(capture: Folder) -> str:
    path = capture.local_path("")
    if path is None:
        return "nothing"
    if path.is_dir():
        return "a folder without folders"
    return "a file" if path.exists() else "no such folder"


def scan_subject(capture: Folder, subject: str, rule: str) -> Scanned:
    """List a subject's folder once and sort what is there; `rule` makes the fingerprints.

    Only with the rule `content` is a file read.
    """
    frames: dict[tuple[str, int], FileStat] = {}
    visible: dict[tuple[str, int], FileStat] = {}
    plates: dict[str, FileStat] = {}
    n_masks = n_doubles = 0
    for stat in capture.list(subject):
        found = gha.parse(stat.path[len(subject) + 1 :])
        if found is None:
            continue
        if found.role == "frame":
            n_doubles += _keep_first(frames, (found.camera, found.frame), stat)
        elif found.role == "visible":
            _keep_first(visible, (found.camera, found.frame), stat)
        elif found.role == "plate":
            n_doubles += _keep_first(plates, found.camera, stat)
        else:
            n_masks += 1
    table = _table(capture, subject, rule, frames, visible)
    cameras = sorted({camera for camera, _ in frames} | set(plates))
    known = {camera: _plate(capture, subject, camera, plates.get(camera), rule) for camera in cameras}
    return Scanned(table, known, n_masks, n_doubles)


def fingerprint_of(data: bytes | None, stat: FileStat, rule: str) -> str:
    """Return a file's fingerprint; `data` are its bytes, needed for the rule `content` only."""
    if rule == "content":
        return hashlib.sha256(data or b"").hexdigest()
    return stat.fingerprint(rule)


def _keep_first(found: dict[Key, FileStat], key: Key, stat: FileStat) -> bool:
    """Keep one file where a frame lies there twice, as .jpg and .png; tell whether it does."""
    known = found.get(key)
    if known is None or _rank(stat) < _rank(known):
        found[key] = stat
    return known is not None


def _rank(stat: FileStat) -> tuple[int, str]:
    return _SUFFIX_RANK.get(stat.path.rsplit(".", 1)[-1].lower(), 9), stat.path


def _fingerprint(capture: Folder, stat: FileStat, rule: str) -> str:
    return fingerprint_of(capture.read(stat.path) if rule == "content" else None, stat, rule)


def _plate(capture: Folder, subject: str, camera: str, stat: FileStat | None, rule: str) -> Plate:
    if stat is None:
        return Plate(subject, camera, None, "", "missing")
    return Plate(subject, camera, stat.path, _fingerprint(capture, stat, rule), "ok", stat.size_bytes)


def _table(
    capture: Folder,
    subject: str,
    rule: str,
    frames: dict[tuple[str, int], FileStat],
    visible: dict[tuple[str, int], FileStat],
) -> FrameTable:
    keys = sorted(frames)
    stats = [frames[key] for key in keys]
    seen = [visible.get(key) for key in keys]
    numbers = np.array([frame for _, frame in keys], dtype=np.int32)
    return FrameTable(
        subject=subject,
        sequence=_text("" for _ in keys),
        camera=_text(camera for camera, _ in keys),
        frame=numbers,
        source_frame=numbers,
        path=_text(stat.path for stat in stats),
        kind=_text("image" for _ in keys),
        size_bytes=np.array([stat.size_bytes for stat in stats], dtype=np.int64),
        mtime_ns=np.array([-1 if stat.mtime_ns is None else stat.mtime_ns for stat in stats], dtype=np.int64),
        etag=_text(stat.etag or "" for stat in stats),
        fingerprint=_text(_fingerprint(capture, stat, rule) for stat in stats),
        visible_path=_text(stat.path if stat else "" for stat in seen),
        visible_fingerprint=_text(_fingerprint(capture, stat, rule) if stat else "" for stat in seen),
        width=np.zeros(len(keys), dtype=np.int32),
        height=np.zeros(len(keys), dtype=np.int32),
        video_frames=np.zeros(len(keys), dtype=np.int32),
    )


def _text(values: Iterable[str]) -> np.ndarray:
    listed = list(values)
    column = np.empty(len(listed), dtype=object)
    column[:] = listed
    return column
