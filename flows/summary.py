"""What a run is about to do, and how it ended, for the selection that it was about."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from flows.costs import Hold
from manifests.comparing import Compared
from manifests.plan import Announcement, CameraStatus
from manifests.qc import SubjectQc
from manifests.recipe import Recipe
from manifests.records import ShardFailure, ShardSummary
from manifests.traffic import Traffic, joined


class Pending(NamedTuple):
    """How much of a subject is pending by one recipe."""

    n_shards: int
    n_frames: int


@dataclass(frozen=True, slots=True)
class Todo:
    """What is to do for one subject, by recipe, and what is done; all of a plan that a run keeps.

    `frame_bytes` is what a frame's masks may take, `announced` are the pending frames. `cameras` say how the selected
    frames are where there is nothing to do, not even receipts to join, and are None elsewhere.
    """

    subject: str
    by_recipe: Mapping[Recipe, Pending]
    frame_bytes: int
    n_done: int
    announced: Announcement = field(default_factory=list)
    cameras: Sequence[CameraStatus] | None = None

    @property
    def n_shards(self) -> int:
        """Count the pending shards."""
        return sum(pending.n_shards for pending in self.by_recipe.values())

    @property
    def n_frames(self) -> int:
        """Count the pending frames."""
        return sum(pending.n_frames for pending in self.by_recipe.values())

    @property
    def n_bytes(self) -> int:
        """Estimate what the pending masks will take."""
        return self.n_frames * self.frame_bytes


@dataclass(slots=True)
class Summary:
    """How a run ended, for the selection that it was about.

    `by_status` counts the frames of the shards that it committed, `worker_s` the seconds of all its workers, `hold`
    says what they held.
    """

    out_url: str
    n_written: int = 0
    n_bytes: int = 0
    seconds: float = 0.0
    todo: list[Todo] = field(default_factory=list)
    cameras: list[CameraStatus] = field(default_factory=list)
    failures: list[ShardFailure] = field(default_factory=list)
    run_id: str | None = None
    by_status: Counter[str] = field(default_factory=Counter)
    n_shards: int = 0
    hold: Hold | None = None
    worker_s: float = 0.0
    device_s: float = 0.0
    traffic: Mapping[str, Traffic] = field(default_factory=dict)
    qc: dict[str, SubjectQc] = field(default_factory=dict)
    compared: list[Compared] = field(default_factory=list)
    n_failed_in_a_row: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, outcome: ShardSummary | ShardFailure) -> int:
        """Count a shard that was committed or failed, and return how many have failed in a row since.

        Subjects may be worked on at once.
        """
        with self.lock:
            if isinstance(outcome, ShardFailure):
                self.failures.append(outcome)
                self.n_failed_in_a_row += 1
            else:
                self.by_status.update(outcome.by_status)
                self.n_shards += 1
                self.device_s += outcome.device_s
                self.n_written += outcome.by_status.get("ok", 0)
                self.n_bytes += outcome.bytes_written
                self.n_failed_in_a_row = 0
            return self.n_failed_in_a_row

    def count_traffic(self, traffic: Mapping[str, Traffic]) -> None:
        """Add the requests to stores, by URL."""
        with self.lock:
            self.traffic = joined([self.traffic, traffic])

    @property
    def exit_code(self) -> int:
        """Return 1 if selected frames are still pending, 3 if some are not ok, else 0."""
        if any(camera.n_pending for camera in self.cameras):
            return 1
        return 3 if any(camera.n_failed for camera in self.cameras) else 0
