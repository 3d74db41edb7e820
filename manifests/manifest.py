"""The manifest: per subject, the frames and plates that a capture holds, as Parquet under the output root."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import unquote

import numpy as np

from manifests.capture import Scanned, Video
from manifests.numbering import MANIFEST, SOURCE, numbering_paths
from manifests.records import CalibrationFile, Plate
from manifests.rows import streams
from manifests.sharding import NOT_PROBED, FrameTable, subject_folder
from manifests.storage import Folder
from manifests.tables import read_frames, read_plates, write_frames, write_plates

_TOLD = (
    *("sequence", "camera", "frame", "source_frame", "path", "kind", "size_bytes", "fingerprint"),
    *("visible_path", "visible_fingerprint", "width", "height", "video_frames"),
)
"""The columns of frames that differ only where the capture does."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """One subject: its frames, its plates by camera, its calibration, the capture they were listed from, and how.

    `layout` is a name or a pattern, `plate_pattern` where plates lie for a pattern; `numbering` is source | gha.
    """

    frames: FrameTable
    plates: Mapping[str, Plate]
    capture_url: str
    fingerprint_rule: str
    layout: str
    plate_pattern: str = ""
    numbering: str = SOURCE
    calibration: CalibrationFile | None = None

    @property
    def subject(self) -> str:
        """Name the subject."""
        return self.frames.subject

    @property
    def meta(self) -> dict[str, Any]:
        """Return what is kept beside the rows."""
        return {
            "subject": self.subject,
            "capture": self.capture_url,
            "fingerprint_rule": self.fingerprint_rule,
            "layout": self.layout,
            "plate_pattern": self.plate_pattern,
            "numbering": self.numbering,
            "calibration": self.calibration and asdict(self.calibration),
        }


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
    calibration = meta.get("calibration")
    return Manifest(
        frames=frames,
        plates=plates,
        capture_url=meta["capture"],
        fingerprint_rule=meta["fingerprint_rule"],
        layout=meta["layout"],
        plate_pattern=meta.get("plate_pattern", ""),
        numbering=meta.get("numbering", SOURCE),
        calibration=calibration and CalibrationFile(**calibration),
    )


def write_manifest(out: Folder, manifest: Manifest) -> None:
    """Write the two files of a subject, frames last: a manifest is there when its frames are."""
    plates = [manifest.plates[camera] for camera in sorted(manifest.plates)]
    out.write_atomic(plates_path(manifest.subject), write_plates(plates, manifest.meta))
    out.write_atomic(frames_path(manifest.subject), write_frames(manifest.frames, manifest.meta))


def drop_manifest(out: Folder, subject: str) -> None:
    """Delete the manifest of a subject that vanished from the capture; its masks, receipts and numbers stay."""
    out.delete([frames_path(subject), plates_path(subject)])


def drop_all(out: Folder, subjects: Iterable[str]) -> None:
    """Delete the manifests and numbers of subjects of which nothing was matted, to list them in another way."""
    for subject in subjects:
        drop_manifest(out, subject)
        for path in numbering_paths(out, subject):
            out.delete([path])


def listed_subjects(out: Folder) -> list[str]:
    """Return the subjects that have a manifest, sorted."""
    subjects = []
    for stat in out.list(MANIFEST):
        name = stat.path.rsplit("/", 1)[-1]
        if not name.endswith(".parquet") or name.endswith(".plates.parquet"):
            continue
        encoded = name.removesuffix(".parquet")
        subjects.append(_true_name(out, stat.path) if "~" in encoded else _decoded(encoded))
    return sorted(subjects)


def keep_probed(scanned: Scanned, old: Manifest | None) -> Scanned:
    """Carry the known sizes and states of unchanged files over from the last manifest."""
    if old is None:
        return scanned
    plates = {camera: _same_plate(plate, old.plates.get(camera)) for camera, plate in scanned.plates.items()}
    if scanned.videos:
        return replace(scanned, plates=plates, videos=_same_videos(scanned.videos, old.frames))
    frames = scanned.frames
    known = dict(zip(_keys(old.frames), zip(old.frames.width, old.frames.height, strict=True), strict=True))
    sizes = np.array([known.get(key, (0, 0)) for key in _keys(frames)], dtype=np.int32).reshape(-1, 2)
    frames = replace(frames, width=sizes[:, 0].copy(), height=sizes[:, 1].copy())
    return replace(scanned, frames=frames, plates=plates)


def compare(old: Manifest | None, new: Manifest) -> Changes:
    """Count the files that were added, changed or vanished since the last manifest."""
    before = {} if old is None else _fingerprints(old)
    after = _fingerprints(new)
    added = sum(path not in before for path in after)
    vanished = sum(path not in after for path in before)
    changed = sum(before[path] != fingerprint for path, fingerprint in after.items() if path in before)
    return Changes(added, changed, vanished)


def is_same(old: Manifest | None, new: Manifest) -> bool:
    """Tell whether two manifests say the same, down to numbers and measures; times of files do not count."""
    if old is None or (old.meta, old.plates) != (new.meta, new.plates):
        return False
    return all(np.array_equal(getattr(old.frames, name), getattr(new.frames, name)) for name in _TOLD)


def _file_name(subject: str) -> str:
    """Return the subject's folder name; one that ends like a file of plates has that dot encoded."""
    name = subject_folder(subject)
    return f"{name.removesuffix('.plates')}%2Eplates" if name.endswith(".plates") else name


def _decoded(name: str) -> str:
    return "" if name == "%" else unquote(name)


def _true_name(out: Folder, path: str) -> str:
    return str(read_frames(out.read(path), path)[1]["subject"])


def _keys(frames: FrameTable) -> list[tuple[str, str]]:
    return list(zip(frames.path, frames.fingerprint, strict=True))


def _fingerprints(manifest: Manifest) -> dict[str, str]:
    frames = manifest.frames
    if len(frames) and frames.kind[0] == "video":  # one file for all rows of a stream
        firsts = [rows.start for rows in streams(frames).values()]
        listed = dict(zip(frames.path[firsts], frames.fingerprint[firsts], strict=True))
    else:
        listed = dict(zip(frames.path, frames.fingerprint, strict=True))
    listed |= {path: mark for path, mark in zip(frames.visible_path, frames.visible_fingerprint, strict=True) if path}
    if manifest.calibration is not None:
        listed[manifest.calibration.path] = manifest.calibration.fingerprint
    return listed | {plate.path: plate.fingerprint for plate in manifest.plates.values() if plate.path is not None}


def _same_plate(plate: Plate, old: Plate | None) -> Plate:
    return old if old is not None and (old.path, old.fingerprint) == (plate.path, plate.fingerprint) else plate


def _same_videos(videos: tuple[Video, ...], old: FrameTable) -> tuple[Video, ...]:
    """Carry the lengths and sizes of unchanged videos over; an unreadable one stays so until it changes."""
    known = {}
    for rows in streams(old).values():
        first = rows.start
        if old.kind[first] == "video" and old.video_frames[first] != NOT_PROBED:
            measures = int(old.video_frames[first]), int(old.width[first]), int(old.height[first])
            known[old.path[first], old.fingerprint[first]] = measures
    return tuple(
        replace(video, n_frames=found[0], width=found[1], height=found[2], is_probed=True)
        if (found := known.get((video.stat.path, video.fingerprint)))
        else video
        for video in videos
    )
