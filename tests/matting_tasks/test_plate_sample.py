from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from captures import FRONT, make_synth, make_tiny
from nersemble_tree import SEQUENCES, RawTree, make_v2

from flows.enumerate import enumerate_capture
from flows.settings import EnumerateSettings
from manifests.capture import scan_subject
from manifests.layouts.gha import Gha
from manifests.manifest import read_manifest
from manifests.storage import Folder, LocalFolder
from manifests.storage_memory import MemoryFolder
from matting_tasks.plate_check import View
from matting_tasks.plate_sample import N_SAMPLED, Sampled, sample_views


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_synth(tmp_path_factory.mktemp("made") / "c", n_cameras=2, n_frames=6, size_px=128)


def held(root: Path) -> MemoryFolder:
    """Return a capture in memory, to change what lies there."""
    files = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    return MemoryFolder(files)


def sampled(folder: MemoryFolder | LocalFolder, subject: str = "031") -> dict[str, Sampled]:
    scanned = scan_subject(folder, subject, "size", Gha())
    return {one.camera: one for one in sample_views(folder, scanned.frames, scanned.plates)}


def test_every_camera_has_a_view_of_a_few_frames(capture: Path) -> None:
    views = sampled(LocalFolder(capture))
    assert FRONT in views and len(views) == 2
    view = views[FRONT].view
    assert view is not None and len(view.frames) == N_SAMPLED
    assert view.plate.shape == view.frames[0].shape == (256, 256, 3)
    assert view.visible is not None and not view.visible[:, 0].any() and view.visible[:, 128].all()


def test_the_sample_is_the_same_every_time(capture: Path) -> None:
    one, other = sampled(LocalFolder(capture))[FRONT].view, sampled(LocalFolder(capture))[FRONT].view
    assert one is not None and other is not None
    assert all(np.array_equal(a, b) for a, b in zip(one.frames, other.frames, strict=True))


def test_a_damaged_frame_is_passed_over(capture: Path) -> None:
    folder = held(capture)
    for number in (0, 3):
        path = f"031/images/{number:04d}/image_{FRONT}.jpg"
        folder.files[path] = folder.files[path][:500]
    view = sampled(folder)[FRONT].view
    assert view is not None and 1 <= len(view.frames) < N_SAMPLED


def test_a_plate_that_is_cut_off_is_named(capture: Path) -> None:
    folder = held(capture)
    path = f"031/background/image_{FRONT}.jpg"
    folder.files[path] = folder.files[path][:-200]
    assert "truncated" in (sampled(folder)[FRONT].plate_fault or "")


def test_a_camera_without_a_plate_is_not_looked_at(capture: Path) -> None:
    folder = held(capture)
    del folder.files[f"031/background/image_{FRONT}.jpg"]
    assert FRONT not in sampled(folder)


def test_frames_of_another_size_are_not_compared(capture: Path, tmp_path: Path) -> None:
    folder, larger = held(capture), make_synth(tmp_path / "l", n_cameras=1, n_frames=1, size_px=160)
    path = f"031/background/image_{FRONT}.jpg"
    folder.files[path] = (larger / path).read_bytes()
    assert sampled(folder)[FRONT].view is None


def test_very_small_pictures_are_not_judged(tmp_path: Path) -> None:
    assert all(one.view is None for one in sampled(LocalFolder(make_tiny(tmp_path))).values())


class Refusing(MemoryFolder):
    """Give no plates."""

    def read(self, path: str) -> bytes:
        if "background" in path:
            raise PermissionError(13, "denied", path)
        return super().read(path)


def test_a_file_that_the_store_does_not_give_is_said(capture: Path) -> None:
    assert "denied" in (sampled(Refusing(held(capture).files))[FRONT].unread or "")


def test_a_plate_that_vanished_leaves_no_view(capture: Path) -> None:
    folder = held(capture)
    scanned = scan_subject(folder, "031", "size", Gha())
    gone = {FRONT: replace(scanned.plates[FRONT], path="031/background/gone.jpg")}
    (one,) = sample_views(folder, scanned.frames, gone)
    assert one == Sampled(FRONT)


@pytest.mark.parametrize("sequences", (SEQUENCES[:1], ("A", "B", "C", "D", "E")))
def test_frames_of_videos_are_sampled(tmp_path: Path, sequences: tuple[str, ...]) -> None:
    root = make_v2(tmp_path / "c", RawTree(("031",), sequences, n_cameras=1, size=(160, 112)))
    for capture in (LocalFolder(root), held(root)):  # from the disk, and from a copy
        view = of_video(capture)
        assert view is not None and len(view.frames) == N_SAMPLED and view.height_over_width == 160 / 112


def of_video(capture: Folder) -> View | None:
    books = MemoryFolder()
    assert list(enumerate_capture(capture, books, EnumerateSettings()))
    manifest = read_manifest(books, "031")
    assert manifest is not None
    (one,) = sample_views(capture, manifest.frames, manifest.plates)
    return one.view
