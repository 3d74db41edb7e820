"""Layouts by pattern: what belongs to a subject, with few listings, and what a pattern that fails says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from manifests.capture import scan_subject
from manifests.errors import NotACapture
from manifests.layouts.base import Found
from manifests.layouts.detect import find_layout
from manifests.layouts.template import Template
from manifests.records import FileStat
from manifests.storage_memory import MemoryFolder

RIG = "{subject}/{sequence}/cam_{camera}/{frame:06d}.png"
PLATES = "{subject}/plates/{camera}.png"


class Counting(MemoryFolder):
    """Counts listings."""

    def __init__(self, *paths: str) -> None:
        super().__init__(dict.fromkeys(paths, b""))
        self.listed: list[str] = []

    def list(self, prefix: str = "") -> Iterator[FileStat]:
        self.listed.append(prefix)
        return super().list(prefix)


def _roles(layout: Template, capture: MemoryFolder, subject: str) -> dict[str, Found]:
    return {stat.path: found for found, stat in layout.files(capture, subject)}


def test_frames_and_plates_of_a_subject_come_from_one_listing() -> None:
    capture = Counting(
        "031/A+B/cam_1/000007.png",
        "031/A+B/cam_1/mask_000007.png",
        "031/plates/1.png",
        "031/A+B/cam_1/7.png",
        "0310/A+B/cam_1/000007.png",
        "_cleanplate/x/cam_1/000001.png",
        ".hidden/x/cam_1/000001.png",
    )
    layout = Template(RIG, PLATES)
    assert layout.subjects(capture) == ["031", "0310"]
    assert _roles(layout, capture, "031") == {
        "031/A+B/cam_1/000007.png": Found("frame", "A+B", "1", 7),
        "031/A+B/cam_1/mask_000007.png": Found("mask", "A+B", "1", 7),
        "031/plates/1.png": Found("plate", "", "1"),
    }
    assert capture.listed == ["031"]


def test_folders_of_frames_and_plates_are_listed_apart_when_neither_holds_the_other() -> None:
    capture = Counting("x/031/a/1.jpg", "x/031/a/other.txt", "y/p_031/1.jpg")
    layout = Template("x/{subject}/{camera}/{frame}.jpg", "y/p_{subject}/{camera}.jpg")
    assert {found.role for found in _roles(layout, capture, "031").values()} == {"frame", "plate"}
    assert sorted(capture.listed) == ["x/031", "y/p_031"]


def test_all_is_listed_once_when_subjects_have_no_folder_of_their_own() -> None:
    capture = Counting("in/a/s1_0.png", "in/a/s2_0.png", "in/b/s1_1.png", "in/b/x.png", "plates/s1.png")
    layout = Template("in/{camera}/{subject}_{frame}.png", "plates/{subject}.png")
    assert layout.subjects(capture) == ["s1", "s2"]
    assert [len(_roles(layout, capture, subject)) for subject in ("s1", "s2")] == [3, 1]
    assert sorted(capture.listed) == ["in", "plates"]


def test_fields_that_a_pattern_lacks_are_one_empty_name() -> None:
    capture = MemoryFolder(dict.fromkeys(["frame_1.jpg", "frame_2.jpg", "plate.png", "_cleanplate/frame_3.jpg"], b""))
    layout, subjects = find_layout(capture, "frame_{frame}.jpg", "plate.png")
    assert subjects == [""]
    scanned = scan_subject(capture, "", "stat", layout)
    assert (scanned.frames.subject, set(scanned.frames.camera), scanned.frames.frame.tolist()) == ("", {""}, [1, 2])
    assert scanned.plates[""].path == "plate.png"


def test_a_plate_without_a_camera_or_a_subject_is_everyones() -> None:
    capture = MemoryFolder(dict.fromkeys(["s/a/0.png", "s/b/0.png", "t/a/0.png", "plate.png"], b""))
    layout = Template("{subject}/{camera}/{frame}.png", "plate.png")
    for subject, cameras in (("s", {"a", "b"}), ("t", {"a"})):
        plates = scan_subject(capture, subject, "stat", layout).plates
        assert {camera: plate.path for camera, plate in plates.items()} == dict.fromkeys(cameras, "plate.png")


def test_videos_are_found_by_a_pattern_without_frames() -> None:
    capture = MemoryFolder(dict.fromkeys(["s/take+1/left.mov", "s/take+1/left.mp4"], b"1"))
    videos = scan_subject(capture, "s", "stat", Template("{subject}/{sequence}/{camera}.mov")).videos
    assert [(video.sequence, video.camera, video.stat.path) for video in videos] == [
        ("take+1", "left", "s/take+1/left.mov")
    ]


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("{subject}/takes/{camera}/{frame}.png", "part 2 of --layout, takes, matches no folder in 031: the folders A"),
        ("{subject}/{sequence}/c{camera}x/{frame}.png", r"part 3 of .*in 031/A: the folders cam_1, cam_2"),
        (
            "{subject}/{sequence}/cam_{camera}/{frame:08d}.png",
            r"part 4 of --layout, \{frame:08d\}.png, matches no file in 031/A/cam_1: the files 000001.png, 000002.png",
        ),
        ("{subject}/{sequence}/{frame}.png", "no file in 031/A: only files deeper down, cam_1/000001.png"),
        ("x/{frame}.png", "part 1 of --layout, x, matches no folder in memory://: the folders 031"),
        ("{subject}/{sequence}/{subject}/{frame}.png", "appears twice differs"),
    ],
)
def test_a_pattern_that_matches_nothing_says_which_part_failed_and_what_is_there(pattern: str, said: str) -> None:
    paths = ["031/A/cam_1/000001.png", "031/A/cam_1/000002.png", "031/A/cam_2/000001.png"]
    layout = Template(pattern)
    with pytest.raises(NotACapture, match=said):
        capture = MemoryFolder(dict.fromkeys(paths, b""))
        find_layout(capture, pattern)
        raise NotACapture(layout.found_instead(capture))


def test_a_pattern_for_files_without_folders_says_what_is_there() -> None:
    with pytest.raises(NotACapture, match=r"part 1 of --layout, im_\{frame\}.png.*memory://: the files frame_0.png"):
        find_layout(MemoryFolder({"frame_0.png": b""}), "im_{frame}.png")


def test_plates_that_are_not_found_say_which_part_failed() -> None:
    capture = MemoryFolder(dict.fromkeys(["031/A/cam_1/000001.png", "031/plate/1.png"], b""))
    assert "part 2 of --plate, plates, matches no folder in 031" in Template(RIG, PLATES).plates_instead(capture)


def test_a_plate_with_a_number_for_a_name_is_no_frame() -> None:
    paths = "031/222200037/5.png", "031/plates/222200037.png"
    layout = Template("{subject}/{camera}/{frame}.png", PLATES)
    expected = {paths[0]: Found("frame", "", "222200037", 5), paths[1]: Found("plate", "", "222200037")}
    assert _roles(layout, Counting(*paths), "031") == expected
    by_listing = Template("{camera}/{frame}.png", "plates/{camera}.png")
    capture = Counting("222200037/5.png", "plates/222200037.png")
    assert [found.role for found in _roles(by_listing, capture, "").values()] == ["frame", "plate"]


def test_a_frame_is_no_plate_where_its_pattern_says_more() -> None:
    layout = Template("{subject}/{camera}_{frame}.png", "{subject}/{camera}.png")
    expected = {"031/a_0001.png": Found("frame", "", "a", 1), "031/a.png": Found("plate", "", "a")}
    assert _roles(layout, Counting(*expected), "031") == expected
