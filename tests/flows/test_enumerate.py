from __future__ import annotations

from pathlib import Path

import pytest
from captures import copy_capture, make_tiny

from flows.enumerate import enumerate_capture, enumerate_subject, ranges, tell
from manifests.errors import CaptureDiffers, NotACapture, NothingSelected
from manifests.manifest import frames_path, listed_subjects, read_manifest
from manifests.storage import LocalFolder
from manifests.storage_memory import MemoryFolder


class CountingFolder(LocalFolder):
    """Counts how files of a capture are touched."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.heads: list[str] = []

    def read(self, path: str) -> bytes:
        raise OSError(f"{path} was read whole")

    def read_range(self, path: str, start: int, stop: int) -> bytes:
        self.heads.append(path)
        return super().read_range(path, start, stop)


def test_enumerating_reads_headers_of_plates_and_one_frame_a_camera_once(tmp_path: Path) -> None:
    capture = CountingFolder(make_tiny(tmp_path / "capture", n_cameras=3, n_frames=20))
    out = MemoryFolder()
    first = enumerate_subject(capture, out, "031", "stat")
    assert (first.n_frames, first.n_cameras, first.changes.added) == (60, 3, 63)
    assert len(capture.heads) == 6
    again = enumerate_subject(capture, out, "031", "stat")
    assert not again.changes and len(capture.heads) == 6
    manifest = read_manifest(out, "031")
    assert manifest is not None and manifest.frames.width.max() == 64
    assert {(plate.width, plate.height) for plate in manifest.plates.values()} == {(64, 64)}


def test_enumerating_counts_what_was_added_changed_and_vanished(tmp_path: Path) -> None:
    root = make_tiny(tmp_path / "capture", n_frames=4)
    capture, out = LocalFolder(root), MemoryFolder()
    enumerate_subject(capture, out, "031", "stat")
    (root / "031/images/0001/image_cam0.jpg").unlink()
    (root / "031/images/0002/image_cam0.jpg").write_bytes(b"other")
    (root / "031/images/0009").mkdir()
    (root / "031/images/0009/image_cam0.jpg").write_bytes(b"new")
    found = enumerate_subject(capture, out, "031", "stat")
    assert (found.changes.added, found.changes.changed, found.changes.vanished) == (1, 1, 1)
    assert found.holes == {("", "cam0"): [1], ("", "cam1"): [9]}


def test_nothing_is_written_when_nothing_changed(tmp_path: Path) -> None:
    capture, out = LocalFolder(make_tiny(tmp_path / "capture")), MemoryFolder()
    enumerate_subject(capture, out, "031", "stat")
    before = dict(out.files)
    enumerate_subject(capture, out, "031", "stat")
    assert all(out.files[path] is data for path, data in before.items())


def test_a_subject_that_vanished_leaves_the_manifest(tmp_path: Path) -> None:
    root = make_tiny(tmp_path / "capture", ("031", "032"))
    capture, out = LocalFolder(root), MemoryFolder()
    list(enumerate_capture(capture, out, None, "stat"))
    (root / "032").rename(tmp_path / "gone")
    found = {one.subject: one.changes.vanished for one in enumerate_capture(capture, out, None, "stat")}
    assert found == {"031": 0, "032": 6} and listed_subjects(out) == ["031"]


def test_selected_subjects_leave_the_others_alone(tmp_path: Path) -> None:
    capture, out = LocalFolder(make_tiny(tmp_path / "capture", ("031", "032"))), MemoryFolder()
    list(enumerate_capture(capture, out, ["032"], "stat"))
    assert listed_subjects(out) == ["032"]
    with pytest.raises(NothingSelected, match="031, 032"):
        list(enumerate_capture(capture, out, ["033"], "stat"))


def test_a_damaged_manifest_is_made_again(tmp_path: Path) -> None:
    capture, out = LocalFolder(make_tiny(tmp_path / "capture")), MemoryFolder()
    enumerate_subject(capture, out, "031", "stat")
    whole = out.files[frames_path("031")]
    out.files[frames_path("031")] = whole[: len(whole) // 2]
    assert enumerate_subject(capture, out, "031", "stat").n_frames == 6
    assert out.files[frames_path("031")] == whole


def test_content_fingerprints_survive_a_copy(tmp_path: Path) -> None:
    root, out = make_tiny(tmp_path / "capture"), MemoryFolder()
    enumerate_subject(LocalFolder(root), out, "031", "content")
    moved = copy_capture(root, tmp_path / "moved")
    [path.touch() for path in moved.rglob("*.jpg")]
    assert not enumerate_subject(LocalFolder(moved), out, "031", "content").changes
    (moved / "031/images/0000/image_cam0.jpg").write_bytes(b"x")
    capture = LocalFolder(copy_capture(moved, tmp_path / "again"))
    with pytest.raises(CaptureDiffers, match="1 of its files changed"):
        enumerate_subject(capture, out, "031", "content")


def test_a_capture_without_frames_is_refused(tmp_path: Path) -> None:
    (tmp_path / "031/images").mkdir(parents=True)
    with pytest.raises(NotACapture, match="no frame"):
        list(enumerate_capture(LocalFolder(tmp_path), MemoryFolder(), None, "stat"))


def test_telling_names_cameras_with_holes_and_without_plates(tmp_path: Path) -> None:
    root = make_tiny(tmp_path / "capture", n_frames=6)
    (root / "031/background/image_cam1.jpg").unlink()
    [(root / f"031/images/000{frame}/image_cam0.jpg").unlink() for frame in (1, 2, 4)]
    found = list(enumerate_capture(LocalFolder(root), MemoryFolder(), None, "stat"))
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
