"""Detection: a capture's layout is known by itself, named, or refused with what was expected and found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from manifests.errors import NotACapture, UsageError
from manifests.layouts.detect import find_layout, named_layout
from manifests.storage import LocalFolder
from manifests.storage_memory import MemoryFolder

Captures = Callable[..., MemoryFolder]

V2 = {"031/sequences/A+B/images/cam_1.mp4": b"", "036/sequences/A+B/images/cam_1.mp4": b""}
V1 = {"sequence_A+B_part-1/031/A+B/cam_1.mp4": b"", "camera_params/031/camera_params.json": b""}
ANY = {"031/cam_1/000001.png": b""}


def _found(files: dict[str, bytes], asked: str = "auto") -> tuple[str, list[str]]:
    layout, subjects = find_layout(MemoryFolder(files), asked)
    return layout.name, subjects


def test_layouts_are_recognised_by_themselves(make_capture: Captures) -> None:
    assert _found(make_capture().files) == ("gha", ["031"])
    assert _found(V2) == ("nersemble-v2", ["031", "036"])
    assert _found(V1) == ("nersemble-v1", ["031"])


def test_layouts_are_taken_as_they_are_named(make_capture: Captures) -> None:
    assert _found(make_capture().files, "gha")[0] == "gha"
    assert _found(V2, "nersemble")[0] == "nersemble-v2"
    assert _found(V1, "nersemble")[0] == "nersemble-v1"
    assert _found(ANY, "{subject}/cam_{camera}/{frame:06d}.png") == ("{subject}/cam_{camera}/{frame:06d}.png", ["031"])


@pytest.mark.parametrize("name", ["gha", "nersemble-v1", "nersemble-v2", "{subject}/{frame}.png"])
def test_the_name_that_a_manifest_keeps_gives_the_layout_back(name: str) -> None:
    assert named_layout(name).name == name


@pytest.mark.parametrize(
    ("asked", "files"), [("gha", V2), ("nersemble", {"031/images/0000/image_1.jpg": b""}), ("auto", ANY)]
)
def test_a_capture_in_another_layout_is_refused_with_what_is_expected_and_found(
    asked: str, files: dict[str, bytes]
) -> None:
    with pytest.raises(NotACapture, match=r"Expected[^$]*Found: the folders 031"):
        _found(files, asked)


def test_a_capture_in_two_layouts_is_refused_with_the_way_to_say_which(make_capture: Captures) -> None:
    both = {**make_capture().files, **V2}
    with pytest.raises(NotACapture, match="2 as nersemble-v2 and 1 as gha.*--layout nersemble-v2 or --layout gha"):
        _found(both)
    assert _found(both, "gha")[0] == "gha"


def test_subjects_are_the_folders_that_hold_pictures(make_capture: Captures) -> None:
    capture = make_capture(["036", "031"])
    for path in ("_cleanplate/root.json", ".git/images/x", "notes/readme.txt", "readme.txt"):
        capture.write_atomic(path, b"")
    assert find_layout(capture)[1] == ["031", "036"]


def test_subject_is_found_when_it_has_plates_only(make_capture: Captures) -> None:
    assert find_layout(make_capture(frames=[]))[1] == ["031"]


@pytest.mark.parametrize("kind", ["gha", "v2"])
def test_one_subject_is_refused_with_the_way_to_name_it(make_capture: Captures, kind: str) -> None:
    whole = make_capture().files if kind == "gha" else V2 | {"031/calibration/camera_params.json": b""}
    subject = MemoryFolder({path.removeprefix("031/"): data for path, data in whole.items() if path.startswith("031/")})
    with pytest.raises(NotACapture, match="--subjects"):
        find_layout(subject)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "Found: nothing"),
        ({"a.txt": b""}, "files without folders: a.txt"),
        ({"photos/a.jpg": b"", "b/c": b""}, "the folders b, photos"),
    ],
)
def test_other_folder_is_refused_with_what_was_found(files: dict[str, bytes], said: str) -> None:
    with pytest.raises(NotACapture, match=said):
        find_layout(MemoryFolder(files))


def test_folder_is_refused_when_it_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotACapture, match="no such folder[^$]*mounted"):
        find_layout(LocalFolder(tmp_path / "nowhere"))


@pytest.mark.parametrize(("asked", "plate"), [("nerf", ""), ("auto", "{camera}.png"), ("gha", "{camera}.png")])
def test_words_that_name_no_layout_and_plates_without_a_pattern_are_refused(asked: str, plate: str) -> None:
    with pytest.raises(UsageError, match="pattern"):
        find_layout(MemoryFolder(V2), asked, plate)


def test_each_folder_is_looked_into_once_while_layouts_are_tried() -> None:
    class Counting(MemoryFolder):
        def children(self, prefix: str = "") -> tuple[str, ...]:
            looked.append(prefix)
            return super().children(prefix)

    looked: list[str] = []
    find_layout(Counting(V2))
    assert sorted(looked) == ["", "031", "036"]
