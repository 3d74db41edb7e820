from __future__ import annotations

import json
from pathlib import Path

import pytest
from captures import FRONT, make_synth, make_tiny
from command_line import cleanplate, matte
from reference_weights import write_reference_checkpoint

from models.fitted import FittedWeights, write_entry
from models.packaged import packaged_file
from models.weights import file_sha256


def test_status_shows_cameras_decisions_and_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    capture = make_synth(tmp_path / "capture", f"zero:{FRONT}", n_cameras=2, n_frames=2, size_px=64)
    out = tmp_path / "out"
    matte(capture, out)
    cleanplate("reprocess", out, "--subject", "031", "--cameras", "220700191", "--executor", "local")
    shown = cleanplate("status", out)
    assert shown.code == 3
    for words in ("1 undecodable", "root", "reprocess", "finished", "plate-difference"):
        assert words in shown.out
    record = json.loads(cleanplate("status", out, "--json").out)
    assert [decision["reason"] for decision in record["decisions"]] == ["root", "reprocess"]
    assert {camera["camera"]: camera["n_ok"] for camera in record["cameras"]} == {"220700191": 2, FRONT: 1}
    assert [run["state"] for run in record["runs"]] == ["finished", "finished"]


def test_status_of_a_killed_run_says_so(tmp_path: Path) -> None:
    capture, out = make_tiny(tmp_path / "capture"), tmp_path / "out"
    matte(capture, out, "--cameras", "cam0")
    (record,) = (out / "_cleanplate/runs").glob("*.json")
    record.write_text(json.dumps(json.loads(record.read_text()) | {"state": "running"}))
    shown = cleanplate("status", out)
    assert shown.code == 1 and "killed" in shown.out


def test_status_and_manifest_of_something_else_are_usage_errors(tmp_path: Path) -> None:
    assert cleanplate("status", tmp_path).code == 2
    assert "not an output root" in cleanplate("manifest", tmp_path).err
    cleanplate("enumerate", make_tiny(tmp_path / "capture"), "--out", tmp_path / "out")
    only_listed = cleanplate("status", tmp_path / "out")
    assert only_listed.code == 1 and "not matted yet" in only_listed.out


def test_manifest_prints_holes_and_missing_plates_by_camera(tmp_path: Path) -> None:
    faults = (f"missing:{FRONT}", "frame_set:220700191", "size:221501007", "unreadable:222200036")
    capture = make_synth(tmp_path / "capture", *faults, n_cameras=5, n_frames=3, size_px=64)
    cleanplate("enumerate", capture, "--out", tmp_path / "out")
    record = json.loads(cleanplate("manifest", tmp_path / "out", "--json").out)
    found = {camera["camera"]: camera for camera in record["cameras"]}
    assert found[FRONT]["plate"] == "missing"
    assert found["220700191"]["holes"] == [2] and found["220700191"]["n_frames"] == 2
    assert found["221501007"]["plate"] == "size: plate 32x32, frames 64x64"
    assert found["222200038"]["plate"] == "ok" and found["222200038"]["holes"] == []
    shown = cleanplate("manifest", tmp_path / "out", "--cameras", FRONT)
    assert shown.code == 0 and "missing" in shown.out and "220700191" not in shown.out


def test_weights_tell_their_source_and_licence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEANPLATE_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    path = write_reference_checkpoint("rvm-mobilenetv3", tmp_path / "rvm_mobilenetv3.pth")
    shown = cleanplate("weights", "list").out
    assert "GPL-3.0" in shown and "rvm_mobilenetv3_fp32.onnx 88d453129711" in shown
    fetched = cleanplate("weights", "fetch", "rvm-mobilenetv3")
    assert fetched.code == 0 and str(path) in fetched.out and "GPL-3.0" in fetched.out
    path.rename(tmp_path / "rvm_mobilenetv3_fp32.onnx")
    (row,) = (line for line in cleanplate("weights", "list").out.splitlines() if line.startswith("rvm-mobilenetv3"))
    assert row.split()[-2:] == ["yes", "rvm_mobilenetv3_fp32.onnx"]


def test_weights_are_listed_and_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEANPLATE_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    shown = cleanplate("weights", "list")
    assert "mattingrefine-resnet101" in shown.out and "MIT" in shown.out and str(tmp_path) in shown.out
    path = write_reference_checkpoint("mattingbase-mobilenetv2", tmp_path / "some.pth")
    verified = cleanplate("weights", "verify", path)
    assert verified.code == 0 and "fits mattingbase-mobilenetv2" in verified.out
    refused = cleanplate("weights", "verify", path, "--model", "mattingrefine-resnet50")
    assert refused.code == 4 and "mattingbase-mobilenetv2" in refused.err
    (tmp_path / "garbage.pth").write_bytes(b"garbage")
    assert cleanplate("weights", "verify", tmp_path / "garbage.pth").code == 4
    assert cleanplate("weights", "verify", tmp_path / "none.pth").code == 2
    assert cleanplate("weights", "fetch", "plate-difference").out.startswith("plate-difference needs no weights")
    assert cleanplate("weights", "fetch", "nothing").code == 2


def test_the_default_is_listed_as_part_of_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEANPLATE_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    shown = cleanplate("weights", "list").out
    (row,) = (line for line in shown.splitlines() if line.startswith("mattingrefine-mobilenetv2@cleanplate"))
    assert "Apache-2.0" in row and "--model default is mattingrefine-mobilenetv2@cleanplate" in shown
    fetched = cleanplate("weights", "fetch", "default")
    if packaged_file("mattingrefine-mobilenetv2.cleanplate.safetensors") is None:
        assert fetched.code == 4 and "install the package again" in fetched.err
        pytest.skip("not shipped yet")
    assert "in the package" in row and fetched.code == 0 and "Apache-2.0" in fetched.out
    assert not list(tmp_path.iterdir())


def test_a_folder_of_a_fit_is_verified_with_its_hash(tmp_path: Path) -> None:
    path = write_reference_checkpoint("mattingbase-mobilenetv2", tmp_path / "some.pth")
    fitted = FittedWeights("s", "mattingbase-mobilenetv2", path.name, file_sha256(path), "", path.stat().st_size)
    write_entry(tmp_path, fitted)
    verified = cleanplate("weights", "verify", tmp_path)
    assert verified.code == 0 and fitted.sha256 in verified.out and "fits mattingbase-mobilenetv2" in verified.out
    path.write_bytes(path.read_bytes() + b"!")
    refused = cleanplate("weights", "verify", tmp_path)
    assert refused.code == 4 and "weights.json" in refused.err
