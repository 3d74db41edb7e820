from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from videos import cut, write_video

from manifests.storage import LocalFolder
from manifests.storage_memory import MemoryFolder
from matting_tasks.evaluating import Folders, Rules, Scored, score_pairs
from matting_tasks.pairs import PRED_PREFIXES, TRIMAP_PREFIXES, TRUE_PREFIXES, entries_of, match

LEVELS = (0, 128, 128)
TRUTHS = (0, 64, 192)


def write(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), values)


def gray(level: int, height: int = 8, width: int = 8) -> np.ndarray:
    return np.full((height, width), level, np.uint8)


def scored(pred: Path, true: Path, rules: Rules | None = None, trimap: Path | None = None) -> list[Scored]:
    def listed(root: Path, prefixes: tuple[str, ...]) -> list[object]:
        return entries_of((stat.path for stat in LocalFolder(root).list()), prefixes)  # type: ignore[return-value]

    trimaps = None if trimap is None else listed(trimap, TRIMAP_PREFIXES)
    matched = match(listed(pred, PRED_PREFIXES), listed(true, TRUE_PREFIXES), trimaps)  # type: ignore[arg-type]
    folders = Folders(LocalFolder(pred), LocalFolder(true), None if trimap is None else LocalFolder(trimap))
    return list(score_pairs(matched, folders, rules or Rules()))


def test_a_clip_of_pictures_has_dtssd_from_its_second_frame_on(tmp_path: Path) -> None:
    # 8-bit levels 0, 128, 128 against 0, 64, 192: changes of 64 / 255 and -128 / 255, x 100.
    for place, (level, truth) in enumerate(zip(LEVELS, TRUTHS, strict=True)):
        write(tmp_path / f"pred/clip/{place}.png", gray(level))
        write(tmp_path / f"true/clip/{place}.png", gray(truth))
    found = scored(tmp_path / "pred", tmp_path / "true")
    assert [one.scores["whole"].dtssd for one in found] == [None, pytest.approx(6400 / 255), pytest.approx(12800 / 255)]
    assert [one.scores["whole"].mad for one in found] == [0, pytest.approx(64e3 / 255), pytest.approx(64e3 / 255)]


def test_a_frame_that_cannot_be_read_breaks_the_clip_and_is_named(tmp_path: Path) -> None:
    for place in range(4):
        write(tmp_path / f"pred/{place}.png", gray(place))
        write(tmp_path / f"true/{place}.png", gray(place))
    cut(tmp_path / "pred/1.png", 40)
    found = scored(tmp_path / "pred", tmp_path / "true")
    assert [one.fault is None for one in found] == [True, False, True, True]
    assert "1.png" in str(found[1].fault) and "truncated" in str(found[1].fault)
    assert [one.scores["whole"].dtssd for one in found if not one.fault] == [None, None, 0]


def test_two_sizes_are_a_row_that_names_both(tmp_path: Path) -> None:
    write(tmp_path / "pred/a.png", gray(1))
    write(tmp_path / "true/a.png", gray(1, 9, 16))
    (one,) = scored(tmp_path / "pred", tmp_path / "true")
    assert "8x8 and 16x9" in str(one.fault) and not one.scores


def test_known_and_unknown_pixels_are_split(tmp_path: Path) -> None:
    # The right half is unknown and wrong by 51 / 255 = 0.2, the left half is right.
    matte, trimap = gray(0), gray(0)
    matte[:, 4:], trimap[:, 4:] = 51, 128
    write(tmp_path / "pred/a.png", matte)
    write(tmp_path / "true/a.png", gray(0))
    write(tmp_path / "trimaps/trimap_a.png", trimap)
    (one,) = scored(tmp_path / "pred", tmp_path / "true", trimap=tmp_path / "trimaps")
    assert list(one.scores) == ["unknown", "known", "whole"]
    mads = [one.scores[name].mad for name in one.scores]
    assert mads == [pytest.approx(200), 0, pytest.approx(100)]


def test_the_unknown_region_may_be_made_of_the_truth(tmp_path: Path) -> None:
    truth = gray(0)
    truth[:, 4:] = 255
    matte = truth.copy()
    matte[:, 3] = 51  # beside the edge; the band of radius 1 is columns 3 and 4: half of its pixels are wrong by 0.2
    write(tmp_path / "pred/a.png", matte)
    write(tmp_path / "true/a.png", truth)
    (one,) = scored(tmp_path / "pred", tmp_path / "true", Rules(unknown_px=1))
    assert one.scores["unknown"].mad == pytest.approx(100) and one.scores["known"].mad == 0


def test_videos_are_compared_frame_by_frame(tmp_path: Path) -> None:
    for folder, levels in (("pred", LEVELS), ("true", TRUTHS)):
        (tmp_path / folder).mkdir()
        pictures = (np.repeat(gray(level, 32, 32)[:, :, None], 3, axis=2) for level in levels)
        write_video(tmp_path / folder / "alpha.mkv", pictures, "ffv1", pix_fmt="gray")
    found = scored(tmp_path / "pred", tmp_path / "true")
    assert [one.name for one in found] == ["alpha#0", "alpha#1", "alpha#2"]
    assert [one.scores["whole"].dtssd for one in found] == [None, pytest.approx(6400 / 255), pytest.approx(12800 / 255)]


def test_a_video_that_is_shorter_than_its_truth_says_so(tmp_path: Path) -> None:
    pictures = [np.repeat(gray(level, 32, 32)[:, :, None], 3, axis=2) for level in LEVELS]
    (tmp_path / "pred").mkdir()
    write_video(tmp_path / "pred/clip.mkv", pictures[:2], "ffv1", pix_fmt="gray")
    for place, level in enumerate(LEVELS):
        write(tmp_path / f"true/clip/{place}.png", gray(level, 32, 32))
    found = scored(tmp_path / "pred", tmp_path / "true")
    assert [one.fault for one in found[:2]] == [None, None]
    assert len(found) == 3 and "matte" in str(found[2].fault) and "after 2 frames" in str(found[2].fault)


def test_a_file_that_is_no_video_is_named(tmp_path: Path) -> None:
    for folder in ("pred", "true"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "clip.mp4").write_bytes(b"no video at all")
    (one,) = scored(tmp_path / "pred", tmp_path / "true")
    assert one.name == "clip" and one.fault


def test_a_store_other_than_a_disk_is_read_too(tmp_path: Path) -> None:
    folder = MemoryFolder()
    folder.write_atomic("a.png", cv2.imencode(".png", gray(51))[1].tobytes())
    video = [np.repeat(gray(level, 32, 32)[:, :, None], 3, axis=2) for level in LEVELS]
    folder.write_atomic("v.mkv", write_video(tmp_path / "v.mkv", video, "ffv1", pix_fmt="gray").read_bytes())
    entries = entries_of((stat.path for stat in folder.list()), PRED_PREFIXES)
    found = list(score_pairs(match(entries, entries), Folders(folder, folder), Rules()))
    assert [one.name for one in found] == ["a.png".removesuffix(".png"), "v#0", "v#1", "v#2"]
    assert all(one.fault is None and one.scores["whole"].mad == 0 for one in found)
