"""Flagged frames matted again by the command line, on captures with frames that QC fails."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest
from captures import make_tiny, masks_below
from command_line import Ended, cleanplate, matte
from s3_servers import S3Server

from manifests.comparing import compare
from manifests.decisions import Selection, append_decision, read_decisions
from manifests.flagged import read_before
from manifests.ledger import read_receipts
from manifests.measures import default_limits
from manifests.root import read_root
from manifests.storage import LocalFolder, open_folder

QUIET = [name for name in default_limits().of if name != "border_top"]
BAD = {("031", "cam1", 2), ("032", "cam0", 1)}


@pytest.fixture
def roots(tmp_path: Path) -> tuple[Path, Path]:
    """Make and matte two subjects of two cameras, of which two frames reach up to the upper border."""
    capture, out = make_tiny(tmp_path / "capture", ("031", "032"), n_frames=4), tmp_path / "out"
    for subject, camera, frame in BAD:
        path = capture / subject / "images" / f"{frame:04d}" / f"image_{camera}.jpg"
        picture = cv2.imread(str(path))
        picture[:, 4:60] = (40, 200, 230)
        cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, 95])
    (tmp_path / "limits.toml").write_text(
        "".join(f"[{name}]\nreview = false\nfail = false\n" for name in QUIET) + "[border_top]\nfail = 0.6\n"
    )
    matte(capture, out, "--limits", tmp_path / "limits.toml")
    return capture, out


def reprocess(out: Path, *words: object) -> Ended:
    return cleanplate("reprocess", out, "--executor", "local", *words)


def decided(out: Path, number: int) -> set[tuple[str, str, int]]:
    rows = [row for subject in ("031", "032") for row in read_receipts(LocalFolder(out), subject)]
    return {(row.subject, row.camera, row.frame) for row in rows if row.decision == number}


def decisions(out: Path) -> list[str]:
    root = read_root(LocalFolder(out))
    assert root is not None
    return [decision.reason for decision in read_decisions(LocalFolder(out), root.decision)]


def test_just_the_flagged_frames_are_matted_again_and_both_numbers_kept(roots: tuple[Path, Path]) -> None:
    _, out = roots
    before = masks_below(out)
    ended = reprocess(out, "--flagged", "fail", "--quality", "50")
    assert ended.code == 0, ended.err
    changed = {path for path, data in masks_below(out).items() if data != before[path]}
    assert {path for path in changed if "lowres" not in path} == {
        f"{subject}/images/{frame:04d}/mask_{camera}.jpg" for subject, camera, frame in BAD
    }
    assert decisions(out) == ["root", "flagged"] and decided(out, 1) == BAD
    kept = [(rows.subject, rows.camera[0], int(rows.frame[0])) for rows in read_before(LocalFolder(out), 1)]
    assert set(kept) == BAD
    compared = list(compare(LocalFolder(out), 1))
    assert {(row.measure, row.n_frames, row.n_after, row.n_flagged) for row in compared} == {("border_top", 1, 1, 1)}
    assert "before → after" in ended.out and "border_top" in ended.out
    assert cleanplate("flagged", out, "--compare", 1).code == 0
    assert "Nothing to do" in matte(roots[0], out).out


def test_a_selection_restricts_what_is_flagged(roots: tuple[Path, Path]) -> None:
    _, out = roots
    assert reprocess(out, "--flagged", "review", "--subject", "032").code == 0
    assert decided(out, 1) == {("032", "cam0", 1)}


def test_nothing_flagged_is_said_and_nothing_is_decided(roots: tuple[Path, Path]) -> None:
    _, out = roots
    ended = reprocess(out, "--flagged", "fail", "--cameras", "cam1", "--subject", "032")
    assert ended.code == 0 and "No selected frame is flagged fail" in ended.out
    assert decisions(out) == ["root"] and not (out / "_cleanplate/qc/before").exists()


def test_a_dry_run_decides_nothing(roots: tuple[Path, Path]) -> None:
    _, out = roots
    ended = reprocess(out, "--flagged", "fail", "--dry-run")
    assert ended.code == 0 and "2 frames" in ended.out and decisions(out) == ["root"]
    assert not (out / "_cleanplate/qc/before").exists()


@pytest.mark.parametrize("state", ["running", "finished"])
def test_the_same_command_goes_on_with_what_is_not_carried_out(roots: tuple[Path, Path], state: str) -> None:
    """A run that was killed is `running` for ever, one of which shards failed is `finished`; frames are pending."""
    _, out = roots
    words = ("--flagged", "fail", "--quality", "50")
    reprocess(out, *words)
    for receipt in (out / "_cleanplate/ledger").rglob("*.parquet"):
        receipt.unlink()
    last = max((out / "_cleanplate/runs").glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    last.write_text(last.read_text().replace('"state": "finished"', f'"state": "{state}"'))
    ended = reprocess(out, *words)
    assert ended.code == 0 and "before → after" in ended.out
    assert decisions(out) == ["root", "flagged"] and decided(out, 1) == BAD


def test_other_words_and_the_same_after_the_end_decide_anew(roots: tuple[Path, Path]) -> None:
    _, out = roots
    assert reprocess(out, "--flagged", "fail", "--quality", "50").code == 0
    assert reprocess(out, "--flagged", "fail", "--quality", "60").code == 0
    assert reprocess(out, "--flagged", "fail", "--quality", "60").code == 0
    assert decisions(out) == ["root", "flagged", "flagged", "flagged"]


def test_each_part_keeps_its_recipe_unless_a_model_is_said(roots: tuple[Path, Path]) -> None:
    _, out = roots
    assert reprocess(out, "--subject", "031", "--quality", "40").code == 0
    assert reprocess(out, "--flagged", "fail", "--batch-size", "2").code == 0
    folder = out / "_cleanplate/decisions"
    made = [json.loads((folder / f"{number}.json").read_text()) for number in (2, 3)]
    found = {(next(iter(one["selection"]["listed"])), one["recipe"]["mask_quality"]) for one in made}
    assert found == {("031", 40), ("032", 95)}
    assert all(one["recipe"]["numerics"]["batch"] == 2 and one["reason"] == "flagged" for one in made)
    assert [rows.subject for number in (2, 3) for rows in read_before(LocalFolder(out), number)] in (
        ["031", "032"],
        ["032", "031"],
    )


def test_numbers_are_kept_for_the_number_that_a_decision_got(roots: tuple[Path, Path]) -> None:
    """Another run takes the number between the plan and the claim: the file is put there while ours is planning."""
    from flows.books import open_books
    from flows.flag_frames import flag, keep_again, keep_before, selection_of
    from flows.reprocess import find_place, propose
    from flows.reprocess_settings import ReprocessSettings
    from flows.watch import QuietWatcher

    _, out = roots
    folder, watcher = LocalFolder(out), QuietWatcher()
    settings = ReprocessSettings(flagged="fail", executor="local", model="plate-difference")
    place = find_place(folder, settings)
    found = flag(folder, settings, watcher)
    with open_books(folder, place.capture_url, settings, selection_of([], found), watcher, place.base) as books:
        books = propose(books, place.base, "flagged", False)
        keep_before(folder, books, found, settings)
        append_decision(folder, [place.root.decision], Selection(subjects=("031",)), place.base, "reprocess")
        books.claim()
        assert keep_again(folder, books, found, settings) == [2]
    assert [rows.subject for rows in read_before(folder, 2)] == ["031", "032"]


@pytest.mark.s3
@pytest.mark.filterwarnings("ignore::DeprecationWarning:(botocore|boto3|aiobotocore|s3fs|fsspec).*")
def test_flagged_frames_of_an_output_root_in_a_store(moto_s3: S3Server, tmp_path: Path) -> None:
    capture, bucket = make_tiny(tmp_path / "capture"), moto_s3.new_bucket()
    (tmp_path / "limits.toml").write_text("[border_top]\nreview = -1\nfail = -0.5\n")  # every value is above
    options = [word for name, value in moto_s3.options.items() for word in ("--storage-option", f"{name}={value}")]
    matte(capture, f"{bucket}/out", "--limits", tmp_path / "limits.toml", *options)
    ended = cleanplate("flagged", f"{bucket}/out", "--export", f"{bucket}/lists/x.txt", *options)
    assert ended.code == 0, ended.err
    folder = open_folder(bucket, moto_s3.options)
    assert len(folder.read("lists/x.txt").splitlines()) == 6
    ended = cleanplate("reprocess", f"{bucket}/out", "--flagged", "fail", "--executor", "local", *options)
    assert ended.code == 0 and "6 frames flagged fail" in ended.out, ended.err
    assert folder.read("out/_cleanplate/qc/before/1/031.parquet")
    assert "border_top" in cleanplate("flagged", f"{bucket}/out", "--compare", 1, *options).out


@pytest.mark.slow
def test_flagged_frames_may_go_to_a_temporal_model(roots: tuple[Path, Path], rvm_weights: Path) -> None:
    _, out = roots
    words = ("--model", "rvm-mobilenetv3", "--weights", rvm_weights, "--warmup", 1)
    assert reprocess(out, "--flagged", "fail", *words).code in (0, 3)
    assert decided(out, 1) == BAD
    assert {rows.model[0] for rows in read_before(LocalFolder(out), 1)} == {"plate-difference"}
