from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import cleanplate, matte

from matting_tasks.synth import SynthSettings, make_capture


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("planned") / "capture"
    make_capture(root, SynthSettings(n_cameras=3, n_frames=5, size_px=64))
    return root


def files_under(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def test_a_plan_counts_what_the_capture_holds_and_writes_nothing(capture: Path) -> None:
    before = files_under(capture)
    ended = cleanplate("plan", capture, "--gpus", 2, "--rate", 10, "--cpu", 0.1, "--json")
    assert ended.code == 0 and files_under(capture) == before
    told = json.loads(ended.out)
    load = told["load"]
    assert (load["n_frames"], load["n_shards"], load["n_streams"], load["n_plates"]) == (15, 3, 3, 3)
    images = [*capture.glob("*/images/*/image_2*.jpg"), *capture.glob("*/background/*.jpg")]
    assert load["bytes_in"] == sum(path.stat().st_size for path in images)
    # 15 frames: 30 masks and 3 receipts; 15 pictures, 15 visible masks, 3 plates and 15 lowres masks
    assert (told["requests"]["n_puts"], told["requests"]["n_gets"]) == (33, 48)
    assert told["hours"]["devices"] == pytest.approx(15 / 20 / 3600)
    assert told["bottleneck"] == max(told["hours"], key=lambda name: told["hours"][name])


def test_a_selection_is_all_that_counts(capture: Path) -> None:
    words = ("--gpus", 1, "--rate", 10, "--cpu", 0.1, "--json", "--frames", "0:2")
    load = json.loads(cleanplate("plan", capture, *words).out)["load"]
    assert (load["n_frames"], load["n_shards"]) == (6, 3)


def test_without_rates_it_says_how_to_get_them(capture: Path) -> None:
    ended = cleanplate("plan", capture)
    assert ended.code == 2 and "--rate" in ended.err and "--out TRY" in ended.err


def test_rates_come_from_the_receipts_of_a_run(capture: Path, tmp_path: Path) -> None:
    assert matte(capture, tmp_path / "try", "--frames", "0:1").code == 0
    ended = cleanplate("plan", capture, "--out", tmp_path / "try", "--gpus", 1, "--json")
    rates = json.loads(ended.out)["rates"]
    assert ended.code == 0 and rates["frames_per_s"] > 0 and rates["cpu_s"] > 0


def test_the_table_names_what_is_slowest(capture: Path) -> None:
    ended = cleanplate("plan", capture, "--gpus", 1, "--rate", 0.001, "--cpu", 0.1)
    assert ended.code == 0 and "Slowest: devices. About 4.2 h" in ended.out
