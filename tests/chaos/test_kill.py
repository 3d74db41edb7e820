"""kill -9 of the whole process tree at random moments, and the same command again: the same tree of masks."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from captures import make_tiny, masks_below
from reference_weights import write_reference_checkpoint

from manifests.decisions import Selection
from manifests.plan import camera_statuses, read_plan
from manifests.root import read_root
from manifests.storage import LocalFolder

CLEANPLATE = [sys.executable, "-m", "flows.cli"]


def start(arguments: list[str], home: Path) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PREFECT_HOME": str(home), "PYTHONPATH": str(Path(__file__).parents[2])}
    environment.pop("PREFECT_API_URL", None)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    return subprocess.Popen([*CLEANPLATE, *arguments], env=environment, start_new_session=True, **quiet)  # type: ignore[call-overload, no-any-return]


def kill_tree(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and all that it started; each is stopped first, so that none can start another."""
    root = psutil.Process(process.pid)
    family = [root, *root.children(recursive=True)]
    for member in family:
        member.suspend()
    for member in {*family, *root.children(recursive=True)}:
        member.kill()
    process.wait()


def wait_for_masks(process: subprocess.Popen[bytes], out: Path, n_masks: int) -> None:
    deadline = time.monotonic() + 120
    while len(list(out.glob("*/images/*/mask_*"))) < n_masks and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def run_to_the_end(arguments: list[str], home: Path) -> float:
    started = time.monotonic()
    process = start(arguments, home)
    _, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors.decode()
    return time.monotonic() - started


def kill_at_random_moments(tmp_path: Path, executor: list[str], n_kills: int, seed: int) -> None:
    capture = make_tiny(tmp_path / "capture", ("031", "032"), n_cameras=3, n_frames=130)
    common = ["matte", str(capture), "--model", "plate-difference", "--quiet", *executor]
    seconds = run_to_the_end([*common, "--out", str(tmp_path / "undisturbed")], tmp_path / "home")
    wanted = masks_below(tmp_path / "undisturbed")
    assert len(wanted) == 2 * 2 * 3 * 130
    rng = random.Random(seed)
    n_interrupted = 0
    for round_number in range(n_kills):
        out = tmp_path / f"out{round_number}"
        process = start([*common, "--out", str(out)], tmp_path / "home")
        if round_number % 4 == 0:
            time.sleep(rng.uniform(0.1, 1.0) * seconds)
        else:  # most of a run's time is its start: wait for a random part of its masks
            wait_for_masks(process, out, rng.randrange(len(wanted)))
        if process.poll() is None:
            kill_tree(process)
            n_interrupted += 1
        n_masks, whole = len(masks_below(out)), (out / "_cleanplate/root.json").exists()
        print(f"round {round_number}: killed with {n_masks} of {len(wanted)} masks written, root.json {whole}")
        run_to_the_end([*common, "--out", str(out)], tmp_path / "home")
        assert masks_below(out) == wanted
        assert_books_are_whole(out)
    assert n_interrupted >= n_kills // 2, "the kills came too late to mean anything"


def assert_books_are_whole(out: Path) -> None:
    folder = LocalFolder(out)
    root = read_root(folder)
    assert root is not None
    for subject in ("031", "032"):
        plan = read_plan(folder, subject, [root.decision], Selection(), root.grid)
        assert plan is not None and plan.is_complete
        assert sum(status.n_ok for status in camera_statuses(folder, plan)) == 3 * 130


@pytest.mark.slow
def test_killed_runs_in_process_end_in_the_same_masks(tmp_path: Path) -> None:
    kill_at_random_moments(tmp_path, ["--executor", "local"], n_kills=2, seed=1)


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(1800)
def test_killed_runs_on_ray_and_prefect_end_in_the_same_masks(tmp_path: Path) -> None:
    kill_at_random_moments(tmp_path, ["--workers", "2"], n_kills=10, seed=2)


@pytest.mark.slow
def test_a_replacement_killed_midway_ends_in_the_masks_of_the_new_recipe(tmp_path: Path) -> None:
    capture = make_tiny(tmp_path / "capture", n_cameras=3, n_frames=130)
    weights = write_reference_checkpoint("mattingbase-mobilenetv2", tmp_path / "weights.pth")
    old = ["--model", "plate-difference"]
    new = ["--model", "mattingbase-mobilenetv2", "--weights", str(weights)]
    common = ["matte", str(capture), "--quiet", "--executor", "local"]
    run_to_the_end([*common, *new, "--out", str(tmp_path / "wanted")], tmp_path / "home")
    run_to_the_end([*common, *old, "--out", str(tmp_path / "out")], tmp_path / "home")
    wanted, before = masks_below(tmp_path / "wanted"), masks_below(tmp_path / "out")
    assert all(wanted[path] != before[path] for path in wanted)
    replace = [*common, *new, "--replace", "--out", str(tmp_path / "out")]
    n_interrupted = 0
    for part in (0.1, 0.6):
        process = start(replace, tmp_path / "home")
        while process.poll() is None and n_replaced(tmp_path / "out", before) < part * len(wanted):
            time.sleep(0.05)
        if process.poll() is None:
            kill_tree(process)
            n_interrupted += 1
    assert n_interrupted
    run_to_the_end(replace, tmp_path / "home")
    assert masks_below(tmp_path / "out") == wanted
    assert [path.name for path in (tmp_path / "out/_cleanplate/decisions").iterdir()] == ["1.json"]


def n_replaced(out: Path, before: dict[str, bytes]) -> int:
    return sum(data != before.get(path) for path, data in masks_below(out).items())
