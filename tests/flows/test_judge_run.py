from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from captures import make_synth
from command_line import Ended, cleanplate, matte
from output_roots import touched

from manifests.qc import cameras_path, qc_path, read_subject_qc
from manifests.storage import LocalFolder

HIT = "222200037"


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_synth(tmp_path_factory.mktemp("capture"), n_cameras=4, n_frames=2, size_px=64)


def strict(folder: Path) -> Path:
    path = folder / "limits.toml"
    path.write_text("[coverage_of]\n" if folder.name == "bad" else "[iou]\nreview = 2\nfail = 1.5\n")
    return path


def qc_lines(ended: Ended) -> list[str]:
    return [line for line in ended.out.splitlines() if "QC:" in line]


def test_a_run_ends_with_the_cameras_that_fail(capture: Path, tmp_path: Path) -> None:
    ended = matte(capture, tmp_path / "out", "--limits", strict(tmp_path))
    assert ended.code == 0
    lines = qc_lines(ended)
    assert len(lines) == 5 and "cleanplate report" in lines[-1]
    assert all("subject 031, camera 2" in line and ": fail: IoU" in line for line in lines[:-1])
    again = matte(capture, tmp_path / "out", "--limits", strict(tmp_path))
    assert again.code == 0 and qc_lines(again) == lines


def test_a_rerun_writes_nothing_and_makes_what_is_not_there(capture: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert matte(capture, out).code == 0
    before, whole = touched(out), (out / cameras_path("031")).read_bytes()
    assert matte(capture, out).code == 0
    assert {path for path, stat in touched(out).items() if stat != before.get(path)} == set()
    (out / cameras_path("031")).unlink()
    assert matte(capture, out).code == 0
    assert (out / cameras_path("031")).read_bytes() == whole


def test_qc_can_be_left_out(capture: Path, tmp_path: Path) -> None:
    assert matte(capture, tmp_path / "out", "--no-qc").code == 0
    assert not (tmp_path / "out/_cleanplate/qc").exists()


def test_only_complete_subjects_are_judged(capture: Path, tmp_path: Path) -> None:
    assert matte(capture, tmp_path / "out", "--cameras", HIT).code == 0
    assert not (tmp_path / "out/_cleanplate/qc").exists()
    assert matte(capture, tmp_path / "out").code == 0
    assert read_subject_qc(LocalFolder(tmp_path / "out"), "031") is not None


def test_frames_matted_anew_are_judged_anew(capture: Path, tmp_path: Path) -> None:
    out = LocalFolder(tmp_path / "out")
    assert matte(capture, tmp_path / "out").code == 0
    before = read_subject_qc(out, "031")
    words = ("--subject", "031", "--cameras", HIT, "--quality", "60", "--executor", "local")
    assert cleanplate("reprocess", tmp_path / "out", *words).code == 0
    after = read_subject_qc(out, "031")
    assert before is not None and after is not None
    assert before.meta["inputs"] != after.meta["inputs"]


def test_bad_limits_end_a_run_before_it_mattes(capture: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bad"
    folder.mkdir()
    ended = matte(capture, tmp_path / "out", "--limits", strict(folder))
    assert ended.code == 2 and "coverage_of" in ended.err
    assert not list((tmp_path / "out").glob("031/images/*"))


def test_a_store_that_fails_leaves_the_masks_and_says_so(capture: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "_cleanplate").mkdir(parents=True)
    (out / "_cleanplate/qc").write_text("a file where a folder is wanted")
    ended = matte(capture, out)
    assert ended.code == 0 and any("not judged" in line for line in qc_lines(ended))
    (out / "_cleanplate/qc").unlink()
    assert matte(capture, out).code == 0
    assert (out / cameras_path("031")).exists()


def test_tables_are_no_damage_no_garbage_and_go_when_a_subject_is_forgotten(capture: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert matte(capture, out).code == 0
    assert cleanplate("verify", out, "--deep").code == 0
    before = touched(out)
    assert cleanplate("gc", out, "--older-than", "1h", "--delete").code == 0
    assert touched(out) == before
    assert cleanplate("forget", out, "--subject", "031", "--yes").code == 0
    assert not (out / qc_path("031")).exists() and not (out / cameras_path("031")).exists()


def test_a_longer_name_is_not_forgotten_with_a_shorter_one(capture: Path, tmp_path: Path) -> None:
    two = tmp_path / "capture"
    for name in ("031", "cameras"):
        shutil.copytree(capture / "031", two / name)
    assert matte(two, tmp_path / "out").code == 0
    assert cleanplate("forget", tmp_path / "out", "--subject", "cameras", "--yes").code == 0
    kept = LocalFolder(tmp_path / "out")
    assert read_subject_qc(kept, "cameras") is None
    assert read_subject_qc(kept, "031") is not None
