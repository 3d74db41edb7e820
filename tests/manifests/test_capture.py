"""Scanning: what lies in a subject's folder becomes frames and plates, and all else is passed over."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from manifests.capture import content_hash, fingerprint_of, hash_of_file, scan_subject
from manifests.errors import CleanplateError
from manifests.layouts.gha import Gha
from manifests.records import FileStat
from manifests.storage import LocalFolder
from manifests.storage_memory import MemoryFolder

Captures = Callable[..., MemoryFolder]


def test_scan_gives_every_frame_sorted_and_every_plate(make_capture: Captures) -> None:
    scanned = scan_subject(make_capture(["031", "0310"], "BA", [10, 9, 0]), "031", "stat", Gha())
    table = scanned.frames
    assert list(zip(table.camera, table.frame.tolist(), strict=True)) == [(c, f) for c in "AB" for f in (0, 9, 10)]
    assert table.path.tolist()[:2] == ["031/images/0000/image_A.jpg", "031/images/0009/image_A.jpg"]
    assert set(table.sequence) == {""}
    assert {camera: plate.path for camera, plate in scanned.plates.items()} == {
        camera: f"031/background/image_{camera}.jpg" for camera in "AB"
    }
    assert {plate.status for plate in scanned.plates.values()} == {"ok"}
    assert scanned.n_masks == 0


def test_scan_names_cameras_without_a_plate_and_plates_without_frames(make_capture: Captures) -> None:
    capture = make_capture()
    capture.delete(["031/background/image_A.jpg"])
    capture.write_atomic("031/background/image_C.jpg", b"plate")
    plates = scan_subject(capture, "031", "stat", Gha()).plates
    assert {camera: plate.status for camera, plate in plates.items()} == {"A": "missing", "B": "ok", "C": "ok"}
    assert plates["A"].path is None


def test_scan_passes_over_what_is_no_frame_and_counts_masks(make_capture: Captures) -> None:
    capture = make_capture(cameras="A", frames=[0])
    for name in ("mask_A.jpg", "mask_lowres_A.jpg", "image_lowres_A.jpg", "image_A.txt", "camera_A.npz"):
        capture.write_atomic(f"031/images/0000/{name}", b"")
    scanned = scan_subject(capture, "031", "stat", Gha())
    assert len(scanned.frames) == 1
    assert scanned.n_masks == 2


def test_scan_puts_visible_pictures_beside_their_frames(make_capture: Captures) -> None:
    capture = make_capture(cameras="A", frames=[0, 1])
    capture.write_atomic("031/images/0001/visible_A.jpg", b"seen")
    table = scan_subject(capture, "031", "size", Gha()).frames
    assert table.visible_path.tolist() == ["", "031/images/0001/visible_A.jpg"]
    assert table.visible_fingerprint.tolist() == ["", "4"]


@pytest.mark.parametrize("others", [["png"], ["jpeg", "png"], ["JPEG"]])
def test_scan_takes_the_jpg_when_a_frame_lies_there_twice(make_capture: Captures, others: list[str]) -> None:
    capture = make_capture(cameras="A", frames=[0])
    for suffix in others:
        capture.write_atomic(f"031/images/0000/image_A.{suffix}", b"other")
    assert scan_subject(capture, "031", "stat", Gha()).frames.path.tolist() == ["031/images/0000/image_A.jpg"]


def test_scan_is_empty_when_the_subject_is_not_there(make_capture: Captures) -> None:
    scanned = scan_subject(make_capture(), "999", "stat", Gha())
    assert len(scanned.frames) == 0
    assert scanned.plates == {}


def test_scan_reads_no_file_when_the_listing_tells_enough(make_capture: Captures) -> None:
    class Unreadable(MemoryFolder):
        def read(self, path: str) -> bytes:
            raise AssertionError(f"{path} was read")

    assert len(scan_subject(Unreadable(make_capture().files), "031", "stat", Gha()).frames) == 6


def test_fingerprints_are_of_the_content_when_the_rule_says_so(make_capture: Captures) -> None:
    capture = make_capture(cameras="A", frames=[0])
    capture.write_atomic("031/images/0000/visible_A.jpg", b"seen")
    scanned = scan_subject(capture, "031", "content", Gha())
    assert scanned.frames.fingerprint.tolist() == [hashlib.sha256(b"picture").hexdigest()]
    assert scanned.frames.visible_fingerprint.tolist() == [hashlib.sha256(b"seen").hexdigest()]
    assert scanned.plates["A"].fingerprint == hashlib.sha256(b"plate").hexdigest()


@pytest.mark.parametrize("rule", ["stat", "size", "content"])
def test_fingerprint_of_a_read_is_that_of_the_scan_when_nothing_changed(tmp_path: Path, rule: str) -> None:
    capture = LocalFolder(tmp_path)
    capture.write_atomic("031/images/0000/image_A.jpg", b"picture")
    scanned = scan_subject(capture, "031", rule, Gha())
    data, stat = capture.read_with_stat("031/images/0000/image_A.jpg")
    assert fingerprint_of(data, stat, rule) == scanned.frames.fingerprint[0]


@pytest.mark.parametrize("rule", ["stat", "size", "content"])
def test_fingerprint_differs_when_the_file_was_replaced(rule: str) -> None:
    old, new = FileStat("a", 3, 1), FileStat("a", 4, 2)
    assert fingerprint_of(b"old", old, rule) != fingerprint_of(b"new!", new, rule)


def test_scan_passes_over_or_refuses_a_frame_when_its_number_is_huge() -> None:
    capture = MemoryFolder({"031/images/20260301120000/image_A.jpg": b""})
    try:
        assert len(scan_subject(capture, "031", "stat", Gha()).frames) <= 1
    except CleanplateError as refusal:
        assert "20260301120000" in str(refusal)


def test_content_is_hashed_a_block_at_a_time(tmp_path: Path) -> None:
    class Blocks(MemoryFolder):
        """Cannot hold a whole file."""

        def read(self, path: str) -> bytes:
            raise MemoryError(path)

        def read_range(self, path: str, start: int, stop: int) -> bytes:
            if stop - start > 8 << 20:
                raise MemoryError(path)
            return self.files[path][start:stop]

    for data in (b"", b"x", b"ab" * (9 << 20)):
        expected = hashlib.sha256(data).hexdigest()
        (tmp_path / "video.mp4").write_bytes(data)
        assert content_hash(Blocks({"video.mp4": data}), "video.mp4") == expected
        assert hash_of_file(tmp_path / "video.mp4") == expected == fingerprint_of(data, FileStat("", 0), "content")
    capture = Blocks({"031/images/0000/image_A.jpg": b"picture"})
    found = scan_subject(capture, "031", "content", Gha()).frames.fingerprint.tolist()
    assert found == [hashlib.sha256(b"picture").hexdigest()]
