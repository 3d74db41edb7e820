"""The records that travel between all layers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

STATUSES = (
    "ok",
    "undecodable",
    "missing_plate",
    "plate_mismatch",
    "plate_rejected",
    "short_video",
    "crashed",
)


@dataclass(frozen=True, slots=True)
class FileStat:
    """What a listing says of one file; `etag` in object stores, `mtime_ns` on disks.

    `modified_ns` is when an object store says that it was written: for ages, never part of what identifies a file.
    """

    path: str
    size_bytes: int
    mtime_ns: int | None = None
    etag: str | None = None
    modified_ns: int | None = field(default=None, compare=False)

    @property
    def written_ns(self) -> int | None:
        """Return when the file was written, in ns since 1970 by the clock of its store; None where it does not tell."""
        return self.mtime_ns if self.mtime_ns is not None else self.modified_ns

    def fingerprint(self, rule: str) -> str:
        """Return the text by which a changed file is known, by `rule` (stat | size | etag).

        `stat` is size and mtime on a disk and the etag in an object store.
        """
        if rule == "size":
            return f"{self.size_bytes}"
        if rule not in ("stat", "etag"):
            raise ValueError(f"no fingerprint rule {rule!r}: stat, size or etag")
        return f"{self.size_bytes}-{self.mtime_ns if self.etag is None else self.etag}"


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of one camera at one instant; paths are relative to the capture root."""

    frame: int
    source_frame: int
    path: str
    kind: str
    size_bytes: int
    fingerprint: str
    visible_path: str | None = None
    visible_fingerprint: str | None = None


@dataclass(frozen=True, slots=True)
class Plate:
    """The picture of the empty set of one (subject, camera).

    `path` is None and `fingerprint` empty where there is none. `status` is ok | missing | unreadable.
    """

    subject: str
    camera: str
    path: str | None
    fingerprint: str
    status: str
    size_bytes: int = 0
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True)
class CalibrationFile:
    """The file with the poses and intrinsics of a subject's cameras."""

    path: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Shard:
    """The unit of work, retry and resume: frames of one (subject, sequence, camera) under one decision.

    `crashed` holds the frame numbers that killed a worker: they are not touched, their rows say so. `passing` holds
    those that only carry the state of a temporal model on: they get neither mask nor row. `slot` is the place of the
    stream in a batch of streams. `rejected` says why the check of plates keeps all of them from being matted.
    """

    shard_id: str
    subject: str
    sequence: str
    camera: str
    decision: int
    recipe_id: str
    fingerprint_rule: str
    frames: tuple[Frame, ...]
    plate: Plate
    crashed: frozenset[int] = frozenset()
    passing: frozenset[int] = frozenset()
    slot: int = 0
    calibration: CalibrationFile | None = None
    rejected: str | None = None

    @property
    def n_frames(self) -> int:
        """Count the frames that get a row."""
        return len(self.frames) - len(self.passing)


@dataclass(frozen=True, slots=True)
class FrameRow:
    """One row of a receipt: what became of one frame.

    Paths are relative to the output root, times seconds; manifests/measures.py says what the measures are.
    `frame_files` is a JSON list of [path, bytes, sha256] of what was written besides the masks.
    """

    subject: str
    sequence: str
    camera: str
    frame: int
    source_frame: int
    shard_id: str
    decision: int
    status: str
    error: str | None = None
    note: str | None = None
    mask_path: str | None = None
    mask_bytes: int | None = None
    mask_sha256: str | None = None
    lowres_path: str | None = None
    lowres_bytes: int | None = None
    lowres_sha256: str | None = None
    frame_files: str | None = None
    coverage: float | None = None
    soft_fraction: float | None = None
    error_mean: float | None = None
    error_p99: float | None = None
    n_components: int | None = None
    largest_component: float | None = None
    border_top: float | None = None
    border_bottom: float | None = None
    border_left: float | None = None
    border_right: float | None = None
    decode_s: float | None = None
    device_s: float | None = None
    encode_s: float | None = None
    edge_width: float | None = None
    holes: float | None = None
    starvation: float | None = None
    plate_gain: float | None = None
    plate_shift: float | None = None
    plate_residual: float | None = None
    plate_shadow: float | None = None


@dataclass(frozen=True, slots=True)
class ShardSummary:
    """The about 1 kB that goes back from a worker when a shard is committed; `device_s` of `seconds` on the device."""

    shard_id: str
    subject: str
    sequence: str
    camera: str
    recipe_id: str
    n_frames: int
    by_status: Mapping[str, int]
    first_error: str | None
    seconds: float
    bytes_written: int
    worker: str
    device_s: float = 0.0

    @property
    def n_failed(self) -> int:
        """Count the frames whose row is not ok."""
        return self.n_frames - self.by_status.get("ok", 0)


@dataclass(frozen=True, slots=True)
class ShardFailure:
    """A shard that was not committed: why, where and with which traceback."""

    shard_id: str
    subject: str
    sequence: str
    camera: str
    n_frames: int
    kind: str
    message: str
    traceback: str = ""
    worker: str = ""

    @staticmethod
    def of(shard: Shard, kind: str, message: str, traceback: str = "", worker: str = "") -> ShardFailure:
        """Return the failure of a shard."""
        coordinates = shard.shard_id, shard.subject, shard.sequence, shard.camera, shard.n_frames
        return ShardFailure(*coordinates, kind, message, traceback, worker)
