"""Small captures, tables, recipes and receipts to build tests from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from manifests.ledger import commit
from manifests.recipe import Numerics, Recipe
from manifests.records import FrameRow, Plate
from manifests.sharding import FrameTable, PlannedShard
from manifests.storage import Folder
from manifests.storage_memory import MemoryFolder

Key = tuple[str, str, int]

RECIPE = Recipe(
    model="bgmv2",
    uses_plate=True,
    temporal=False,
    weights_sha256="ab" * 32,
    parameters=(("refine_threshold", 0.7),),
    missing_plate="fail",
    numerics=Numerics("cpu", "fp32", batch=4, intra_op_threads=2),
)


@pytest.fixture(scope="session")
def make_recipe() -> Callable[..., Recipe]:
    """Return a maker of recipes that differ from a plain one in the fields given."""

    def make(**changes: Any) -> Recipe:
        return replace(RECIPE, **changes)

    return make


@pytest.fixture(scope="session")
def make_table() -> Callable[..., FrameTable]:
    """Return a maker of a subject's frames from (sequence, camera, frame) keys; `marks` sets fingerprints."""

    def make(keys: Iterable[Key], subject: str = "031", marks: Mapping[Key, str] | None = None) -> FrameTable:
        rows = sorted(set(keys))
        names = [f"{sequence}/{frame:04d}/image_{camera}.jpg" for sequence, camera, frame in rows]
        numbers = np.array([frame for _, _, frame in rows], dtype=np.int32)
        fixed = {"kind": "image", "etag": "", "visible_path": "", "visible_fingerprint": ""}
        return FrameTable(
            subject=subject,
            sequence=_text([row[0] for row in rows]),
            camera=_text([row[1] for row in rows]),
            frame=numbers,
            source_frame=numbers,
            path=_text([f"{subject}/{name}" for name in names]),
            fingerprint=_text([(marks or {}).get(row, "10-1") for row in rows]),
            size_bytes=np.full(len(rows), 10, dtype=np.int64),
            mtime_ns=np.full(len(rows), 1, dtype=np.int64),
            width=np.zeros(len(rows), dtype=np.int32),
            height=np.zeros(len(rows), dtype=np.int32),
            video_frames=np.zeros(len(rows), dtype=np.int32),
            **{name: _text([value] * len(rows)) for name, value in fixed.items()},
        )

    return make


@pytest.fixture(scope="session")
def make_plates() -> Callable[..., dict[str, Plate]]:
    """Return a maker of the plates of some cameras."""

    def make(*cameras: str, subject: str = "031", fingerprint: str = "7-1") -> dict[str, Plate]:
        paths = {camera: f"{subject}/background/image_{camera}.jpg" for camera in cameras}
        return {camera: Plate(subject, camera, path, fingerprint, "ok", 7) for camera, path in paths.items()}

    return make


@pytest.fixture(scope="session")
def commit_all() -> Callable[..., None]:
    """Return a function that commits planned shards; `bad` are frame numbers that cannot be decoded."""

    def commit_shards(
        out: Folder, table: FrameTable, shards: Sequence[PlannedShard], bad: Iterable[int] = (), **meta: Any
    ) -> None:
        failing = set(bad)
        for planned in shards:
            shard = planned.to_shard(table, {}, "stat")
            rows = [
                FrameRow(
                    shard.subject,
                    shard.sequence,
                    shard.camera,
                    frame.frame,
                    frame.source_frame,
                    shard.shard_id,
                    shard.decision,
                    status="undecodable" if frame.frame in failing else "ok",
                    error=f"frame {frame.frame} is cut off" if frame.frame in failing else None,
                )
                for frame in shard.frames
            ]
            commit(out, shard, rows, meta)

    return commit_shards


@pytest.fixture(scope="session")
def make_capture() -> Callable[..., MemoryFolder]:
    """Return a maker of a capture in memory: every subject has every camera, frame and plate."""

    def make(
        subjects: Iterable[str] = ("031",), cameras: Iterable[str] = ("A", "B"), frames: Iterable[int] = range(3)
    ) -> MemoryFolder:
        capture = MemoryFolder()
        for subject in subjects:
            for camera in cameras:
                capture.write_atomic(f"{subject}/background/image_{camera}.jpg", b"plate")
                for frame in frames:
                    capture.write_atomic(f"{subject}/images/{frame:04d}/image_{camera}.jpg", b"picture")
        return capture

    return make


def _text(values: Sequence[str]) -> np.ndarray:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column
