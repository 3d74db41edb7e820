from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from captures import make_synth
from command_line import Ended, cleanplate, matte_by_rvm
from nersemble_tree import SEQUENCES, RawTree, make_v2
from output_roots import all_masks, changes, read_levels, rows_of, touched

LAUGH, CHEEKS = SEQUENCES
LAST_DIGITS = 6
"""What 1e-4 of alpha is in levels of a 16-bit mask, rounded down."""
N_FRAMES = 14
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
TREE = RawTree(("031",), n_cameras=3, n_frames=10, distinct=True, mixed=True)


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make three cameras' pictures of a moving head, one longer than the others' chunks."""
    return make_synth(tmp_path_factory.mktemp("moving"), n_cameras=3, n_frames=N_FRAMES, size_px=96)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_v2(tmp_path_factory.mktemp("raw") / "raw", TREE)


@pytest.fixture(scope="module")
def at_once(raw: Path, tmp_path_factory: pytest.TempPathFactory, rvm_weights: Path) -> Path:
    """Matte the raw tree in one run; tests must leave it as it is."""
    out = tmp_path_factory.mktemp("at-once") / "out"
    assert in_pairs(raw, out, rvm_weights).code == 0
    return out


def in_pairs(raw: Path, out: Path, weights: Path, *words: object) -> Ended:
    """Matte with two cameras a step, so that the last one of three has a step of its own."""
    return matte_by_rvm(raw, out, weights, "--batch-size", 2, "--format", "png16", *words)


def command(raw: Path, out: Path, weights: Path, *words: object) -> list[str]:
    """Return the command that mattes as `in_pairs` does, for a process of its own."""
    known = ["--model", "rvm-mobilenetv3", "--weights", weights, "--warmup", 2, "--batch-size", 2, "--format", "png16"]
    return [sys.executable, "-m", "flows.cli", "matte", *map(str, (raw, "--out", out, *known, *words))]


def levels_of(out: Path) -> dict[str, np.ndarray]:
    return {
        str(path.relative_to(out)): read_levels(path).astype(int)
        for path in sorted(out.rglob("mask_*"))
        if "lowres" not in path.name
    }


def seam(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray], frame: int) -> int:
    """Return the largest difference of any camera's masks of a frame, in levels."""
    return max(int(np.abs(found[path] - wanted[path]).max()) for path in wanted if f"/{frame:04d}/" in path)


@pytest.fixture(scope="module")
def unsplit(moving: Path, tmp_path_factory: pytest.TempPathFactory, rvm_weights: Path) -> dict[str, np.ndarray]:
    out = tmp_path_factory.mktemp("unsplit")
    assert matte_by_rvm(moving, out, rvm_weights, "--format", "png16", "--chunk", 4).code == 0
    return levels_of(out)


@pytest.mark.parametrize("words", [("--chunk", 1), ("--chunk", 12), ("--batch-size", 3), ("--batch-size", 2)])
def test_chunks_and_batches_of_cameras_give_the_same_alphas(
    moving: Path, tmp_path: Path, rvm_weights: Path, unsplit: dict[str, np.ndarray], words: tuple[object, ...]
) -> None:
    assert matte_by_rvm(moving, tmp_path, rvm_weights, "--format", "png16", *words).code == 0
    found = levels_of(tmp_path)
    assert len(found) == 3 * N_FRAMES and found.keys() == unsplit.keys()
    assert max(seam(found, unsplit, frame) for frame in range(N_FRAMES)) <= LAST_DIGITS


def test_the_memory_of_a_stream_tells(
    moving: Path, tmp_path: Path, rvm_weights: Path, unsplit: dict[str, np.ndarray]
) -> None:
    """Each frame for itself gives other alphas: so the tests around this one can fail."""
    assert matte_by_rvm(moving, tmp_path, rvm_weights, "--format", "png16", "--split", 1, "--lead-in", 0).code == 0
    found = levels_of(tmp_path)
    assert seam(found, unsplit, 0) <= LAST_DIGITS
    assert min(seam(found, unsplit, frame) for frame in range(1, N_FRAMES)) > 100 * LAST_DIGITS


def test_a_split_stream_is_whole_and_its_seam_closes_with_the_lead_in(
    moving: Path, tmp_path: Path, rvm_weights: Path, unsplit: dict[str, np.ndarray]
) -> None:
    seams = []
    for lead_in in (0, 3, 7):
        out = tmp_path / f"{lead_in}"
        words = "--format", "png16", "--split", 7, "--lead-in", lead_in
        assert matte_by_rvm(moving, out, rvm_weights, *words).code == 0
        found = levels_of(out)
        assert found.keys() == unsplit.keys()
        assert max(seam(found, unsplit, frame) for frame in range(7)) <= LAST_DIGITS
        seams.append(seam(found, unsplit, 7))
        rows = rows_of(out)
        assert len(rows) == 3 * N_FRAMES and set(Counter(row.shard_id for row in rows.values()).values()) == {7}
    assert seams[0] > 2 * seams[1] > 10 * LAST_DIGITS
    assert seams[2] <= LAST_DIGITS  # a lead-in that reaches the start is the whole stream's memory


def test_part_of_a_split_stream_and_then_the_rest_give_the_bytes_of_one_run(
    raw: Path, tmp_path: Path, rvm_weights: Path
) -> None:
    split = "--split", 4, "--lead-in", 2
    assert in_pairs(raw, tmp_path / "wanted", rvm_weights, *split).code == 0
    part = in_pairs(raw, tmp_path / "out", rvm_weights, *split, "--frames", "5:6", "--sequences", LAUGH)
    assert part.code == 0 and "12 frames matted" in part.out
    assert {key[2] for key in rows_of(tmp_path / "out")} == {4, 5, 6, 7}
    before = touched(tmp_path / "out")
    assert in_pairs(raw, tmp_path / "out", rvm_weights, *split).code == 0
    assert before.items() <= {**before, **touched(tmp_path / "out")}.items()
    assert all_masks(tmp_path / "out") == all_masks(tmp_path / "wanted")


def test_cameras_in_any_order_give_the_bytes_of_one_run(
    raw: Path, tmp_path: Path, rvm_weights: Path, at_once: Path
) -> None:
    first, second, third = TREE.cameras
    for cameras in (third, f"{second},{first}"):
        words = "--cameras", cameras, "--sequences", CHEEKS
        assert in_pairs(raw, tmp_path, rvm_weights, *words).code == 0
    assert {key[1] for key in rows_of(tmp_path)} == set(TREE.cameras)
    assert in_pairs(raw, tmp_path, rvm_weights, "--cameras", second).code == 0
    assert in_pairs(raw, tmp_path, rvm_weights).code == 0
    assert all_masks(tmp_path) == all_masks(at_once)


def test_a_stream_does_not_depend_on_its_place_or_its_neighbours(tmp_path: Path, rvm_weights: Path) -> None:
    """The three cameras show the same video here, and one of them stops early."""
    tree = replace(TREE, sequences=(LAUGH,), distinct=False, mixed=False)
    capture = make_v2(tmp_path / "raw", tree)
    assert matte_by_rvm(capture, tmp_path / "out", rvm_weights, "--batch-size", 3).code == 0
    masks = all_masks(tmp_path / "out")
    by_camera = [[masks[path] for path in sorted(masks) if camera in path] for camera in tree.cameras]
    assert by_camera[0] == by_camera[1] == by_camera[2] and len(set(by_camera[0])) > tree.n_frames


@pytest.mark.ray
def test_workers_on_ray_give_the_bytes_of_this_process(
    raw: Path, tmp_path: Path, rvm_weights: Path, at_once: Path
) -> None:
    # in a process of its own: Prefect's sender of events stays with the first server that a process has
    ended = subprocess.run(command(raw, tmp_path, rvm_weights, "--workers", 2), env=ENVIRONMENT, timeout=200)
    assert ended.returncode == 0
    assert all_masks(tmp_path) == all_masks(at_once)


def test_a_stream_killed_in_the_middle_is_redone_to_the_same_bytes(
    raw: Path, tmp_path: Path, rvm_weights: Path, at_once: Path
) -> None:
    words = command(raw, tmp_path, rvm_weights, "--executor", "local", "--quiet")
    process = subprocess.Popen(words, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while len(all_masks(tmp_path)) < 5 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    process.kill()
    assert process.wait() == -9
    n_written = len(all_masks(tmp_path))
    assert 5 <= n_written < len(all_masks(at_once)), "the kill came too early or too late to mean anything"
    assert in_pairs(raw, tmp_path, rvm_weights).code == 0
    assert all_masks(tmp_path) == all_masks(at_once)


def test_reprocess_redoes_some_frames_of_a_stream_to_the_same_bytes(
    raw: Path, tmp_path: Path, rvm_weights: Path, at_once: Path
) -> None:
    assert in_pairs(raw, tmp_path, rvm_weights).code == 0
    before = touched(tmp_path)
    words = "--subject", "031", "--frames", "6:9", "--sequences", LAUGH, "--executor", "local"
    ended = cleanplate("reprocess", tmp_path, *words, "--weights", rvm_weights)
    assert ended.code == 0 and "9 frames matted" in ended.out, ended.out + ended.err
    written = changes(before, touched(tmp_path))
    assert len(written) == 2 * 9 and all(LAUGH in path and int(path[-10:-4]) in (6, 7, 8) for path in written)
    assert all_masks(tmp_path) == all_masks(at_once)
    assert {row.decision for key, row in rows_of(tmp_path).items() if key[0] == LAUGH and key[2] in (6, 7, 8)} == {1}
    assert "Nothing to do" in in_pairs(raw, tmp_path, rvm_weights).out


def test_frames_that_another_model_had_meanwhile_come_back_to_the_same_bytes(
    raw: Path, tmp_path: Path, rvm_weights: Path, at_once: Path
) -> None:
    assert in_pairs(raw, tmp_path, rvm_weights).code == 0
    before = all_masks(tmp_path)
    some = "--subject", "031", "--frames", "4:7", "--executor", "local"
    assert cleanplate("reprocess", tmp_path, *some, "--model", "plate-difference").code == 0
    other = {path for path, data in all_masks(tmp_path).items() if data != before[path]}
    assert {int(path[-10:-4]) for path in other} == {4, 5, 6} and len(other) == 2 * 3 * 3 * 2
    assert "Nothing to do" in in_pairs(raw, tmp_path, rvm_weights, "--frames", ":4").out
    again = "--model", "rvm-mobilenetv3", "--weights", rvm_weights, "--warmup", 2, "--batch-size", 2
    assert cleanplate("reprocess", tmp_path, *some, *again).code == 0
    assert all_masks(tmp_path) == all_masks(at_once)


def test_reprocess_changes_the_lead_in_of_a_split_stream_and_keeps_the_rest(
    moving: Path, tmp_path: Path, rvm_weights: Path, unsplit: dict[str, np.ndarray]
) -> None:
    words = "--format", "png16", "--split", 7, "--lead-in", 0
    assert matte_by_rvm(moving, tmp_path, rvm_weights, *words).code == 0
    assert seam(levels_of(tmp_path), unsplit, 7) > 100 * LAST_DIGITS
    some = "--subject", "031", "--executor", "local", "--weights", rvm_weights
    assert cleanplate("reprocess", tmp_path, *some, "--lead-in", 7).code == 0
    assert seam(levels_of(tmp_path), unsplit, 7) <= LAST_DIGITS
