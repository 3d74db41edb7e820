from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Ended, cleanplate, matte, matte_by_rvm
from nersemble_tree import SEQUENCES, RawTree, Stream, make_v2
from output_roots import all_masks, changes, rows_of, touched

TREE = RawTree(("031",), n_cameras=3, n_frames=5, distinct=True)
LAUGH = SEQUENCES[0]
BARE = TREE.cameras[1]
BARE_TREE = RawTree(("031",), n_cameras=3, n_frames=5, distinct=True, no_plate=Stream("031", "", BARE))


def with_fallback(capture: Path, out: Path, weights: Path, *words: object) -> Ended:
    known = "--missing-plate", "rvm-mobilenetv3", "--missing-plate-weights", weights, "--warmup", 2
    return matte(capture, out, *known, *words)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_v2(tmp_path_factory.mktemp("raw") / "raw", BARE_TREE)


def test_only_cameras_without_a_plate_are_matted_by_the_other_model(
    raw: Path, tmp_path: Path, rvm_weights: Path
) -> None:
    ended = with_fallback(raw, tmp_path / "out", rvm_weights)
    assert ended.code == 0, ended.out + ended.err
    assert f"Without a plate, matted by rvm-mobilenetv3: 031/{BARE} (10 frames)" in ended.out
    for (_, camera, _), row in rows_of(tmp_path / "out").items():
        assert row.status == "ok"
        assert ("no plate: matted by rvm-mobilenetv3" in (row.note or "")) == (camera == BARE)

    assert matte(raw, tmp_path / "without").code == 3
    assert matte_by_rvm(raw, tmp_path / "rvm", rvm_weights).code == 0
    without, by_rvm = all_masks(tmp_path / "without"), all_masks(tmp_path / "rvm")
    assert all(BARE not in path for path in without) and len(set(by_rvm.values())) == len(by_rvm)
    wanted = without | {path: data for path, data in by_rvm.items() if BARE in path}
    assert all_masks(tmp_path / "out") == wanted

    before = touched(tmp_path / "out")
    again = with_fallback(raw, tmp_path / "out", rvm_weights)
    assert again.code == 0 and "Nothing to do" in again.out and f"031/{BARE}" in again.out
    assert touched(tmp_path / "out") == before


def test_a_plate_that_arrives_later_takes_its_camera_back(tmp_path: Path, rvm_weights: Path) -> None:
    capture, out = make_v2(tmp_path / "raw", TREE), tmp_path / "out"
    plate = capture / f"031/sequences/BACKGROUND/image_{BARE}.jpg"
    plate.rename(tmp_path / "plate.jpg")
    assert with_fallback(capture, out, rvm_weights).code == 0
    before = touched(out)
    (tmp_path / "plate.jpg").rename(plate)
    ended = with_fallback(capture, out, rvm_weights)
    assert ended.code == 0 and "Without a plate" not in ended.out
    assert all(BARE in path for path in changes(before, touched(out)))
    assert matte(capture, tmp_path / "wanted").code == 0
    assert all_masks(out) == all_masks(tmp_path / "wanted")
    assert {row.note for row in rows_of(out).values()} == {None}


def test_the_fallback_is_part_of_the_recipe(raw: Path, tmp_path: Path, rvm_weights: Path) -> None:
    assert matte(raw, tmp_path).code == 3
    refused = with_fallback(raw, tmp_path, rvm_weights)
    assert refused.code == 4 and "missing_plate" in refused.err
    ended = with_fallback(raw, tmp_path, rvm_weights, "--replace")
    assert ended.code == 0 and {row.status for row in rows_of(tmp_path).values()} == {"ok"}
    assert matte(raw, tmp_path).code == 4


def test_cameras_of_the_fallback_are_reprocessed_by_it(raw: Path, tmp_path: Path, rvm_weights: Path) -> None:
    assert with_fallback(raw, tmp_path, rvm_weights).code == 0
    before, masks = touched(tmp_path), all_masks(tmp_path)
    some = "--subject", "031", "--cameras", BARE, "--sequences", LAUGH, "--frames", "3:5", "--executor", "local"
    ended = cleanplate("reprocess", tmp_path, *some, "--missing-plate-weights", rvm_weights)
    assert ended.code == 0, ended.out + ended.err
    written = changes(before, touched(tmp_path))
    assert len(written) == 4 and all(LAUGH in path and BARE in path for path in written)
    assert all_masks(tmp_path) == masks
    assert "Nothing to do" in with_fallback(raw, tmp_path, rvm_weights).out


def test_a_fallback_that_needs_plates_is_refused(raw: Path, tmp_path: Path) -> None:
    refused = matte(raw, tmp_path, "--missing-plate", "mattingrefine-resnet50")
    assert refused.code == 2 and "rvm-mobilenetv3" in refused.err
    assert not (tmp_path / "_cleanplate/root.json").exists()


def test_reprocess_hears_what_is_said_of_the_memory_of_the_fallback(
    raw: Path, tmp_path: Path, rvm_weights: Path
) -> None:
    assert with_fallback(raw, tmp_path, rvm_weights).code == 0
    masks = all_masks(tmp_path)
    some = "--subject", "031", "--executor", "local", "--missing-plate-weights", rvm_weights
    assert cleanplate("reprocess", tmp_path, *some, "--warmup", 0).code == 0
    redone = {path for path, data in all_masks(tmp_path).items() if data != masks[path]}
    assert redone and all(BARE in path for path in redone)
    assert cleanplate("reprocess", tmp_path, *some, "--warmup", 2).code == 0
    assert all_masks(tmp_path) == masks


def test_reprocess_writes_the_masks_of_the_fallback_in_the_format_that_was_said(
    raw: Path, tmp_path: Path, rvm_weights: Path
) -> None:
    assert with_fallback(raw, tmp_path, rvm_weights, "--sequences", LAUGH).code == 0
    some = "--subject", "031", "--sequences", LAUGH, "--executor", "local", "--missing-plate-weights", rvm_weights
    assert cleanplate("reprocess", tmp_path, *some, "--format", "png").code == 0
    assert {(row.mask_path or "")[-4:] for row in rows_of(tmp_path).values()} == {".png"}
