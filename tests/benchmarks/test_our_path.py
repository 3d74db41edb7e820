from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.drawn_capture import Drawn, cached_capture
from benchmarks.machine import ROOT
from benchmarks.our_path import Setting, measure, plan_groups
from benchmarks.phases import DEVICE
from benchmarks.recipes import recipe_by_hand, write_recipe

from manifests.ledger import read_receipts
from manifests.storage import LocalFolder

# a GPU machine may have torch, numpy and OpenCV, and nothing else of what the product depends on
ABSENT = [
    "ray",
    "prefect",
    "pyarrow",
    "fsspec",
    "s3fs",
    "botocore",
    "pydantic",
    "typer",
    "rich",
    "imageio",
    "onnx",
    "av",
]
WITHOUT = """
import runpy, sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {absent!r}:
            raise ModuleNotFoundError("No module named " + name, name=name.split(".")[0])
sys.meta_path.insert(0, Absent())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def setting(tmp_path: Path, **changes: bool) -> Setting:
    capture = cached_capture(tmp_path, Drawn(2, 3, 96, 96))
    recipe = recipe_by_hand("plate-difference", "cpu", "fp32", 1, 1)
    return Setting(capture, tmp_path / "out", recipe, None, "cpu", 2, **changes)


def test_a_capture_is_planned_as_the_main_job_plans_it(tmp_path: Path) -> None:
    one = setting(tmp_path)
    groups = plan_groups(one.capture, one.recipe)
    assert [len(group) for group in groups] == [1, 1]
    assert [shard.n_frames for group in groups for shard in group] == [3, 3]
    assert len(plan_groups(one.capture, one.recipe, grid=1)) == 6


def test_streams_of_a_temporal_model_are_matted_in_lockstep(tmp_path: Path) -> None:
    one = setting(tmp_path)
    recipe = recipe_by_hand("rvm-mobilenetv3", "cpu", "fp32", 2, 1)
    assert [len(group) for group in plan_groups(one.capture, recipe)] == [2]


def test_frames_are_matted_counted_and_timed(tmp_path: Path) -> None:
    one = setting(tmp_path)
    found = measure(one)
    assert found["n_frames"] == 6
    assert found["plates_decoded"] == found["n_cameras"] == 2
    assert found["probes_missing"] == []
    line = sum(found["phases_s"].get(phase, 0) for phase in (*DEVICE, "waiting"))
    assert line == pytest.approx(found["batches_at_once"] / found["frames_per_s"])
    assert len(list(one.out.glob("031/images/*/mask_*.jpg"))) == 12
    assert len(read_receipts(LocalFolder(one.out), "031")) == 6


def test_without_a_network_all_else_is_done(tmp_path: Path) -> None:
    one = setting(tmp_path, without_network=True)
    found = measure(one, warm_up=False)
    assert found["n_frames"] == 6
    assert found["phases_s"]["network"] < 0.5 / found["frames_per_s"]
    assert len(list(one.out.glob("031/images/*/mask_*.jpg"))) == 12


def test_a_frame_that_is_not_ok_is_an_error(tmp_path: Path) -> None:
    one = setting(tmp_path)
    (one.capture / "031" / "images" / "0001" / "image_222200001.jpg").write_bytes(b"no picture")
    with pytest.raises(RuntimeError, match="1 of 3 frames|1 of 6 frames"):
        measure(one, warm_up=False)


def test_the_frame_path_runs_where_there_is_only_torch_and_opencv(tmp_path: Path) -> None:
    one = setting(tmp_path)
    script = ROOT / "tests" / "benchmarks" / "our_path.py"
    words = [script, one.capture, one.out, write_recipe(one.recipe, tmp_path / "recipe.json"), "--device", "cpu"]
    command = [sys.executable, "-c", WITHOUT.format(absent=ABSENT), *map(str, words)]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout.splitlines()[-1])["n_frames"] == 6
    assert len(list(one.out.glob("031/images/*/mask_*.jpg"))) == 12
