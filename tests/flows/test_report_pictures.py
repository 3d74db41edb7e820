from __future__ import annotations

import cv2
import numpy as np
import pytest
from captures import make_tiny
from qc_tables import qc_frames

from flows.report_pictures import Sources, open_sources, read_pairs, write_pictures
from manifests.capture import scan_subject
from manifests.errors import InputFault
from manifests.layouts.gha import Gha
from manifests.manifest import Manifest
from manifests.pages import pictures_folder
from manifests.qc import QcFrames
from manifests.storage import LocalFolder
from matting_tasks.report_pictures import VIEWS

CAMERAS = ("cam0", "cam1")


@pytest.fixture
def frames() -> QcFrames:
    return qc_frames("031", CAMERAS, n_frames=3)


@pytest.fixture
def sources(tmp_path, frames: QcFrames) -> Sources:
    make_tiny(tmp_path)
    folder = LocalFolder(tmp_path)
    scanned = scan_subject(folder, "031", "stat", Gha())
    mask = cv2.imencode(".jpg", np.full((64, 64, 3), 200, np.uint8))[1].tobytes()
    for path in frames.mask_path:
        folder.write_atomic(path, mask)
    return open_sources(folder, Manifest(scanned.frames, scanned.plates, str(tmp_path), "stat", "gha"), "native", {})


def test_all_views_of_a_frame_are_written_and_linked(sources: Sources, frames: QcFrames) -> None:
    first, second = write_pictures(sources, frames, [4, 0])
    assert (first.row, second.row) == (4, 0) and tuple(first.views) == VIEWS and first.missing == {}
    assert first.size == (64, 64) and first.is_final
    for url in first.views.values():
        assert sources.out.read(f"_cleanplate/report/{url.removeprefix('../')}")[:4] == b"RIFF"
    assert first.links[0] == ("mask", "../../../031/images/0001/mask_cam1.jpg", "031/images/0001/mask_cam1.jpg")
    assert dict((what, href) for what, href, _ in first.links)["frame"] == "../../../031/images/0001/image_cam1.jpg"


def test_pictures_that_are_no_longer_shown_are_deleted(sources: Sources, frames: QcFrames) -> None:
    write_pictures(sources, frames, [0, 4])
    write_pictures(sources, frames, [1])
    left = [stat.path for stat in sources.out.list(pictures_folder("031"))]
    assert len(left) == len(VIEWS) and all("_cam0_1_" in path for path in left)


def test_a_missing_frame_leaves_the_mask_and_says_why(sources: Sources, frames: QcFrames) -> None:
    sources.out.delete(["031/images/0000/image_cam0.jpg"])
    (one,) = write_pictures(sources, frames, [0])
    assert tuple(one.views) == ("mask",) and "is not there" in one.missing["frame"] and not one.is_final


def test_a_missing_plate_takes_away_the_difference_only(sources: Sources, frames: QcFrames) -> None:
    sources.out.delete(["031/background/image_cam0.jpg"])
    (one,) = write_pictures(sources, frames, [0])
    assert set(VIEWS) - set(one.views) == {"difference"} and "no plate" in one.missing["difference"]


def test_a_frame_that_was_not_matted_shows_its_picture(sources: Sources, frames: QcFrames) -> None:
    frames.mask_path[0], frames.status[0] = "", "plate_rejected"
    (one,) = write_pictures(sources, frames, [0])
    assert set(one.views) == {"frame", "difference"} and "plate rejected" in one.missing["checker"] and one.is_final


def test_a_mask_of_another_size_is_named(sources: Sources, frames: QcFrames) -> None:
    small = cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
    sources.out.write_atomic(frames.mask_path[0], small)
    (one,) = write_pictures(sources, frames, [0])
    assert "frame" in one.views and "8x8" in one.missing["checker"]


def test_without_a_manifest_the_reason_stands_in_place_of_pictures(sources: Sources, frames: QcFrames) -> None:
    alone = open_sources(sources.out, None, "native", {})
    (one,) = write_pictures(alone, frames, [0])
    assert tuple(one.views) == ("mask",) and "not in the manifest" in one.missing["frame"]


def test_pairs_are_frames_and_masks_of_the_same_row(sources: Sources, frames: QcFrames) -> None:
    sources.out.delete([frames.mask_path[1]])
    pairs = read_pairs(sources, frames, [0, 1])
    assert pairs[0][0].shape == (64, 64, 3) and pairs[0][1].shape == (64, 64)
    assert isinstance(pairs[1][1], InputFault)
