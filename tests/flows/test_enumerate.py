from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from captures import copy_capture, make_tiny
from fakes import make_recipe
from nersemble_tree import SEQUENCES, RawTree, Stream, make_v1, make_v2, video_of

from flows.enumerate import enumerate_capture, enumerate_subject
from flows.listing import Listing
from flows.settings import EnumerateSettings
from flows.telling import Enumerated, tell
from manifests.errors import CaptureDiffers, NotACapture, NothingSelected, UsageError
from manifests.layouts.gha import Gha
from manifests.layouts.outputs import mask_paths
from manifests.manifest import frames_path, listed_subjects, read_manifest
from manifests.numbering import Span, read_numbering, settle_numbering
from manifests.root import Root, claim_root
from manifests.sharding import FrameTable
from manifests.storage import Folder, LocalFolder, open_folder
from manifests.storage_memory import MemoryFolder


def listing(rule: str) -> Listing:
    """List a capture in the gha layout."""
    return Listing(Gha(), rule, "source")


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
    first = enumerate_subject(capture, out, "031", listing("stat"))
    assert (first.n_frames, first.n_cameras, first.changes.added) == (60, 3, 63)
    assert len(capture.heads) == 6
    again = enumerate_subject(capture, out, "031", listing("stat"))
    assert not again.changes and len(capture.heads) == 6
    manifest = read_manifest(out, "031")
    assert manifest is not None and manifest.frames.width.max() == 64
    assert {(plate.width, plate.height) for plate in manifest.plates.values()} == {(64, 64)}


def test_enumerating_counts_what_was_added_changed_and_vanished(tmp_path: Path) -> None:
    root = make_tiny(tmp_path / "capture", n_frames=4)
    capture, out = LocalFolder(root), MemoryFolder()
    enumerate_subject(capture, out, "031", listing("stat"))
    (root / "031/images/0001/image_cam0.jpg").unlink()
    (root / "031/images/0002/image_cam0.jpg").write_bytes(b"other")
    (root / "031/images/0009").mkdir()
    (root / "031/images/0009/image_cam0.jpg").write_bytes(b"new")
    found = enumerate_subject(capture, out, "031", listing("stat"))
    assert (found.changes.added, found.changes.changed, found.changes.vanished) == (1, 1, 1)
    assert found.holes == {("", "cam0"): [1], ("", "cam1"): [9]}


def test_nothing_is_written_when_nothing_changed(tmp_path: Path) -> None:
    capture, out = LocalFolder(make_tiny(tmp_path / "capture")), MemoryFolder()
    enumerate_subject(capture, out, "031", listing("stat"))
    before = dict(out.files)
    enumerate_subject(capture, out, "031", listing("stat"))
    assert all(out.files[path] is data for path, data in before.items())


def test_a_subject_that_vanished_leaves_the_manifest(tmp_path: Path) -> None:
    root = make_tiny(tmp_path / "capture", ("031", "032"))
    capture, out = LocalFolder(root), MemoryFolder()
    list(enumerate_capture(capture, out, EnumerateSettings()))
    (root / "032").rename(tmp_path / "gone")
    found = {one.subject: one.changes.vanished for one in enumerate_capture(capture, out, EnumerateSettings())}
    assert found == {"031": 0, "032": 6} and listed_subjects(out) == ["031"]


def test_selected_subjects_leave_the_others_alone(tmp_path: Path) -> None:
    capture, out = LocalFolder(make_tiny(tmp_path / "capture", ("031", "032"))), MemoryFolder()
    list(enumerate_capture(capture, out, EnumerateSettings(subjects=["032"])))
    assert listed_subjects(out) == ["032"]
    with pytest.raises(NothingSelected, match="031, 032"):
        list(enumerate_capture(capture, out, EnumerateSettings(subjects=["033"])))


def test_a_damaged_manifest_is_made_again(tmp_path: Path) -> None:
    capture, out = LocalFolder(make_tiny(tmp_path / "capture")), MemoryFolder()
    enumerate_subject(capture, out, "031", listing("stat"))
    whole = out.files[frames_path("031")]
    out.files[frames_path("031")] = whole[: len(whole) // 2]
    assert enumerate_subject(capture, out, "031", listing("stat")).n_frames == 6
    assert out.files[frames_path("031")] == whole


def test_content_fingerprints_survive_a_copy(tmp_path: Path) -> None:
    root, out = make_tiny(tmp_path / "capture"), MemoryFolder()
    enumerate_subject(LocalFolder(root), out, "031", listing("content"))
    moved = copy_capture(root, tmp_path / "moved")
    [path.touch() for path in moved.rglob("*.jpg")]
    assert not enumerate_subject(LocalFolder(moved), out, "031", listing("content")).changes
    (moved / "031/images/0000/image_cam0.jpg").write_bytes(b"x")
    capture = LocalFolder(copy_capture(moved, tmp_path / "again"))
    with pytest.raises(CaptureDiffers, match="1 of its files changed"):
        enumerate_subject(capture, out, "031", listing("content"))


def test_a_capture_without_frames_is_refused(tmp_path: Path) -> None:
    (tmp_path / "031/images").mkdir(parents=True)
    with pytest.raises(NotACapture, match="no frame"):
        list(enumerate_capture(LocalFolder(tmp_path), MemoryFolder(), EnumerateSettings()))


def _list(capture: Folder, out: Folder, **settings: object) -> list[Enumerated]:
    return list(enumerate_capture(capture, out, EnumerateSettings(**settings)))  # type: ignore[arg-type]


def _table(out: Folder, subject: str = "031") -> FrameTable:
    manifest = read_manifest(out, subject)
    assert manifest is not None
    return manifest.frames


EMO, EXP = SEQUENCES
FIRST, SECOND, THIRD = RawTree().cameras
FAULTY = RawTree(
    mixed=True,
    no_plate=Stream("031", "", FIRST),
    short=Stream("031", EMO, SECOND),
    absent=Stream("036", EXP, THIRD),
    truncated=Stream("036", EMO, FIRST),
)


@pytest.mark.parametrize("make", [make_v1, make_v2])
def test_a_raw_download_is_listed_with_all_that_is_wrong_with_it(
    tmp_path: Path, make: Callable[[Path, RawTree], Path]
) -> None:
    out = MemoryFolder()
    first, second = _list(LocalFolder(make(tmp_path / "raw", FAULTY)), out)
    assert (first.subject, first.n_frames, first.n_cameras) == ("031", 2 * 3 * 12, 3)
    assert first.plate_faults == {FIRST: "missing"} and not first.holes
    assert {stream: str(fault) for stream, fault in first.video_faults.items()} == {(EMO, SECOND): "7 of 12"}
    assert second.holes == {(EXP, THIRD): list(range(12))}
    assert [fault.kind for fault in second.video_faults.values()] == ["unreadable", "absent"]
    manifest = read_manifest(out, "031")
    assert manifest is not None and manifest.calibration is not None
    assert manifest.calibration.path.endswith("camera_params.json")
    short = (manifest.frames.sequence == EMO) & (manifest.frames.camera == SECOND)
    assert set(manifest.frames.video_frames[short]) == {7} and set(manifest.frames.video_frames[~short]) == {12}
    assert set(manifest.frames.width) == {96} and {plate.width for plate in manifest.plates.values()} == {96, None}


def test_videos_are_probed_once_and_nothing_is_written_when_nothing_changed(tmp_path: Path) -> None:
    class Counting(MemoryFolder):
        def read_range(self, path: str, start: int, stop: int) -> bytes:
            ranges.append(path)
            return super().read_range(path, start, stop)

    root, ranges = make_v2(tmp_path / "raw", FAULTY), []
    files = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    capture, out = Counting(files), MemoryFolder()
    _list(capture, out, geometry="gha")
    assert len({path for path in ranges if path.endswith(".mp4")}) == 11
    before = dict(out.files)
    ranges.clear()
    assert not any(one.changes for one in _list(capture, out))
    assert ranges == [] and out.files.keys() == before.keys()
    assert all(out.files[path] is data for path, data in before.items())
    changed = f"031/sequences/{EMO}/images/cam_{SECOND}.mp4"
    capture.write_atomic(changed, video_of(15).read_bytes())
    assert _list(capture, out)[0].changes.changed == 1
    assert set(ranges) == {changed}
    assert (_table(out).video_frames == 15).sum() == 5 and len(_table(out)) == 3 * 5 + 3 * 4


def test_sequences_that_come_later_go_behind_those_that_have_numbers(tmp_path: Path) -> None:
    later = tmp_path / "later"
    root = make_v2(tmp_path / "raw", RawTree(subjects=("031",), n_cameras=2))
    (root / "031/sequences" / EMO).rename(later)
    capture, out = LocalFolder(root), MemoryFolder()
    _list(capture, out, geometry="gha")
    assert sorted(set(_table(out).frame.tolist())) == [0, 1, 2, 3]
    _claim(out, geometry="gha")
    later.rename(root / "031/sequences" / EMO)
    _list(capture, out)
    table = _table(out)
    assert [table.frame[table.sequence == sequence].tolist() for sequence in SEQUENCES] == [
        [4, 5, 6, 7] * 2,
        [0, 1, 2, 3] * 2,
    ]
    assert table.source_frame.tolist() == [0, 3, 6, 9] * 4


def _claim(out: Folder, capture_url: str = "/data", **recipe: object) -> None:
    """Make an output root one in which something was matted."""
    claim_root(out, Root(make_recipe(**recipe), capture_url, "stat"))


def test_sequences_are_numbered_in_sorted_order_until_something_was_matted(tmp_path: Path) -> None:
    later = tmp_path / "later"
    root = make_v2(tmp_path / "raw", RawTree(subjects=("031",), n_cameras=2))
    (root / "031/sequences" / EMO).rename(later)
    capture, out = LocalFolder(root), MemoryFolder()
    _list(capture, out, geometry="gha")
    later.rename(root / "031/sequences" / EMO)
    _list(capture, out)
    numbers = {sequence: _table(out).frame[_table(out).sequence == sequence].tolist() for sequence in SEQUENCES}
    assert numbers == {EMO: [0, 1, 2, 3] * 2, EXP: [4, 5, 6, 7] * 2}
    _claim(out, geometry="gha")
    before = dict(out.files)
    _list(capture, out)
    assert out.files == before


def test_numbers_that_another_listing_gives_meanwhile_are_in_the_manifest_as_well(tmp_path: Path) -> None:
    class Late(MemoryFolder):
        """Another run numbers the frames otherwise just before the manifest is written."""

        def write_atomic(self, path: str, data: bytes) -> None:
            if path == frames_path("031") and path not in self.files:
                settle_numbering(self, "031", {EXP: 4})
            super().write_atomic(path, data)

    out = Late()
    _list(LocalFolder(make_v2(tmp_path / "raw", RawTree(subjects=("031",), n_cameras=1))), out, geometry="gha")
    assert read_numbering(out, "031") == (Span(EXP, 0, 0, 4), Span(EMO, 0, 4, 4))
    assert _table(out).frame.tolist() == [4, 5, 6, 7, 0, 1, 2, 3]


@pytest.mark.parametrize(
    "output_layout",
    [
        "{subject}/masks/{frame:04d}.jpg",
        "{subject}/{camera}/alpha/{frame}.jpg",
        "masks/{subject}/{frame}.jpg",
        "beside",
    ],
)
def test_masks_in_the_capture_itself_are_no_frames(tmp_path: Path, output_layout: str) -> None:
    root, recipe = make_tiny(tmp_path / "capture", n_cameras=1), make_recipe(output_layout=output_layout)
    (root / "031/cam0").mkdir()
    for path in sorted(root.rglob("images/*/*.jpg")):
        path.rename(root / "031/cam0" / f"{path.parent.name}.jpg")
    capture = out = LocalFolder(root)
    layout = "{subject}/{camera}/{frame}.jpg"
    before = [one.n_frames for one in _list(capture, out, layout=layout)]
    _claim(out, capture.url, output_layout=output_layout)
    for frame in _table(out).frames(np.arange(before[0])):
        for mask in mask_paths(recipe, "031", "", "cam0", frame):
            out.write_atomic(mask, (root / frame.path).read_bytes())
    (found,) = _list(capture, out)
    assert found.n_frames == before[0] and not found.changes
    assert set(_table(out).camera) == {"cam0"} and listed_subjects(out) == ["031"]


def test_a_video_that_the_store_did_not_give_is_asked_for_again(tmp_path: Path) -> None:
    class Denying(MemoryFolder):
        """Denies one file."""

        denied = f"031/sequences/{EMO}/images/cam_{SECOND}.mp4"

        def read_range(self, path: str, start: int, stop: int) -> bytes:
            if path == self.denied:
                raise PermissionError(13, "Permission denied")
            return super().read_range(path, start, stop)

    root = make_v2(tmp_path / "raw", RawTree(subjects=("031",)))
    files = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    capture, out = Denying(files), MemoryFolder()
    for _ in range(2):
        (one,) = _list(capture, out)
        assert {stream: fault.kind for stream, fault in one.video_faults.items()} == {(EMO, SECOND): "unreadable"}
        told: list[str] = []
        tell([one], told.append, told.append)
        assert any(f"{capture.denied} could not be read" in line and "Permission denied" in line for line in told)
    capture.denied = ""
    (one,) = _list(capture, out)
    assert not one.video_faults and not one.unread and set(_table(out).video_frames) == {12}


def test_frames_without_subject_or_camera_are_listed_and_kept(tmp_path: Path) -> None:
    for name in ("frame_1.jpg", "frame_2.jpg", "plate.jpg"):
        cv2.imwrite(str(tmp_path / name), np.zeros((4, 6, 3), np.uint8))
    (tmp_path / "frame_x.jpg").write_bytes(b"")
    out = MemoryFolder()
    (one,) = _list(LocalFolder(tmp_path), out, layout="frame_{frame}.jpg", plate="plate.jpg")
    assert (one.subject, one.n_frames, one.plate_faults) == ("", 2, {})
    assert listed_subjects(out) == [""] and frames_path("") == "_cleanplate/manifest/%.parquet"
    assert not _list(LocalFolder(tmp_path), out)[0].changes


def test_a_pattern_that_finds_no_frame_or_no_plate_says_what_is_there(tmp_path: Path) -> None:
    capture = LocalFolder(make_tiny(tmp_path / "capture"))
    with pytest.raises(NotACapture, match=r"part 4 of --layout, im_\{camera\}.jpg, matches no file in 031/images/0000"):
        _list(capture, MemoryFolder(), layout="{subject}/images/{frame}/im_{camera}.jpg")
    with pytest.raises(UsageError, match="part 2 of --plate, plates, matches no folder in 031: the folders background"):
        layout = "{subject}/images/{frame}/image_{camera}.jpg"
        _list(capture, MemoryFolder(), layout=layout, plate="{subject}/plates/{camera}.jpg")


def test_a_folder_that_holds_nothing_of_a_pattern_gets_no_manifest(tmp_path: Path) -> None:
    root, out = make_tiny(tmp_path / "capture"), MemoryFolder()
    (root / "notes").mkdir()
    found = _list(LocalFolder(root), out, layout="{subject}/images/{frame}/image_{camera}.jpg")
    assert [one.n_frames for one in found] == [6, 0] and listed_subjects(out) == ["031"]


@pytest.mark.s3
@pytest.mark.parametrize("server", ["moto_s3", "rclone_s3"])
def test_a_raw_download_in_a_bucket_is_listed_with_few_requests(
    tmp_path: Path, server: str, request: pytest.FixtureRequest
) -> None:
    class Counting:
        """Passes all on and counts what is asked."""

        def __init__(self, folder: Folder) -> None:
            self._folder = folder
            self.asked: list[tuple[str, str]] = []

        def __getattr__(self, name: str) -> object:
            found = getattr(self._folder, name)
            if name not in ("list", "children", "read", "read_range", "copy_to", "read_with_stat"):
                return found
            return lambda path="", *rest: (self.asked.append((name, path)), found(path, *rest))[1]

    s3 = request.getfixturevalue(server)
    bucket, root = s3.new_bucket(), make_v2(tmp_path / "raw", FAULTY)
    folder = open_folder(f"{bucket}/raw data", s3.options)
    for path in root.rglob("*"):
        if path.is_file():
            folder.write_atomic(str(path.relative_to(root)), path.read_bytes())
    capture, out = Counting(folder), MemoryFolder()
    local = MemoryFolder()
    found = _list(capture, out)  # type: ignore[arg-type]
    assert [one.video_faults for one in found] == [one.video_faults for one in _list(LocalFolder(root), local)]
    assert [one.holes for one in found] == [{}, {(EXP, THIRD): list(range(12))}]
    assert _table(out).path.tolist() == _table(local).path.tolist()
    ranges = [path for name, path in capture.asked if name == "read_range"]
    listings = [(name, path) for name, path in capture.asked if name != "read_range"]
    assert len(ranges) == len(set(ranges)) == 11 + 5  # one block tells all of a small video
    assert sorted(listings) == sorted(
        [("children", ""), ("children", "031"), ("children", "036")]
        + [("list", f"{subject}/{below}") for subject in ("031", "036") for below in ("sequences", "calibration")]
    )
    capture.asked.clear()
    assert not any(one.changes for one in _list(capture, out))  # type: ignore[arg-type]
    assert len(capture.asked) == 7
