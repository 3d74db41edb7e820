"""A short version of the scenarios on Ray, a frame that kills whoever reads it, and SIGTERM."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from captures import make_tiny, masks_below
from chaos import ray_stage
from chaos.checking import check
from chaos.ray_kills import (
    REPOSITORY,
    NodesLost,
    OnRay,
    WorkersKilled,
    WorkersTerminated,
    kill_driver,
    n_masks_in,
    start,
)
from chaos.ray_stage import Pace, close_ray_stage, run, size
from chaos.rounds import Scenario
from output_roots import rows_of

from manifests.storage import LocalFolder
from manifests.verify import verify

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600), pytest.mark.filterwarnings("ignore")]

SHORT = {"n_cameras": 2, "n_frames": 64}
POISON = "031/images/0005/image_cam1.jpg"
HERE: dict[str, Any] = {"env": os.environ | {"PYTHONPATH": str(REPOSITORY)}, "timeout": 120}


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    on_sigterm = signal.getsignal(signal.SIGTERM)
    yield
    close_ray_stage()
    signal.signal(signal.SIGTERM, on_sigterm)


@pytest.mark.parametrize(
    ("scenario", "least"),
    [
        pytest.param(
            WorkersKilled("workers", 1, n_deeds=2, every_s=(0.1, 0.5), **SHORT), 1, marks=pytest.mark.slow, id="workers"
        ),
        pytest.param(
            WorkersTerminated("terminated", 1, n_deeds=1, every_s=(0.1, 0.5), kills=False, **SHORT),
            1,
            marks=pytest.mark.slow,
            id="terminated",
        ),
        pytest.param(OnRay("exits", 1, exit_chance=1 / 60, **SHORT), 0, marks=pytest.mark.slow, id="exits"),
        (NodesLost("nodes", 1, n_deeds=1, every_s=(0.1, 0.5), **SHORT), 1),
    ],
    ids=lambda one: getattr(one, "name", ""),
)
def test_nothing_is_lost_corrupt_or_there_twice(scenario: Scenario, least: int, tmp_path: Path) -> None:
    played = scenario.run(1, tmp_path)
    assert played.is_good, played
    assert played.kills + played.faults >= least


IN_PROCESS = """
import os, signal, sys
from flows.cli import main

poison = sys.argv.pop()

def listen(event, words):
    if event == "open" and str(words[0]).endswith(poison):
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(listen)
main()
"""


def test_a_frame_that_kills_whoever_reads_it_ends_a_run_in_process_and_is_a_row_on_ray(tmp_path: Path) -> None:
    capture, out = make_tiny(tmp_path / "capture", n_cameras=2, n_frames=8), tmp_path / "out"
    common = [str(capture), "--out", str(out)]
    listed = subprocess.run([sys.executable, "-m", "flows.cli", "enumerate", *common], **HERE)
    assert listed.returncode == 0
    settings = ["--model", "plate-difference", "--executor", "local", "--quiet", "--no-enumerate"]
    ended = subprocess.run([sys.executable, "-c", IN_PROCESS, "matte", *common, *settings, POISON], **HERE)
    assert ended.returncode == -signal.SIGKILL
    assert not verify(LocalFolder(out), deep=True).damages
    assert ("", "cam1", 5) not in rows_of(out)
    pace = Pace(str(tmp_path / "shown"), str(tmp_path / "exits"), poison=POISON)
    with ray_stage.ray_stage().joined():
        assert run(capture, out, pace).exit_code == 3
        n_shown = size(tmp_path / "shown")
        assert run(capture, out, pace).exit_code == 3
    assert size(tmp_path / "shown") == n_shown, "the second run had nothing to do"
    rows = rows_of(out)
    poisoned = rows.pop(("", "cam1", 5))
    assert poisoned.status == "crashed" and poisoned.error
    assert len(rows) == 15 and {row.status for row in rows.values()} == {"ok"}
    run(capture, tmp_path / "whole", replace(pace, poison=""), on_ray=False)
    wanted = masks_below(tmp_path / "whole")
    for name in ("mask_cam1.jpg", "mask_lowres_cam1.jpg"):
        del wanted[f"031/images/0005/{name}"]
    assert masks_below(out) == wanted
    assert not verify(LocalFolder(out), deep=True).damages


@pytest.mark.slow
def test_a_driver_that_is_killed_then_terminated_leaves_in_time_and_its_run_is_completed(tmp_path: Path) -> None:
    ground = ray_stage.ground(**SHORT)
    out = tmp_path / "out"
    process = start(ground.capture, out, tmp_path)
    wait_for_masks(process, out, 1)
    kill_driver(process, alone=False)
    killed = verify(LocalFolder(out), deep=True)
    assert not killed.damages
    process = start(ground.capture, out, tmp_path)
    wait_for_masks(process, out, n_masks_in(out) + 1)
    process.send_signal(signal.SIGTERM)
    family = psutil.Process(process.pid).children(recursive=True)
    started = time.monotonic()
    assert process.wait(60) == 143
    left_in_s = time.monotonic() - started
    psutil.wait_procs(family, timeout=10)
    assert left_in_s < 10
    found = verify(LocalFolder(out), deep=True)
    assert not found.damages and set(found.leftovers) <= set(killed.leftovers)
    run(ground.capture, out, Pace(str(tmp_path / "shown"), str(tmp_path / "exits")), on_ray=False)
    assert check(LocalFolder(out), ground.tree).are_none


def wait_for_masks(process: subprocess.Popen[bytes], out: Path, n_masks: int) -> None:
    deadline = time.monotonic() + 180
    while n_masks_in(out) < n_masks:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)
