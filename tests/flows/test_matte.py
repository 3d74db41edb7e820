from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from captures import FRONT, copy_capture, make_synth, make_tiny, masks_below
from command_line import cleanplate, matte

from manifests.ledger import read_receipts
from manifests.storage import LocalFolder, open_folder


@pytest.fixture(scope="module")
def synth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_synth(tmp_path_factory.mktemp("synth"), n_cameras=4, n_frames=3, size_px=128)


def files_below(root: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in root.rglob("*") if path.is_file()}


def statuses(out: Path, subject: str = "031") -> dict[tuple[str, int], str]:
    rows = read_receipts(LocalFolder(out), subject)
    last = {(row.camera, row.frame): row for row in sorted(rows, key=lambda row: row.decision)}
    return {key: row.status for key, row in last.items()}


def test_matte_writes_a_full_and_a_lowres_mask_of_every_frame(synth: Path, tmp_path: Path) -> None:
    ended = matte(synth, tmp_path)
    assert ended.code == 0, ended.err
    masks = masks_below(tmp_path)
    assert len(masks) == 2 * 4 * 3
    full = cv2.imread(str(tmp_path / f"031/images/0001/mask_{FRONT}.jpg"), cv2.IMREAD_UNCHANGED)
    lowres = cv2.imread(str(tmp_path / f"031/images/0001/mask_lowres_{FRONT}.jpg"), cv2.IMREAD_UNCHANGED)
    assert full.shape == (128, 128, 3) and lowres.shape == (256, 256, 3)
    assert "12 frames matted" in ended.out and str(tmp_path) in ended.out


def test_masks_are_near_the_known_alpha(synth: Path, tmp_path: Path) -> None:
    matte(synth, tmp_path)
    for path in synth.glob("*/images/*/alpha_*.png"):
        truth = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE).astype(float)
        mask = tmp_path / path.relative_to(synth).with_name(path.name.replace("alpha", "mask").replace("png", "jpg"))
        assert np.abs(cv2.imread(str(mask), cv2.IMREAD_GRAYSCALE) - truth).mean() < 0.08 * 255


def test_a_second_run_writes_nothing_and_says_so(synth: Path, tmp_path: Path) -> None:
    matte(synth, tmp_path)
    before = files_below(tmp_path)
    again = matte(synth, tmp_path)
    assert again.code == 0 and "Nothing to do" in again.out
    assert files_below(tmp_path) == before


def test_matte_in_place_leaves_the_capture_as_it_was(tmp_path: Path) -> None:
    capture = make_tiny(tmp_path / "capture")
    before = files_below(capture)
    assert matte(capture, capture).code == 0
    after = files_below(capture)
    assert {path: after[path] for path in before} == before
    assert len(masks_below(capture)) == 12
    assert "Nothing to do" in matte(capture, capture).out


def test_a_missing_plate_yields_rows_and_the_other_cameras_are_matted(tmp_path: Path) -> None:
    capture = make_synth(tmp_path / "capture", f"missing:{FRONT}", n_cameras=4, n_frames=2, size_px=64)
    for _ in range(2):  # also on every rerun
        ended = matte(capture, tmp_path / "out")
        assert ended.code == 3
        assert "2 missing_plate" in ended.out and FRONT in ended.out
    found = statuses(tmp_path / "out")
    assert {status for (camera, _), status in found.items() if camera == FRONT} == {"missing_plate"}
    assert {status for (camera, _), status in found.items() if camera != FRONT} == {"ok"}
    assert len(masks_below(tmp_path / "out")) == 2 * 3 * 2


def test_zeros_matte_over_a_black_plate_only_when_asked(tmp_path: Path) -> None:
    capture = make_synth(tmp_path / "capture", f"missing:{FRONT}", n_cameras=4, n_frames=1, size_px=64)
    assert matte(capture, tmp_path / "out", "--missing-plate", "zeros").code == 0
    rows = {row.camera: row for row in read_receipts(LocalFolder(tmp_path / "out"), "031")}
    assert "black plate" in (rows[FRONT].note or "")
    assert all(row.note is None for camera, row in rows.items() if camera != FRONT)


def test_bad_frames_are_rows_and_the_rest_is_matted(tmp_path: Path) -> None:
    faults = (f"truncated:{FRONT}", "zero:220700191", "cmyk:221501007", "size:222200036")
    capture = make_synth(tmp_path / "capture", *faults, n_cameras=5, n_frames=2, size_px=64)
    ended = matte(capture, tmp_path / "out")
    assert ended.code == 3
    found = statuses(tmp_path / "out")
    bad = {key: status for key, status in found.items() if status != "ok"}
    assert bad == {
        (FRONT, 0): "undecodable",
        ("220700191", 0): "undecodable",
        ("221501007", 0): "undecodable",
        ("222200036", 0): "plate_mismatch",
        ("222200036", 1): "plate_mismatch",
    }
    assert "truncated" in ended.out and "0 bytes" in ended.out and "CMYK" in ended.out


def test_a_mended_file_is_matted_by_the_same_command(tmp_path: Path) -> None:
    good = make_synth(tmp_path / "good", n_cameras=2, n_frames=2, size_px=64)
    capture = make_synth(tmp_path / "capture", f"truncated:{FRONT}", n_cameras=2, n_frames=2, size_px=64)
    assert matte(capture, tmp_path / "out").code == 3
    name = f"031/images/0000/image_{FRONT}.jpg"
    shutil.copy(good / name, capture / name)
    ended = matte(capture, tmp_path / "out")
    assert ended.code == 0 and "1 changed" in ended.out
    matte(good, tmp_path / "wanted")
    assert masks_below(tmp_path / "out") == masks_below(tmp_path / "wanted")


def test_a_plate_that_arrives_later_is_used(tmp_path: Path) -> None:
    good = make_tiny(tmp_path / "good")
    capture = copy_capture(good, tmp_path / "capture")
    (capture / "031/background/image_cam1.jpg").unlink()
    assert matte(capture, tmp_path / "out").code == 3
    shutil.copy2(good / "031/background/image_cam1.jpg", capture / "031/background/image_cam1.jpg")
    assert matte(capture, tmp_path / "out").code == 0
    matte(good, tmp_path / "wanted")
    assert masks_below(tmp_path / "out") == masks_below(tmp_path / "wanted")


def test_foreign_masks_are_counted_and_refused_without_replace(tmp_path: Path) -> None:
    capture = make_tiny(tmp_path / "capture", n_cameras=1, n_frames=3)
    foreign = [capture / f"031/images/{frame:04d}/mask_cam0.jpg" for frame in range(2)]
    [path.write_bytes(b"the old script's") for path in foreign]
    refused = matte(capture, capture)
    assert refused.code == 4
    assert "2 masks" in refused.err and "--replace" in refused.err
    assert all(path.read_bytes() == b"the old script's" for path in foreign)
    assert not (capture / "_cleanplate/root.json").exists()
    assert matte(capture, capture, "--replace").code == 0
    assert all(path.read_bytes() != b"the old script's" for path in foreign)
    assert "Nothing to do" in matte(capture, capture).out


def test_another_recipe_is_refused_and_replace_goes_on(tmp_path: Path) -> None:
    capture = make_synth(tmp_path / "capture", f"missing:{FRONT}", n_cameras=2, n_frames=2, size_px=64)
    matte(capture, tmp_path / "out")
    before = masks_below(tmp_path / "out")
    refused = matte(capture, tmp_path / "out", "--missing-plate", "zeros")
    assert refused.code == 4
    assert "missing_plate: error here, zeros asked for" in refused.err
    assert masks_below(tmp_path / "out") == before
    assert matte(capture, tmp_path / "out", "--missing-plate", "zeros", "--replace").code == 0
    # the same command again decides nothing new, and without --replace it stands
    assert "Nothing to do" in matte(capture, tmp_path / "out", "--missing-plate", "zeros", "--replace").out
    assert "Nothing to do" in matte(capture, tmp_path / "out", "--missing-plate", "zeros").out
    assert matte(capture, tmp_path / "out").code == 4
    assert [path.name for path in (tmp_path / "out/_cleanplate/decisions").iterdir()] == ["1.json"]


def test_a_dry_run_with_replace_decides_nothing(tmp_path: Path) -> None:
    capture = make_tiny(tmp_path / "capture")
    matte(capture, tmp_path / "out")
    before = files_below(tmp_path / "out")
    planned = matte(capture, tmp_path / "out", "--missing-plate", "zeros", "--replace", "--dry-run")
    assert planned.code == 0 and "To do: 2 shards, 6 frames" in planned.out
    assert files_below(tmp_path / "out") == before


def test_retry_failed_redoes_only_the_failed_frames(tmp_path: Path) -> None:
    capture = make_synth(tmp_path / "capture", f"zero:{FRONT}", n_cameras=2, n_frames=3, size_px=64)
    out = tmp_path / "out"
    assert matte(capture, out).code == 3
    before = files_below(out / "031")
    retried = matte(capture, out, "--retry-failed")
    assert retried.code == 3
    assert files_below(out / "031") == before
    decision = json.loads((out / "_cleanplate/decisions/1.json").read_text())
    assert decision["reason"] == "retry-failed"
    assert decision["selection"]["listed"] == {"031": [["", FRONT, 0]]}
    assert statuses(out)[FRONT, 0] == "undecodable"
    assert matte(capture, out).code == 3


def test_selections_restrict_a_run_and_status_speaks_of_them(tmp_path: Path) -> None:
    capture = make_tiny(tmp_path / "capture", ("031", "032"), n_cameras=3)
    out = tmp_path / "out"
    assert matte(capture, out, "--subjects", "031", "--cameras", "cam0,cam2").code == 0
    assert set(statuses(out)) == {(camera, frame) for camera in ("cam0", "cam2") for frame in range(3)}
    assert cleanplate("status", out, "--subjects", "031", "--cameras", "cam0").code == 0
    assert cleanplate("status", out, "--subjects", "031").code == 1
    nothing = matte(capture, out, "--cameras", "cam0,nope")
    assert nothing.code == 2 and "nope" in nothing.err and "cam0, cam1, cam2" in nothing.err
    assert cleanplate("status", out, "--subjects", "099").code == 2
    unknown = matte(capture, out, "--subjects", "099")
    assert unknown.code == 2 and "031, 032" in unknown.err


def test_a_moved_capture_is_recognised_and_another_one_refused(tmp_path: Path) -> None:
    capture = make_tiny(tmp_path / "capture")
    matte(capture, tmp_path / "out")
    moved = copy_capture(capture, tmp_path / "moved")
    assert "Nothing to do" in matte(moved, tmp_path / "out").out
    other = make_tiny(tmp_path / "other", n_cameras=3)
    os.utime(other / "031/images/0000/image_cam0.jpg", ns=(time.time_ns(), time.time_ns() + 1))
    refused = matte(other, tmp_path / "out")
    assert refused.code == 4 and "name another --out" in refused.err


def test_an_input_that_changes_during_the_run_is_left_pending(tmp_path: Path) -> None:
    capture = make_tiny(tmp_path / "capture")
    out = tmp_path / "out"
    assert cleanplate("enumerate", capture, "--out", out).code == 0
    path = capture / "031/images/0001/image_cam0.jpg"
    path.write_bytes(path.read_bytes() + b"\0")
    ended = matte(capture, out, "--no-enumerate")
    assert ended.code == 1
    assert "changed since the capture was listed" in ended.out and "Go on with" in ended.out
    assert {camera for camera, _ in statuses(out)} == {"cam1"}
    assert matte(capture, out).code == 0


def test_not_a_capture_is_a_usage_error(tmp_path: Path) -> None:
    for name, folders in {"nothing": [], "other": ["a/b"], "empty": ["031/images", "031/background"]}.items():
        [(tmp_path / name / folder).mkdir(parents=True) for folder in folders]
        ended = matte(tmp_path / name, tmp_path / "out")
        assert ended.code == 2 and "image_<camera>.jpg" in ended.err, name
    one = make_tiny(tmp_path / "capture") / "031"
    assert "--subjects" in matte(one, tmp_path / "out").err


def test_a_demanded_gpu_that_is_not_there_is_named(tmp_path: Path) -> None:
    ended = matte(make_tiny(tmp_path / "capture"), tmp_path / "out", "--device", "cuda:7")
    assert ended.code == 1 and "--device cuda:7" in ended.err and "--device cpu" in ended.err
    assert not (tmp_path / "out/_cleanplate/root.json").exists()


def test_weights_that_are_not_at_hand_are_refused_by_name(tmp_path: Path) -> None:
    capture = make_tiny(tmp_path / "capture")
    refused = cleanplate("matte", capture, "--out", tmp_path / "out", "--executor", "local", "--weights", "no.pth")
    assert refused.code == 4 and "no.pth" in refused.err
    refused = matte(capture, tmp_path / "out", "--weights", "no.pth")
    assert refused.code == 2 and "has no weights" in refused.err


def test_a_run_leaves_its_record_and_log(tmp_path: Path) -> None:
    capture, out = make_tiny(tmp_path / "capture"), tmp_path / "out"
    matte(capture, out, "--storage-option", "secret=hunter2")
    (record,) = (out / "_cleanplate/runs").glob("*.json")
    run = json.loads(record.read_text())
    assert (run["state"], run["n_written"], run["subjects"]) == ("finished", 6, ["031"])
    lines = [json.loads(line) for line in record.with_suffix(".log").read_text().splitlines()]
    assert sum("shard" in line["text"] for line in lines) >= 2
    everything = b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
    assert b"hunter2" not in everything


def test_receipts_of_a_complete_subject_are_joined(tmp_path: Path) -> None:
    capture, out = make_tiny(tmp_path / "capture", n_cameras=3, n_frames=70), tmp_path / "out"
    matte(capture, out, "--cameras", "cam0")
    assert len(list((out / "_cleanplate/ledger/031").iterdir())) == 2
    matte(capture, out)
    assert len(list((out / "_cleanplate/ledger/031").iterdir())) == 1
    assert len(statuses(out)) == 210
    assert "Nothing to do" in matte(capture, out).out


@pytest.mark.s3
@pytest.mark.parametrize("server_name", ["moto_s3", "rclone_s3"])
def test_matte_on_an_object_store_gives_the_bytes_of_a_disk(
    request: pytest.FixtureRequest, server_name: str, tmp_path: Path
) -> None:
    server = request.getfixturevalue(server_name)
    capture = make_tiny(tmp_path / "capture")
    matte(capture, tmp_path / "out")
    bucket = server.new_bucket()
    store = open_folder(bucket, server.options)
    for path in sorted(p for p in capture.rglob("*") if p.is_file()):
        store.write_atomic(f"capture/{path.relative_to(capture)}", path.read_bytes())
    options = [word for name, value in server.options.items() for word in ("--storage-option", f"{name}={value}")]
    assert matte(f"{bucket}/capture", f"{bucket}/out", *options).code == 0
    wanted = masks_below(tmp_path / "out")
    found = {
        stat.path.removeprefix("out/"): store.read(stat.path) for stat in store.list("out") if "/mask_" in stat.path
    }
    assert found == wanted
    before = {(stat.path, stat.etag) for stat in store.list("out")}
    assert "Nothing to do" in matte(f"{bucket}/capture", f"{bucket}/out", *options).out
    assert {(stat.path, stat.etag) for stat in store.list("out")} == before
    assert cleanplate("status", f"{bucket}/out", *options).code == 0


def test_a_frame_that_went_bad_loses_the_mask_of_its_earlier_picture(tmp_path: Path) -> None:
    capture, out = make_tiny(tmp_path / "capture"), tmp_path / "out"
    matte(capture, out)
    (capture / "031/images/0001/image_cam0.jpg").write_bytes(b"")
    assert matte(capture, out).code == 3
    gone = {"031/images/0001/mask_cam0.jpg", "031/images/0001/mask_lowres_cam0.jpg"}
    assert not gone & set(masks_below(out)) and len(masks_below(out)) == 10


def test_a_picture_that_changes_and_changes_back_ends_in_its_own_mask(tmp_path: Path) -> None:
    capture, out = make_tiny(tmp_path / "capture", n_frames=4), tmp_path / "out"
    matte(capture, out)
    wanted = masks_below(out)
    picture, other = (capture / f"031/images/000{frame}/image_cam0.jpg" for frame in (0, 3))
    shutil.copy2(picture, tmp_path / "kept.jpg")
    shutil.copy2(other, picture)
    assert matte(capture, out).code == 0 and masks_below(out) != wanted
    shutil.copy2(tmp_path / "kept.jpg", picture)
    assert matte(capture, out).code == 0
    assert masks_below(out) == wanted


def test_plates_that_go_and_come_back_leave_every_mask(tmp_path: Path) -> None:
    capture, out = make_tiny(tmp_path / "capture"), tmp_path / "out"
    matte(capture, out)
    wanted = masks_below(out)
    (capture / "031/background").rename(tmp_path / "away")
    assert matte(capture, out).code == 3
    assert masks_below(out) == wanted  # nothing is wrong with these
    (tmp_path / "away").rename(capture / "031/background")
    assert matte(capture, out).code == 0
    assert masks_below(out) == wanted and set(statuses(out).values()) == {"ok"}


def test_foreign_masks_of_a_camera_stay_refused_when_another_camera_was_matted(tmp_path: Path) -> None:
    capture = make_tiny(tmp_path / "capture")
    foreign = capture / "031/images/0000/mask_cam1.jpg"
    foreign.write_bytes(b"the old script's")
    assert matte(capture, capture, "--cameras", "cam0").code == 0
    assert matte(capture, capture).code == 4
    assert foreign.read_bytes() == b"the old script's"
    assert matte(capture, capture, "--replace").code == 0


def test_another_capture_is_refused_and_keeps_the_manifest(tmp_path: Path) -> None:
    out = tmp_path / "out"
    matte(make_tiny(tmp_path / "a", ("031",)), out)
    for words in ([], ["--subjects", "040"]):
        refused = matte(make_tiny(tmp_path / "b", ("040",)), out, *words)
        assert refused.code == 4 and "lacks its 1 subject 031" in refused.err
    assert cleanplate("status", out, "--subjects", "031").code == 0


def test_the_fingerprint_rule_is_pinned_by_the_first_run(tmp_path: Path) -> None:
    capture, out = make_tiny(tmp_path / "capture"), tmp_path / "out"
    matte(capture, out, "--fingerprint", "size")
    [path.touch() for path in capture.rglob("*.jpg")]
    assert "Nothing to do" in matte(capture, out).out
    refused = matte(capture, out, "--fingerprint", "stat")
    assert refused.code == 4 and "pinned to --fingerprint size" in refused.err


def test_replace_reaches_frames_that_stand_under_a_decision_of_their_own(tmp_path: Path) -> None:
    capture, out = make_tiny(tmp_path / "capture"), tmp_path / "out"
    matte(capture, out)
    assert matte(capture, out, "--cameras", "cam1", "--batch-size", "2", "--replace").code == 0
    ended = matte(capture, out, "--batch-size", "1", "--replace")
    assert ended.code == 0 and "6 frames matted" in ended.out
    decided = {row.decision for row in read_receipts(LocalFolder(out), "031") if row.camera == "cam1"}
    assert max(decided) == 2


def test_names_with_brackets_are_printed_as_they_are(tmp_path: Path) -> None:
    out = tmp_path / "o[x]y[]"
    ended = matte(make_tiny(tmp_path / "capture", ("[red]",)), out)
    assert ended.code == 0 and str(out) in ended.out and "[red]" in ended.out


def test_a_camera_with_a_plate_and_no_frame_is_reported(tmp_path: Path) -> None:
    capture = make_tiny(tmp_path / "capture")
    [path.unlink() for path in capture.glob("031/images/*/image_cam1.jpg")]
    assert "camera cam1: lacks frames that other cameras have (3): 0-2" in matte(capture, tmp_path / "out").out


def test_every_bad_frame_is_named_up_to_a_few_a_camera(tmp_path: Path) -> None:
    capture = make_tiny(tmp_path / "capture", n_frames=6)
    bad = sorted(capture.glob("031/images/*/image_cam1.jpg"))[1:]
    [path.write_bytes(b"") for path in bad]
    for ended in (matte(capture, tmp_path / "out"), cleanplate("status", tmp_path / "out")):
        assert ended.code == 3
        for frame in (1, 2, 3):
            assert f"031/images/000{frame}/image_cam1.jpg: the file is empty (0 bytes)" in ended.out
        assert "and 2 frames more, 5 in all" in ended.out
    quiet = matte(capture, tmp_path / "out", "--quiet")
    assert quiet.out == "" and "031/images/0001/image_cam1.jpg" in quiet.err


def test_subjects_that_vanished_or_are_empty_are_named(tmp_path: Path) -> None:
    capture, out = make_tiny(tmp_path / "capture", ("031", "032")), tmp_path / "out"
    matte(capture, out)
    shutil.rmtree(capture / "032")
    (capture / "033/images").mkdir(parents=True)
    said = matte(capture, out).out
    assert "subject 032 is no longer in the capture, and left the manifest with its 6 frames" in said
    assert "subject 033 is empty and has no frame" in said


def test_an_output_root_that_is_no_place_for_masks_is_refused(tmp_path: Path) -> None:
    capture = make_tiny(tmp_path / "capture")
    assert "lies inside the capture" in matte(capture, capture / "031").err
    assert "shell variable" in matte(capture, "").err
    assert not (capture / "031/_cleanplate").exists()
