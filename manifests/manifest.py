"""The manifest: per subject, the frames and plates that a capture holds, as Parquet under the output root."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import unquote

import numpy as np

from manifests.capture import Scanned
from manifests.records import Plate
from manifests.sharding import FrameTable, subject_folder
from manifests.storage import Folder
from manifests.tables import read_frames, read_plates, write_frames, write_plates

MANIFEST = "_cleanplate/manifest"

Stream = tuple[str, str]
"""(sequence, camera) of one subject."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """One subject: its frames, its plates by camera, and the capture they were listed from."""

    frames: FrameTable
    plates: Mapping[str, Plate]
    capture_url: str
    fingerprint_rule: str
    layout: str

    @property
    def subject(self) -> str:
        """Name the subject."""
        return self.frames.subject


@dataclass(frozen=True, slots=True)
class Changes:
    """How many files (frames and plates) differ between two manifests of a subject."""

    added: int = 0
    changed: int = 0
    vanished: int = 0

    def __add__(self, other: Changes) -> Changes:
        """Sum over subjects."""
        return Changes(self.added + other.added, self.changed + other.changed, self.vanished + other.vanished)

    def __bool__(self) -> bool:
        """Tell whether anything differs."""
        return bool(self.added or self.changed or self.vanished)


def frames_path(subject: str) -> str:
    """Return where a subject's frames are listed, relative to the output root."""
    return f"{MANIFEST}/{_file_name(subject)}.parquet"


def plates_path(subject: str) -> str:
    """Return where a subject's plates are listed, relative to the output root."""
    return f"{MANIFEST}/{_file_name(subject)}.plates.parquet"


def read_manifest(out: Folder, subject: str) -> Manifest | None:
    """Return the manifest of a subject, or None where there is none; raises SchemaUnknown."""
    try:
        frames, meta = read_frames(out.read(frames_path(subject)), frames_path(subject))
        plates = read_plates(out.read(plates_path(subject)), plates_path(subject))
    except FileNotFoundError:
        return None
    return Manifest(frames, plates, meta["capture"], meta["fingerprint_rule"], meta["layout"])


def write_manifest(out: Folder, manifest: Manifest) -> None:
    """Write the two files of a subject, frames last: a manifest is there when its frames are."""
    meta = {
        "subject": manifest.subject,
        "capture": manifest.capture_url,
        "fingerprint_rule": manifest.fingerprint_rule,
        "layout": manifest.layout,
    }
    plates = [manifest.plates[camera] for camera in sorted(manifest.plates)]
    out.write_atomic(plates_path(manifest.subject), write_plates(plates, meta))
    out.write_atomic(frames_path(manifest.subject), write_frames(manifest.frames, meta))


def drop_manifest(out: Folder, subject: str) -> None:
    """Delete the manifest of a subject that vanished from the capture; its masks and receipts stay."""
    out.delete([frames_path(subject), plates_path(subject)])


def listed_subjects(out: Folder) -> list[str]:
    """Return the subjects that have a manifest, sorted."""
    subjects = []
    for stat in out.list(MANIFEST):
        name = stat.path.rsplit("/", 1)[-1]
        if not name.endswith(".parquet") or name.endswith(".plates.parquet"):
            continue
        encoded = name.removesuffix(".parquet")
        subjects.append(_true_name(out, stat.path) if "~" in encoded else unquote(encoded))
    return sorted(subjects)


def keep_probed(scanned: Scanned, old: Manifest | None) -> Scanned:
    """Carry the known sizes and states of unchanged files over from the last manifest."""
    if old is None:
        return scanned
    frames = scanned.frames
    known = dict(zip(_keys(old.frames), zip(old.frames.width, old.frames.height, strict=True), strict=True))
    sizes = np.array([known.get(key, (0, 0)) for key in _keys(frames)], dtype=np.int32).reshape(-1, 2)
    plates = {camera: _same_plate(plate, old.plates.get(camera)) for camera, plate in scanned.plates.items()}
    return replace(scanned, frames=replace(frames, width=sizes[:, 0].copy(), height=sizes[:, 1].copy()), plates=plates)


def compare(old: Manifest | None, new: Manifest) -> Changes:
    """Count the files that were added, changed or vanished since the last manifest."""
    before = {} if old is None else _fingerprints(old)
    after = _fingerprints(new)
    added = sum(path not in before for path in after)
    vanished = sum(path not in after for path in before)
    changed = sum(before[path] != fingerprint for path, fingerprint in after.items() if path in before)
    return Changes(added, changed, vanished)


def holes(frames: FrameTable, plates: Iterable[str] = ()) -> dict[Stream, list[int]]:
    """Return, per (sequence, camera), the frames that another camera of the sequence has and this one lacks.

    A camera that has a plate and no frame lacks all of them.
    """
    lacking: dict[Stream, list[int]] = {}
    for sequence in sorted(set(frames.sequence)):
        rows = frames.sequence == sequence
        everyone = np.unique(frames.frame[rows])
        for camera in sorted({*frames.camera, *plates}):
            missing = np.setdiff1d(everyone, frames.frame[rows & (frames.camera == camera)])
            if len(missing):
                lacking[sequence, camera] = missing.tolist()
    return lacking


def missing_plates(manifest: Manifest) -> dict[str, str]:
    """Return, per camera that has frames and no usable plate, what is wrong: missing, unreadable or a wrong size."""
    faults: dict[str, str] = {}
    frames = manifest.frames
    for camera in sorted(set(frames.camera)):
        plate = manifest.plates.get(camera)
        if plate is None or plate.status != "ok":
            faults[camera] = "missing" if plate is None else plate.status
            continue
        rows = (frames.camera == camera) & (frames.width > 0)
        sizes = set(zip(frames.width[rows].tolist(), frames.height[rows].tolist(), strict=True))
        others = sizes - {(plate.width, plate.height)}
        if plate.width and others:
            width, height = min(others)
            faults[camera] = f"size: plate {plate.width}x{plate.height}, frames {width}x{height}"
    return faults


def _file_name(subject: str) -> str:
    """Return the subject's folder name; one that ends like a file of plates has that dot encoded."""
    name = subject_folder(subject)
    return f"{name.removesuffix('.plates')}%2Eplates" if name.endswith(".plates") else name


def _true_name(out: Folder, path: str) -> str:
    return str(read_frames(out.read(path), path)[1]["subject"])


def _keys(frames: FrameTable) -> list[tuple[str, str]]:
    return list(zip(frames.path, frames.fingerprint, strict=True))


def _fingerprints(manifest: Manifest) -> dict[str, str]:
    frames = manifest.frames
    listed = dict(zip(frames.path, frames.fingerprint, strict=True))
    listed |= {path: mark for path, mark in zip(frames.visible_path, frames.visible_fingerprint, strict=True) if path}
    return listed | {plate.path: plate.fingerprint for plate in manifest.plates.values() if plate.path is not None}


def _same_plate(plate: Plate, old: Plate | None) -> Plate:
    return old if old is not None and (old.path, old.fingerprint) == (plate.path, plate.fingerprint) else plate
