from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from captures import FRONT, make_synth, masks_below
from command_line import cleanplate
from rich.console import Console

from flows.making import compare, run_synth, write_sheet
from manifests.errors import UsageError
from matting_tasks.decode import decode_gray
from matting_tasks.metrics import mad
from models.packaged import packaged_file
from models.registry import ALIAS, DEFAULT, entry


def test_synth_makes_a_capture_and_says_how_to_matte_it(tmp_path: Path) -> None:
    ended = cleanplate("synth", tmp_path / "capture", "--cameras", 2, "--frames", 2, "--size", 64)
    assert ended.code == 0 and f"cleanplate matte {tmp_path}/capture --out {tmp_path}/capture" in ended.out
    assert "--model default" in ended.out
    assert len(list((tmp_path / "capture").glob("031/images/*/alpha_*.png"))) == 4


@pytest.mark.parametrize("fault", ["nothing:222200037", "missing", "missing:1234"])
def test_a_fault_that_is_none_is_a_usage_error(tmp_path: Path, fault: str) -> None:
    ended = cleanplate("synth", tmp_path, "--cameras", 2, "--frames", 1, "--size", 64, "--fault", fault)
    assert ended.code == 2 and "fault" in ended.err.lower()


def test_impossible_numbers_are_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        run_synth(tmp_path, (1, 99, 1, 64, 0), [])


def test_the_error_against_the_truth_is_that_of_the_masks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capture, mattes = tmp_path / "capture", tmp_path / "mattes"
    run_synth(capture, (1, 1, 2, 64, 0), [])
    for path in capture.glob("*/images/*/alpha_*.png"):
        alpha = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        mask = mattes / path.relative_to(capture).with_name(f"mask_{FRONT}.jpg")
        mask.parent.mkdir(parents=True)
        cv2.imwrite(str(mask), np.clip(255 - alpha.astype(int), 0, 255).astype(np.uint8))
    capsys.readouterr()
    compare(Console(width=200), capture, mattes)
    shown = capsys.readouterr().out
    mad = float(shown.split("MAD ")[1].split(" ")[0])
    assert 500 < mad < 1000 and f"camera {FRONT}" in shown
    sheet = write_sheet(capture, mattes, tmp_path / "sheet.png")
    assert cv2.imread(str(sheet)).shape[1] >= 3 * 256


def test_synth_does_not_mix_captures(tmp_path: Path) -> None:
    words = ("synth", tmp_path / "capture", "--cameras", 1, "--frames", 1, "--size", 64)
    assert cleanplate(*words).code == 0
    again = cleanplate(*words)
    assert again.code == 2 and "not empty" in again.err


@pytest.mark.ray
@pytest.mark.slow
def test_the_demo_mattes_with_the_network_of_the_package_and_says_how_good_it_is(tmp_path: Path) -> None:
    if packaged_file(entry(DEFAULT).weights or "") is None:
        pytest.skip(f"the weights of {DEFAULT} are not part of this package yet")
    words = ("demo", "--out", tmp_path / "demo", "--cameras", 2, "--frames", 1, "--size", 256)
    ended = cleanplate(*words)
    assert ended.code == 0, ended.err
    assert f"Matting it by the main job with {DEFAULT}" in ended.out and "over 2 masks" in ended.out
    assert float(ended.out.split("MAD ")[1].split(" ")[0]) < 100
    assert cv2.imread(str(tmp_path / "demo/contact_sheet.png")).shape[1] > 3 * 256
    before = masks_below(tmp_path / "demo/mattes")
    assert len(before) == 4 and cleanplate(*words).code == 0
    assert masks_below(tmp_path / "demo/mattes") == before


def test_the_default_mattes_what_synth_makes(tmp_path: Path) -> None:
    if packaged_file(entry(DEFAULT).weights or "") is None:
        pytest.skip(f"the weights of {DEFAULT} are not part of this package yet")
    capture = make_synth(tmp_path / "capture", n_cameras=1, n_frames=1, size_px=256)
    ended = cleanplate("matte", capture, "--out", tmp_path / "mattes", "--model", ALIAS, "--executor", "local")
    assert ended.code == 0, ended.err
    (path,) = capture.glob("*/images/*/alpha_*.png")
    mask = tmp_path / "mattes" / path.relative_to(capture).with_name(f"mask_{FRONT}.jpg")
    assert mad(decode_gray(mask.read_bytes()), decode_gray(path.read_bytes())) < 100
