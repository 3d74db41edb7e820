"""Cameras whose plate fails the check are left out of a run, and come back when it is mended or waived."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest
from captures import FRONT, copy_capture, make_synth, masks_below
from command_line import matte, matte_by_rvm

from manifests.ledger import read_receipts
from manifests.records import FrameRow
from manifests.storage import LocalFolder


@pytest.fixture(scope="module")
def relit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a capture of three cameras, the front one's plate being too bright."""
    faults = (f"relit:{FRONT}",)
    return make_synth(tmp_path_factory.mktemp("made") / "c", *faults, n_cameras=3, n_frames=3, size_px=128)


def statuses(out: Path) -> Counter[tuple[bool, str]]:
    return Counter((row.camera == FRONT, row.status) for row in rows(out))


def rows(out: Path) -> list[FrameRow]:
    return list(read_receipts(LocalFolder(out), "031"))


REJECTED = {(True, "plate_rejected"): 3, (False, "ok"): 6}


def test_its_frames_are_rows_and_all_other_cameras_go_on(relit: Path, tmp_path: Path) -> None:
    ended = matte(relit, tmp_path / "out")
    assert ended.code == 3
    assert statuses(tmp_path / "out") == REJECTED
    error = next(row.error for row in rows(tmp_path / "out") if row.error)
    assert "relit" in error and "limit 0.18" in error and "--check warn" in error
    assert not [path for path in masks_below(tmp_path / "out") if FRONT in path]
    again = matte(relit, tmp_path / "out")
    assert again.code == 3 and "Nothing to do" in again.out


def test_a_mended_plate_is_matted_without_a_word(relit: Path, tmp_path: Path) -> None:
    capture = copy_capture(relit, tmp_path / "c")
    matte(capture, tmp_path / "out")
    good = make_synth(tmp_path / "good", n_cameras=3, n_frames=1, size_px=128)
    shutil.copy(good / "031" / "background" / f"image_{FRONT}.jpg", capture / "031" / "background")
    assert matte(capture, tmp_path / "out").code == 0
    assert len([path for path in masks_below(tmp_path / "out") if FRONT in path]) == 6


@pytest.mark.parametrize("mode", ("warn", "off"))
def test_what_was_rejected_is_matted_where_the_check_is_waived(relit: Path, tmp_path: Path, mode: str) -> None:
    matte(relit, tmp_path / "out")
    ended = matte(relit, tmp_path / "out", "--check", mode)
    assert ended.code == 0 and "9" in ended.out
    assert ("relit" in ended.out) == (mode == "warn")
    assert len(masks_below(tmp_path / "out")) == 18
    assert matte(relit, tmp_path / "out").code == 0


def test_a_selection_comes_to_the_same_as_a_whole_run(relit: Path, tmp_path: Path) -> None:
    assert matte(relit, tmp_path / "out", "--cameras", FRONT, "--frames", "0:1").code == 3
    assert matte(relit, tmp_path / "out").code == 3
    assert statuses(tmp_path / "out") == REJECTED


def test_a_model_without_plates_is_not_kept_back(relit: Path, tmp_path: Path, rvm_weights: Path) -> None:
    ended = matte_by_rvm(relit, tmp_path / "out", rvm_weights, "--cameras", FRONT)
    assert ended.code == 0 and "relit" not in ended.out
