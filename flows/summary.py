"""What a run is about to do, and how it ended, for the selection that it was about."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from manifests.plan import CameraStatus
from manifests.recipe import Recipe
from manifests.records import ShardFailure, ShardSummary


@dataclass(frozen=True, slots=True)
class Todo:
    """What is to do for one subject: pending shards and frames by recipe, and the bytes that they will write."""

    subject: str
    n_shards: dict[Recipe, int]
    n_frames: int
    n_bytes: int
    n_done: int


@dataclass(slots=True)
class Summary:
    """How a run ended, for the selection that it was about."""

    out_url: str
    n_written: int = 0
    n_bytes: int = 0
    seconds: float = 0.0
    todo: list[Todo] = field(default_factory=list)
    cameras: list[CameraStatus] = field(default_factory=list)
    failures: list[ShardFailure] = field(default_factory=list)
    run_id: str | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, shard: ShardSummary) -> None:
        """Count a committed shard; subjects may be worked on at once."""
        with self.lock:
            self.n_written += shard.by_status.get("ok", 0)
            self.n_bytes += shard.bytes_written

    @property
    def exit_code(self) -> int:
        """Return 1 if selected frames are still pending, 3 if some are not ok, else 0."""
        if self.failures or any(camera.n_pending for camera in self.cameras):
            return 1
        return 3 if any(camera.n_failed for camera in self.cameras) else 0
