from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from videos import read_stamp, stamps, write_video

from manifests.errors import InputFault
from manifests.storage import LocalFolder
from manifests.storage_memory import MemoryFolder
from matting_tasks.report_sources import UNREAD, read_mask, read_picture, read_video_frames


def jpeg(pixels: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()


def test_a_picture_passes_through_the_geometry() -> None:
    folder = MemoryFolder({"a.jpg": jpeg(np.full((32, 48, 3), 90, np.uint8))})
    assert read_picture(folder, "a.jpg").shape == (32, 48, 3)
    assert read_picture(folder, "a.jpg", "half").shape == (16, 24, 3)


def test_a_mask_is_one_channel() -> None:
    mask = read_mask(MemoryFolder({"m.jpg": jpeg(np.full((8, 8, 3), 255, np.uint8))}), "m.jpg")
    assert mask.shape == (8, 8) and mask.min() > 250


def test_what_is_not_there_may_be_there_later() -> None:
    with pytest.raises(InputFault, match="gone.jpg is not there") as caught:
        read_picture(MemoryFolder(), "gone.jpg")
    assert caught.value.status == UNREAD


def test_damage_is_said_and_stays() -> None:
    with pytest.raises(InputFault) as caught:
        read_picture(MemoryFolder({"a.jpg": b"no picture"}), "a.jpg")
    assert caught.value.status == "undecodable"


def test_frames_of_a_video_are_found_by_number(tmp_path: Path) -> None:
    write_video(tmp_path / "v.mp4", stamps(6))
    found = read_video_frames(LocalFolder(tmp_path), "v.mp4", [4, 1, 9])
    assert isinstance(found[1], np.ndarray) and isinstance(found[4], np.ndarray)
    assert (read_stamp(found[1]), read_stamp(found[4])) == (1, 4)
    assert isinstance(found[9], InputFault) and found[9].status == "short_video"


def test_a_video_in_a_store_is_copied_first(tmp_path: Path) -> None:
    write_video(tmp_path / "v.mp4", stamps(3))
    store = MemoryFolder({"v.mp4": (tmp_path / "v.mp4").read_bytes()})
    assert isinstance(read_video_frames(store, "v.mp4", [2])[2], np.ndarray)


def test_a_missing_video_is_told_for_each_frame(tmp_path: Path) -> None:
    found = read_video_frames(LocalFolder(tmp_path), "v.mp4", [0, 1])
    assert all(isinstance(one, InputFault) and one.status == UNREAD for one in found.values())
