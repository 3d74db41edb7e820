from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from captures import FRONT
from command_line import cleanplate
from rich.console import Console

from flows.making import compare, run_synth, write_sheet
from manifests.errors import UsageError


def test_synth_makes_a_capture_and_says_how_to_matte_it(tmp_path: Path) -> None:
    ended = cleanplate("synth", tmp_path / "capture", "--cameras", 2, "--frames", 2, "--size", 64)
    assert ended.code == 0 and "cleanplate matte" in ended.out
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
