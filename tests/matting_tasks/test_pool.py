from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch
from captures import make_tiny, masks_below
from ray.cloudpickle import register_pickle_by_value
from shards import recipe_for, shards_of, worker_settings

from manifests.errors import WeightsRefused, WorkersDied
from manifests.ledger import read_ledger, read_receipts
from manifests.records import ShardFailure, ShardSummary
from manifests.storage import LocalFolder
from matting_tasks.cluster import start_ray, stop_ray
from matting_tasks.in_process import InProcessPool
from matting_tasks.pool import RayPool
from models.base import Matte

pytestmark = pytest.mark.ray

BLUE = 0.6
"""The mean of the blue channel tells the frame that a fake model shall die of."""


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    register_pickle_by_value(sys.modules[__name__])
    start_ray(None, 2)
    yield
    stop_ray()


class Bright:
    """A model that calls bright pixels the subject, and does `deed` at the frames whose square stands at `deadly`."""

    uses_plate = True
    temporal = False

    def __init__(self, deadly: set[int], deed: str) -> None:
        self.deadly = deadly
        self.deed = deed

    def matte(self, frames: torch.Tensor, plates: torch.Tensor, state: object = None) -> Matte:
        alpha = (frames.mean(dim=2) > BLUE).to(frames.dtype)
        lefts = {int(row.any(dim=0).float().argmax()) for row in alpha[0].bool()}
        if any(abs(left - deadly) <= 1 for left in lefts for deadly in self.deadly):
            if self.deed == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.deed == "exit":
                sys.exit(0)
            raise RuntimeError("the model broke")
        return Matte(alpha, None, None)


def build_with(deadly: set[int], deed: str) -> object:
    return lambda name, parameters, weights, device, precision: Bright(deadly, deed)


def square_at(frame: int, camera: int) -> int:
    return 8 + (3 * frame + 5 * camera) % 30


@pytest.fixture
def folders(tmp_path: Path) -> SimpleNamespace:
    capture = make_tiny(tmp_path / "capture", n_cameras=2, n_frames=6)
    return SimpleNamespace(capture=capture, out=tmp_path / "out", recipe=recipe_for("bright"))


def run(folders: SimpleNamespace, build: object, n_workers: int = 2) -> list[ShardSummary | ShardFailure]:
    pool = RayPool(worker_settings(folders.capture, folders.out, folders.recipe, build), n_workers, 1, 0)
    try:
        return list(pool.matte([one] for one in shards_of(LocalFolder(folders.capture), folders.recipe, grid=3)))
    finally:
        pool.close()


def statuses(folders: SimpleNamespace) -> dict[tuple[str, int], str]:
    return {(row.camera, row.frame): row.status for row in read_receipts(LocalFolder(folders.out), "031")}


def test_pool_writes_the_same_bytes_as_the_in_process_executor(folders: SimpleNamespace, tmp_path: Path) -> None:
    outcomes = run(folders, build_with(set(), ""))
    assert [type(outcome) for outcome in outcomes] == [ShardSummary] * 4
    alone = SimpleNamespace(capture=folders.capture, out=tmp_path / "alone", recipe=folders.recipe)
    pool = InProcessPool(worker_settings(alone.capture, alone.out, alone.recipe, build_with(set(), "")))
    list(pool.matte([one] for one in shards_of(LocalFolder(alone.capture), alone.recipe, grid=3)))
    masks = masks_below(folders.out)
    assert len(masks) == 24
    assert masks == masks_below(alone.out)


@pytest.mark.parametrize("deed", ["kill", "exit"])
def test_pool_leaves_out_only_the_frame_that_kills(folders: SimpleNamespace, deed: str) -> None:
    # camera 1 at frame 5: no other square of either camera is near
    assert sum(abs(square_at(f, c) - 28) <= 1 for f in range(6) for c in range(2)) == 1
    outcomes = run(folders, build_with({28}, deed))
    found = statuses(folders)
    assert found.pop(("cam1", 5)) == "crashed"
    assert set(found.values()) == {"ok"} and len(found) == 11
    assert sum(isinstance(outcome, ShardSummary) for outcome in outcomes) == 4
    assert not (folders.out / "031/images/0005/mask_cam1.jpg").exists()


def test_pool_names_the_shard_when_the_model_raises(folders: SimpleNamespace) -> None:
    outcomes = run(folders, build_with({28}, "raise"))
    failures = [outcome for outcome in outcomes if isinstance(outcome, ShardFailure)]
    assert [(failure.camera, failure.kind) for failure in failures] == [("cam1", "fault")]
    assert "the model broke" in failures[0].message and "Traceback" in failures[0].traceback
    assert len(read_ledger(LocalFolder(folders.out), "031").failed) == 3


def test_pool_finishes_when_workers_are_killed_from_outside(folders: SimpleNamespace) -> None:
    shards = shards_of(LocalFolder(folders.capture), folders.recipe, grid=1)
    pool = RayPool(worker_settings(folders.capture, folders.out, folders.recipe, build_with(set(), "")), 2, 1, 0)
    outcomes = []
    for outcome in pool.matte([one] for one in shards):
        outcomes.append(outcome)
        if len(outcomes) in (2, 6):
            for process in psutil.process_iter(["cmdline"]):
                if "ray::MattingActor" in " ".join(process.info["cmdline"] or []):
                    process.kill()
    pool.close()
    assert all(isinstance(outcome, ShardSummary) for outcome in outcomes) and len(outcomes) == 12
    assert set(statuses(folders).values()) == {"ok"}


def refuse(*_: object) -> object:
    from models.errors import WeightsMissing

    raise WeightsMissing("pytorch_resnet101.pth is not here")


def die(*_: object) -> object:
    os._exit(7)


def test_pool_raises_what_the_set_up_of_a_worker_refuses(folders: SimpleNamespace) -> None:
    with pytest.raises(WeightsRefused, match="pytorch_resnet101.pth is not here"):
        run(folders, refuse)


def leave(*_: object) -> object:
    sys.exit(0)


@pytest.mark.parametrize("build", [die, leave])
def test_pool_gives_up_when_workers_die_at_their_set_up(folders: SimpleNamespace, build: object) -> None:
    with pytest.raises(WorkersDied, match="3 workers in a row"):
        run(folders, build, n_workers=1)


def test_pool_serves_two_callers_at_once(tmp_path: Path) -> None:
    capture = make_tiny(tmp_path / "capture", ("031", "032"), n_frames=4)
    recipe, out = recipe_for("bright"), tmp_path / "out"
    pool = RayPool(worker_settings(capture, out, recipe, build_with(set(), "")), 2, 1, 0)
    done: dict[str, set[str]] = {}

    def work_on(subject: str) -> None:
        shards = shards_of(LocalFolder(capture), recipe, subject, grid=1)
        done[subject] = {outcome.subject for outcome in pool.matte([one] for one in shards)}

    threads = [threading.Thread(target=work_on, args=(subject,)) for subject in ("031", "032")]
    [thread.start() for thread in threads]
    [thread.join(60) for thread in threads]
    pool.close()
    assert done == {"031": {"031"}, "032": {"032"}}


class Slow(Bright):
    def matte(self, frames: torch.Tensor, plates: torch.Tensor, state: object = None) -> Matte:
        time.sleep(0.5)
        return super().matte(frames, plates, state)


def test_close_drops_what_is_in_hand_within_seconds(folders: SimpleNamespace) -> None:
    shards = shards_of(LocalFolder(folders.capture), folders.recipe)
    settings = worker_settings(folders.capture, folders.out, folders.recipe, lambda *_: Slow(set(), ""))
    pool = RayPool(settings, 2, 1, 0)
    threading.Timer(4.0, pool.close).start()
    started = time.monotonic()
    with pytest.raises(InterruptedError):
        list(pool.matte([one] for one in shards * 30))
    pool.close()
    assert time.monotonic() - started < 15
    leftovers = [path for path in folders.out.rglob(".cleanplate-*")]
    assert leftovers == []
