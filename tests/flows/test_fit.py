"""Fitting from the command line: what is written, gone on with, used and refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from captures import make_tiny, masks_below
from command_line import Ended, cleanplate
from fits import MODEL, TINY, fit_tiny, sha256s
from reference_weights import write_reference_checkpoint

from matting_tasks.fit.alone import alone
from matting_tasks.fit.curve import read_curve
from models.safetensors_file import read_safetensors


@dataclass(frozen=True)
class Done:
    """A fit that has ended: the capture, its folder, and how the command ended."""

    capture: Path
    out: Path
    ended: Ended


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    folder = tmp_path_factory.mktemp("fit")
    capture = make_tiny(folder / "capture")
    return Done(capture, folder / "rig", fit_tiny(folder / "rig", "--capture", capture))


def test_a_fit_writes_weights_with_their_entry_card_curves_and_pictures(done: Done) -> None:
    assert done.ended.code == 0, done.ended.err
    files = sha256s(done.out)
    entry = json.loads((done.out / "weights.json").read_text())
    assert entry["file"] == f"{MODEL}.safetensors" and entry["sha256"] == files[entry["file"]]
    card = (done.out / "card.md").read_text()
    assert entry["sha256"] in card and "Began from scratch. 4 steps" in card and "| plates | 2 |" in card
    assert f"{MODEL}, fitted" in card and "plate-difference" in card
    assert [row.step for row in read_curve(done.out / "curve.csv") if "loss/total" in row.numbers] == [1, 2, 3, 4]
    for name in ("curves.png", "held-out.png", "pictures/0000000-base.png", "pictures/0000004-base.png"):
        assert cv2.imread(str(done.out / name)).shape[1] > 300, name
    assert any(name.startswith("events/events.out.tfevents") for name in files)


def test_a_fit_says_what_it_does_and_where_to_look(done: Done) -> None:
    said = done.ended.out
    assert f"Fitting {MODEL} from scratch: stage base, 4 steps on cpu in fp32" in said
    assert f"2 plates of {done.capture}" in said and "stage base, after 4 steps: MAD " in said
    assert "MAD x 1e-3 on held-out pairs (unknown region): after " in said and "card.md" in said
    assert f"--model {MODEL} --weights {done.out}" in said


def test_what_was_fitted_mattes_the_capture(done: Done, tmp_path: Path) -> None:
    words = ("--model", MODEL, "--weights", done.out, "--executor", "local", "--check", "off")
    ended = cleanplate("matte", done.capture, "--out", tmp_path / "out", *words)
    assert ended.code == 0, ended.err
    assert len([name for name in masks_below(tmp_path / "out") if "lowres" not in name]) == 6
    entry = json.loads((done.out / "weights.json").read_text())
    assert any(entry["sha256"] in path.read_text() for path in (tmp_path / "out/_cleanplate").rglob("*.json"))


def test_the_same_command_again_does_nothing(done: Done) -> None:
    before = sha256s(done.out)
    again = fit_tiny(done.out, "--capture", done.capture)
    assert again.code == 0 and "nothing is to do" in again.out and "stage base" not in again.out
    assert f"--weights {done.out}" in again.out and sha256s(done.out) == before


def test_what_was_lost_of_a_fit_is_written_again_the_same(done: Done) -> None:
    before = sha256s(done.out)
    (done.out / f"{MODEL}.safetensors").write_bytes(b"cut")
    again = fit_tiny(done.out, "--capture", done.capture)
    assert again.code == 0 and "step 1 of" not in again.out
    assert {name: sha for name, sha in sha256s(done.out).items() if "safetensors" in name or "last.pt" in name} == {
        name: sha for name, sha in before.items() if "safetensors" in name or "last.pt" in name
    }


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--steps", 5), "steps 4 -> 5"),
        (("--examples", 3), "examples 2 -> 3"),
        (("--seed", 1), "seed 0 -> 1"),
        (("--cameras", "cam1"), "plates ["),
    ],
)
def test_other_settings_in_the_same_folder_are_refused_by_name(
    done: Done, words: tuple[object, ...], named: str
) -> None:
    before = sha256s(done.out)
    ended = fit_tiny(done.out, "--capture", done.capture, *words)
    assert ended.code == 4 and "other settings" in ended.err and named in ended.err, ended.err
    assert sha256s(done.out) == before


def test_a_second_fit_in_a_folder_is_refused_while_the_first_is_at_work(done: Done) -> None:
    with alone(done.out):
        ended = fit_tiny(done.out, "--capture", done.capture)
    assert ended.code == 4 and "another fit is at work" in ended.err, ended.err


def test_settings_that_teach_nothing_else_may_change(done: Done) -> None:
    ended = fit_tiny(done.out, "--capture", done.capture, "--validate-every", 7, "--processes", 1)
    assert ended.code == 0 and "nothing is to do" in ended.out, ended.err


@pytest.mark.slow
def test_a_base_network_becomes_the_base_of_a_refiner(done: Done, tmp_path: Path) -> None:
    words = ("--from", done.out, "--stages", "refine", "--steps", 2)
    ended = fit_tiny(tmp_path / "refined", *words, model="mattingrefine-mobilenetv2")
    assert ended.code == 0, ended.err
    assert "(unknown region): before " in ended.out and "has not learned" not in ended.out
    card = (tmp_path / "refined/card.md").read_text()
    assert "| before training |" in card and f"Began from {MODEL}.safetensors" in card
    state = read_safetensors(tmp_path / "refined/mattingrefine-mobilenetv2.safetensors")
    base = read_safetensors(done.out / f"{MODEL}.safetensors")
    near = [
        torch.allclose(state[key].float(), base[key].float(), atol=2e-3)
        for key in base
        if "running" not in key and "num_" not in key
    ]
    assert np.mean(near) > 0.9 and any(key.startswith("refiner.") for key in state)


@pytest.mark.slow
def test_a_stage_that_is_left_out_is_told(tmp_path: Path) -> None:
    words = ("--stages", "base", "--steps", 1)
    ended = fit_tiny(tmp_path / "base", *words, model="mattingrefine-mobilenetv2")
    assert ended.code == 0 and "has not learned refine and refiner yet" in ended.out
    assert f"--from {tmp_path}/base" in ended.out
    ended = fit_tiny(tmp_path / "more", *words, "--from", tmp_path / "base", model="mattingrefine-mobilenetv2")
    assert ended.code == 0 and f"--stages refine --from {tmp_path}/more" in ended.out
    words = ("--stages", "refiner", "--steps", 1, "--from", tmp_path / "more")
    ended = fit_tiny(tmp_path / "last", *words, model="mattingrefine-mobilenetv2")
    assert ended.code == 0 and "Its refiner learned on layers" not in ended.out


@pytest.mark.slow
def test_minutes_become_a_number_of_steps_that_stays(tmp_path: Path) -> None:
    words = ("--minutes", 0.001, "--out", tmp_path / "short")
    ended = fit_tiny(tmp_path / "short", *words)
    assert ended.code == 0 and "0.001 minutes" in ended.out, ended.err
    rows = read_curve(tmp_path / "short/curve.csv")
    assert rows[-1].step == 12 and "Began from scratch. 12 steps" in (tmp_path / "short/card.md").read_text()
    assert "nothing is to do" in fit_tiny(tmp_path / "short", *words).out


def test_settings_come_from_a_file_and_the_command_line_wins(tmp_path: Path) -> None:
    config = tmp_path / "fit.toml"
    config.write_text(f'model = "{MODEL}"\nfrom = "scratch"\nsteps = 3\nseed = 5\nsize = "64:64"\n')
    few = ("--steps", 1, "--held-out", 1, "--processes", 0, "--examples", 2, "--device", "cpu", "--precision", "fp32")
    ended = cleanplate("fit", "--config", config, "--out", tmp_path / "out", *few)
    assert ended.code == 0, ended.err
    card = (tmp_path / "out/card.md").read_text()
    assert "Began from scratch. 1 steps" in card and "seed 5" in card


def test_a_foreground_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    for folder, colour in (("fg", (60, 120, 200)), ("alpha", (255, 255, 255))):
        (tmp_path / "people" / folder).mkdir(parents=True)
        for name, side in (("good", 96), ("broken", 48 if folder == "fg" else 96)):
            picture = np.zeros((side, side, 3), np.uint8)
            picture[side // 4 :, side // 4 : side // 2] = colour
            cv2.imwrite(str(tmp_path / "people" / folder / f"{name}.png"), picture)
    ended = fit_tiny(tmp_path / "out", "--foregrounds", tmp_path / "people", "--steps", 1)
    assert ended.code == 0, ended.err
    told = [line for line in (ended.out + ended.err).splitlines() if "broken" in line]
    assert len(told) == 1 and "48x48" in told[0] and "is not learned from" in told[0]
    assert "| foregrounds | 1 |" in (tmp_path / "out/card.md").read_text()


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("--model", "plate-difference"), "mattingrefine-*"),
        (("--model", "mattingbase-mobilenet"), "Did you mean mattingbase-mobilenetv2"),
        (("--stages", "full"), "this model has base"),
        (("--from", "nowhere.pth"), "nowhere.pth: there is no such file"),
        (("--model", "rvm-mobilenetv3", "--from", "imagenet"), "is a MobileNetV2 backbone"),
        (("--size", "10:20"), "--size: LEAST:MOST"),
        (("--size", "300:200"), "--size: LEAST:MOST"),
        (("--steps", "1", "--minutes", "1"), "leave one out"),
        (("--examples", "1"), "--examples 2 or more"),
        (("--parameter", "refine_mode"), "key=value"),
        (("--parameter", "refine_mode=full"), "has no parameter 'refine_mode'"),
        (("--pictures", "empty"), "found none"),
        (("--foregrounds", "gone"), "gone"),
        (("--capture", "gone"), "gone"),
        (("--out", "s3://lab/fit"), "local files"),
        (("--out", "text"), "text is a file"),
        (("--out", "text/below"), "lies in one"),
        (("--compare", "best"), "best"),
        (("--config", "text"), "not TOML"),
    ],
)
def test_what_cannot_be_done_is_a_usage_error_that_says_what_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], wanted: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("text").write_text("this is text")
    model = MODEL if "--model" not in words else words[words.index("--model") + 1]
    ended = fit_tiny("out", *words, model=model)
    assert ended.code == 2 and wanted in " ".join(ended.err.replace("│", " ").split()), ended.err
    assert not Path("out/state").exists()


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    other = write_reference_checkpoint("rvm-mobilenetv3", tmp_path / "rvm.pth")
    ended = fit_tiny(tmp_path / "out", "--from", other)
    assert ended.code == 4 and "this file fits rvm-mobilenetv3" in ended.err, ended.err
    other.write_bytes(b"no weights")
    assert fit_tiny(tmp_path / "out", "--from", other).code == 4
    (tmp_path / "folder").mkdir()
    assert "weights.json" in fit_tiny(tmp_path / "out", "--from", tmp_path / "folder").err


def test_a_disk_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/plates").write_text("in the way")
    ended = fit_tiny(tmp_path / "out", "--capture", make_tiny(tmp_path / "capture"))
    assert ended.code == 1 and "plates" in ended.err and "Run the same command again" in ended.err


@pytest.mark.slow
def test_ctrl_c_saves_the_state_and_the_same_command_goes_on(tmp_path: Path) -> None:
    out, words = tmp_path / "out", [*map(str, (*TINY, "--steps", 12, "--model", MODEL))]
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "fit", "--out", str(out), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    deadline = time.monotonic() + 240
    while not any("loss/total" in row.numbers for row in read_curve(out / "curve.csv")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Stopping as soon as" in said and "run the same command again to go on" in said and "Traceback" not in said
    n_done = read_curve(out / "curve.csv")[-1].step
    assert 0 < n_done < 12 and (out / "state/last.pt").is_file() and not (out / "card.md").exists()
    ended = cleanplate("fit", "--out", out, *words)
    assert ended.code == 0, ended.err
    rows = [row.step for row in read_curve(out / "curve.csv") if "loss/total" in row.numbers]
    assert rows == [*range(1, 13)] and f"step {n_done + 1} of 12" in ended.out
