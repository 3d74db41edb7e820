"""Faults: what is missing, cut short or unfit in a listing is found and said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from manifests.capture import Video, scan_subject
from manifests.faults import VideoFault, holes, missing_plates, video_faults
from manifests.layouts.gha import Gha
from manifests.manifest import Manifest
from manifests.records import FileStat, Plate
from manifests.rows import rows_of
from manifests.sharding import FrameTable
from manifests.storage_memory import MemoryFolder

Captures = Callable[..., MemoryFolder]


def _scanned(capture: MemoryFolder) -> Manifest:
    scanned = scan_subject(capture, "031", "size", Gha())
    return Manifest(scanned.frames, scanned.plates, "/data", "size", "gha")


def _with_sizes(manifest: Manifest, plate: Plate | None, sizes: list[tuple[int, int]]) -> Manifest:
    width, height = (np.array(side, dtype=np.int32) for side in zip(*sizes, strict=True))
    plates = {} if plate is None else {"A": plate}
    return replace(manifest, frames=replace(manifest.frames, width=width, height=height), plates=plates)


PLATE = Plate("031", "A", "a.jpg", "7", "ok", 7, 20, 10)


@pytest.mark.parametrize(
    ("plate", "sizes", "fault"),
    [
        (PLATE, [(20, 10)] * 3, None),
        (PLATE, [(20, 10), (0, 0), (0, 0)], None),
        (PLATE, [(0, 0)] * 3, None),
        (replace(PLATE, width=None, height=None), [(20, 10)] * 3, None),
        (None, [(20, 10)] * 3, "missing"),
        (replace(PLATE, status="missing", path=None), [(20, 10)] * 3, "missing"),
        (replace(PLATE, status="unreadable"), [(20, 10)] * 3, "unreadable"),
        (PLATE, [(10, 20)] * 3, "size: plate 20x10, frames 10x20"),
        (PLATE, [(0, 0), (10, 20), (0, 0)], "size: plate 20x10, frames 10x20"),
    ],
)
def test_plate_fault_is_said_of_the_camera(
    make_capture: Captures, plate: Plate | None, sizes: list[tuple[int, int]], fault: str | None
) -> None:
    manifest = _with_sizes(_scanned(make_capture(cameras="A")), plate, sizes)
    assert missing_plates(manifest) == ({} if fault is None else {"A": fault})


def test_no_fault_is_said_of_a_camera_without_frames(make_capture: Captures) -> None:
    capture = make_capture(cameras="A")
    capture.write_atomic("031/background/image_B.jpg", b"")
    manifest = _scanned(capture)
    assert missing_plates(replace(manifest, plates={**manifest.plates, "B": replace(PLATE, status="missing")})) == {}


def test_plate_fault_says_the_size_that_differs_when_some_frames_fit(make_capture: Captures) -> None:
    manifest = _scanned(make_capture(cameras="A"))
    for width in range(30, 60):
        plate = replace(PLATE, width=width)
        found = missing_plates(_with_sizes(manifest, plate, [(width, 10), (width, 10), (20, 10)]))
        assert found == {"A": f"size: plate {width}x10, frames 20x10"}


def _videos(**lengths: int) -> FrameTable:
    videos = tuple(
        Video("A+B", camera, FileStat(f"{camera}.mp4", 9, 1), "9-1", n_frames, 8, 8, True)
        for camera, n_frames in sorted(lengths.items())
    )
    empty = scan_subject(MemoryFolder(), "031", "stat", Gha())
    return rows_of(replace(empty, videos=videos), None)


def test_videos_are_faulty_when_they_are_short_unreadable_or_absent() -> None:
    table = _videos(a=432, b=427, c=0, d=432)
    faults = video_faults(table, ["e"])
    assert faults == {
        ("A+B", "b"): VideoFault("short", 427, 432, 9),
        ("A+B", "c"): VideoFault("unreadable", 0, 432, 9),
        ("A+B", "e"): VideoFault("absent", 0, 432),
    }
    assert [str(fault) for fault in faults.values()] == ["427 of 432", "unreadable (9 bytes)", "absent"]
    assert holes(table, ["e"]) == {("A+B", "e"): list(range(432))}


def test_no_video_is_faulty_when_all_are_alike_or_there_are_pictures_only(make_capture: Captures) -> None:
    assert video_faults(_videos(a=5, b=5)) == {}
    assert video_faults(_scanned(make_capture()).frames, ["C"]) == {}


def test_videos_are_all_unreadable_when_none_has_a_length() -> None:
    assert {str(fault) for fault in video_faults(_videos(a=0, b=0)).values()} == {"unreadable (9 bytes)"}


def test_holes_are_per_sequence_and_of_cameras_with_a_plate_too(make_table: Callable[..., FrameTable]) -> None:
    table = make_table([("s", "A", 0), ("s", "A", 2), ("s", "B", 1), ("t", "A", 7)])
    assert holes(table, ["C"]) == {
        ("s", "A"): [1],
        ("s", "B"): [0, 2],
        ("s", "C"): [0, 1, 2],
        ("t", "B"): [7],
        ("t", "C"): [7],
    }
