from __future__ import annotations

import json
from pathlib import Path

import pytest
from captures import make_synth
from command_line import cleanplate, matte

CAMERAS = ("222200036", "222200037")


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("qc")
    make_synth(root / "capture", n_subjects=2, n_cameras=4, n_frames=2, size_px=64)
    words = ("--subjects", "031", "--cameras", ",".join(CAMERAS), "--no-qc")
    assert matte(root / "capture", root / "out", *words).code == 0
    return root / "out"


def test_the_command_judges_what_is_there_and_prints_a_table(out: Path) -> None:
    ended = cleanplate("qc", out)
    assert ended.code == 0
    assert all(camera in ended.out for camera in CAMERAS) and "frames are pending" in ended.out
    assert (out / "_cleanplate/qc/031.parquet").exists() and not (out / "_cleanplate/qc/032.parquet").exists()


def test_json_is_one_object_and_limits_of_a_file_stand(out: Path, tmp_path: Path) -> None:
    limits = tmp_path / "limits.toml"
    limits.write_text("[iou]\nreview = 2\nfail = false\n")
    ended = cleanplate("qc", out, "--subjects", "031", "--limits", limits, "--json")
    assert ended.code == 0
    (subject,) = json.loads(ended.out)["subjects"]
    assert [(one["camera"], one["verdict"], one["measure"]) for one in subject["cameras"]] == [
        (camera, "review", "iou") for camera in CAMERAS
    ]
    assert subject["limits"]["iou"] == [2, None] and not subject["is_complete"]


def test_what_is_not_matted_cannot_be_judged(out: Path, tmp_path: Path) -> None:
    assert cleanplate("qc", out, "--subjects", "032").code == 2
    ended = cleanplate("qc", tmp_path)
    assert ended.code == 2 and "not an output root" in ended.err


def test_hulls_are_made_as_often_as_said(out: Path) -> None:
    assert cleanplate("qc", out, "--hull-every", "2").code == 0
    assert cleanplate("qc", out, "--hull-every", "0").code == 2
