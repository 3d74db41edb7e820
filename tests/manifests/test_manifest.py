"""The manifest: written whole, read back, compared, and honest about plates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.capture import scan_subject
from manifests.errors import SchemaUnknown
from manifests.layouts.gha import Gha
from manifests.manifest import (
    Changes,
    Manifest,
    compare,
    drop_manifest,
    frames_path,
    keep_probed,
    listed_subjects,
    read_manifest,
    write_manifest,
)
from manifests.sharding import FrameTable
from manifests.storage import LocalFolder
from manifests.storage_memory import MemoryFolder

Captures = Callable[..., MemoryFolder]


def _scanned(capture: MemoryFolder, subject: str = "031") -> Manifest:
    scanned = scan_subject(capture, subject, "size", Gha())
    return Manifest(scanned.frames, scanned.plates, "/data", "size", "gha")


def test_manifest_is_read_as_it_was_written(make_capture: Captures, tmp_path: Path) -> None:
    out, manifest = LocalFolder(tmp_path), _scanned(make_capture())
    write_manifest(out, manifest)
    read = read_manifest(out, "031")
    assert read is not None
    assert read.subject == "031"
    assert read.frames.path.tolist() == manifest.frames.path.tolist()
    assert read.frames.fingerprint.tolist() == manifest.frames.fingerprint.tolist()
    assert read.plates == manifest.plates
    assert (read.capture_url, read.fingerprint_rule, read.layout) == ("/data", "size", "gha")
    assert not compare(read, manifest)


def test_manifest_is_none_when_there_is_none_or_it_was_dropped(make_capture: Captures) -> None:
    out = MemoryFolder({"031/images/0000/mask_A.jpg": b""})
    assert read_manifest(out, "031") is None
    write_manifest(out, _scanned(make_capture()))
    drop_manifest(out, "031")
    assert read_manifest(out, "031") is None
    assert list(out.files) == ["031/images/0000/mask_A.jpg"]


def test_manifest_is_not_there_when_its_writer_died_between_the_two_files(make_capture: Captures) -> None:
    class Dying(MemoryFolder):
        def write_atomic(self, path: str, data: bytes) -> None:
            if self.files:
                raise KeyboardInterrupt
            super().write_atomic(path, data)

    out = Dying()
    with pytest.raises(KeyboardInterrupt):
        write_manifest(out, _scanned(make_capture()))
    assert len(out.files) == 1
    assert read_manifest(out, "031") is None
    assert listed_subjects(out) == []


def test_manifest_is_refused_by_its_name_when_it_is_damaged(make_capture: Captures) -> None:
    out = MemoryFolder()
    write_manifest(out, _scanned(make_capture()))
    out.write_atomic(frames_path("031"), b"PAR1")
    with pytest.raises(SchemaUnknown, match=r"031\.parquet"):
        read_manifest(out, "031")


@given(st.sets(st.text(st.characters(exclude_categories=["Cs"]), max_size=80), min_size=1, max_size=4))
def test_listed_subjects_are_those_written_whatever_their_names(
    make_table: Callable[..., FrameTable], subjects: set[str]
) -> None:
    out = MemoryFolder()
    for subject in subjects:
        write_manifest(out, Manifest(make_table([("", "A", 0)], subject), {}, "/data", "size", "gha"))
    assert listed_subjects(out) == sorted(subjects)
    for subject in subjects:
        read = read_manifest(out, subject)
        assert read is not None
        assert read.subject == subject


def test_manifests_are_apart_when_a_subject_is_named_like_the_plates_of_another(make_capture: Captures) -> None:
    out, capture = MemoryFolder(), make_capture(["031", "031.plates"])
    for subject in ("031", "031.plates"):
        write_manifest(out, _scanned(capture, subject))
    assert listed_subjects(out) == ["031", "031.plates"]


def test_all_is_added_when_there_was_no_manifest(make_capture: Captures) -> None:
    assert compare(None, _scanned(make_capture())) == Changes(added=8)
    assert compare(None, _scanned(MemoryFolder())) == Changes()


def test_changes_are_counted_when_files_came_changed_and_went(make_capture: Captures) -> None:
    capture = make_capture()
    before = _scanned(capture)
    capture.delete(["031/images/0000/image_A.jpg", "031/images/0001/image_A.jpg", "031/background/image_B.jpg"])
    capture.write_atomic("031/images/0002/image_A.jpg", b"another picture")
    capture.write_atomic("031/background/image_A.jpg", b"another plate")
    capture.write_atomic("031/images/0002/visible_A.jpg", b"seen")
    changes = compare(before, _scanned(capture))
    assert changes == Changes(added=1, changed=2, vanished=3)
    assert changes


def test_change_of_a_visible_picture_is_counted(make_capture: Captures) -> None:
    capture = make_capture()
    capture.write_atomic("031/images/0000/visible_A.jpg", b"one")
    before = _scanned(capture)
    capture.write_atomic("031/images/0000/visible_A.jpg", b"three")
    assert compare(before, _scanned(capture)) == Changes(changed=1)


def test_changes_add_up_over_subjects() -> None:
    assert Changes(1, 2, 3) + Changes(10, 0, 1) == Changes(11, 2, 4)
    assert not Changes()


def test_probed_sizes_stay_when_files_did_not_change_only(make_capture: Captures) -> None:
    capture = make_capture(cameras="A")
    old = _scanned(capture)
    widths = np.array([100, 101, 102], dtype=np.int32)
    plate = replace(old.plates["A"], status="unreadable")
    old = replace(old, frames=replace(old.frames, width=widths, height=widths + 100), plates={"A": plate})
    capture.write_atomic("031/images/0001/image_A.jpg", b"another picture")
    kept = keep_probed(scan_subject(capture, "031", "size", Gha()), old)
    assert kept.frames.width.tolist() == [100, 0, 102]
    assert kept.frames.height.tolist() == [200, 0, 202]
    assert kept.plates["A"].status == "unreadable"
    capture.write_atomic("031/background/image_A.jpg", b"another plate")
    assert keep_probed(scan_subject(capture, "031", "size", Gha()), old).plates["A"].status == "ok"


def test_probed_sizes_are_unknown_when_there_was_no_manifest(make_capture: Captures) -> None:
    scanned = scan_subject(make_capture(cameras="A"), "031", "size", Gha())
    assert keep_probed(scanned, None).frames.width.tolist() == [0, 0, 0]
    empty = scan_subject(MemoryFolder(), "031", "size", Gha())
    assert len(keep_probed(empty, _scanned(make_capture())).frames) == 0
