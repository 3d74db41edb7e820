from __future__ import annotations

from pathlib import Path

from captures import make_tiny

from flows.enumerate import enumerate_capture
from flows.settings import EnumerateSettings
from flows.telling import Enumerated, ranges, tell
from manifests.faults import VideoFault
from manifests.manifest import Changes
from manifests.storage import LocalFolder
from manifests.storage_memory import MemoryFolder


def test_telling_names_cameras_with_holes_and_without_plates(tmp_path: Path) -> None:
    root = make_tiny(tmp_path / "capture", n_frames=6)
    (root / "031/background/image_cam1.jpg").unlink()
    [(root / f"031/images/000{frame}/image_cam0.jpg").unlink() for frame in (1, 2, 4)]
    found = list(enumerate_capture(LocalFolder(root), MemoryFolder(), EnumerateSettings()))
    said: list[str] = []
    warned: list[str] = []
    tell(found, said.append, warned.append)
    assert "1 subject, 9 frames" in said[0]
    assert warned == [
        "subject 031, camera cam1: plate missing",
        "subject 031, camera cam0: lacks frames that other cameras have (3): 1-2, 4",
    ]


def test_ranges_join_runs_and_are_cut() -> None:
    assert ranges([]) == ""
    assert ranges([3, 1, 2, 7]) == "1-3, 7"
    assert ranges(range(0, 40, 2)) == "0, 2, 4, 6, 8, 10, 12, 14, ..."


def _warnings(**faults: VideoFault) -> list[str]:
    found = {("A+B", camera): fault for camera, fault in faults.items()}
    warned: list[str] = []
    tell([Enumerated("031", 432, 3, Changes(), video_faults=found)], lambda _: None, warned.append)
    return warned


def test_telling_names_videos_that_are_short_unreadable_or_absent_with_counts() -> None:
    short, gone = VideoFault("short", 427, 432, 9), VideoFault("absent", 0, 432)
    assert _warnings(a=short, b=VideoFault("unreadable", 0, 432, 5000), c=gone, d=short) == [
        "subject 031, sequence A+B, cameras a, d: 427 frames, others have 432",
        "subject 031, sequence A+B, camera b: video unreadable (5,000 bytes)",
        "subject 031, sequence A+B, camera c: video absent",
    ]


def test_telling_leaves_out_names_that_are_empty() -> None:
    warned: list[str] = []
    tell([Enumerated("", 5, 1, Changes(), plate_faults={"": "missing"})], lambda _: None, warned.append)
    assert warned == ["the capture: plate missing"]


def test_telling_says_who_was_forgotten_and_does_not_count_them() -> None:
    said: list[str] = []
    warned: list[str] = []
    tell(
        [Enumerated("031", 3, 1, Changes()), Enumerated("032", 0, 0, Changes(), is_forgotten=True)],
        said.append,
        warned.append,
    )
    assert said == ["Manifest: 1 subject, 3 frames"]
    assert len(warned) == 1 and "032 was forgotten" in warned[0] and "--subjects 032" in warned[0]
