from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import ray
import torch
from captures import make_tiny
from ray.cloudpickle import register_pickle_by_value
from ray.exceptions import RayActorError, RayTaskError
from shards import recipe_for, shards_of, worker_settings

from manifests.errors import WeightsRefused
from manifests.records import ShardFailure, ShardSummary
from manifests.storage import LocalFolder
from matting_tasks.actor import MattingActor
from matting_tasks.cluster import is_infrastructure, start_ray, stop_ray
from models.base import Matte
from models.errors import WeightsMissing

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    register_pickle_by_value(sys.modules[__name__])
    start_ray(None, 2)
    yield
    stop_ray()


class Model:
    uses_plate = True
    temporal = False

    def __init__(self, error: Exception | None) -> None:
        self.error = error

    def matte(self, frames: torch.Tensor, plates: torch.Tensor, state: object = None) -> Matte:
        if self.error is not None:
            raise self.error
        return Matte(frames.mean(dim=2), None, None)


def actor_with(tmp_path: Path, error: Exception | None = None, *, refuse: bool = False) -> tuple[object, list[object]]:
    def build(*_: object) -> Model:
        if refuse:
            raise WeightsMissing("no weights here")
        return Model(error)

    capture, recipe = make_tiny(tmp_path / "capture", n_cameras=1), recipe_for("fake")
    actor = MattingActor.remote(worker_settings(capture, tmp_path / "out", recipe, build))
    return actor, shards_of(LocalFolder(capture), recipe)


def test_an_actor_mattes_once_it_is_prepared(tmp_path: Path) -> None:
    actor, (shard,) = actor_with(tmp_path)
    with pytest.raises(RayTaskError, match="prepare"):
        ray.get(actor.matte.remote([shard]))
    assert ray.get(actor.prepare.remote()) is None
    (outcome,) = ray.get(actor.matte.remote([shard]))
    assert isinstance(outcome, ShardSummary) and outcome.by_status == {"ok": 3}
    assert ray.get(actor.rehearse.remote(shard, shard.frames[0], False)) is None
    traffic = ray.get(actor.stop.remote())
    assert {url.rpartition("/")[2]: set(one.requests) for url, one in traffic.items()} == {
        "capture": {"get"},
        "out": {"put"},
    }
    (stopped,) = ray.get(actor.matte.remote([shard]))
    assert isinstance(stopped, ShardFailure) and stopped.kind == "stopped"


def test_a_refusal_of_the_set_up_is_an_answer(tmp_path: Path) -> None:
    actor, _ = actor_with(tmp_path, refuse=True)
    answer = ray.get(actor.prepare.remote())
    assert isinstance(answer, WeightsRefused) and "no weights here" in str(answer)


def test_a_gpu_that_failed_ends_the_process(tmp_path: Path) -> None:
    actor, (shard,) = actor_with(tmp_path, RuntimeError("CUDA error: an illegal memory access was encountered"))
    ray.get(actor.prepare.remote())
    with pytest.raises(RayActorError):
        ray.get(actor.matte.remote([shard]))


def test_another_error_of_the_model_is_an_answer(tmp_path: Path) -> None:
    actor, (shard,) = actor_with(tmp_path, ValueError("odd"))
    ray.get(actor.prepare.remote())
    (outcome,) = ray.get(actor.matte.remote([shard]))
    assert isinstance(outcome, ShardFailure) and outcome.kind == "fault" and "odd" in outcome.message


class Slow(Model):
    """Takes its time for a frame, and says in a file who has begun; at its second frame it may ask for the end."""

    def __init__(self, begun: Path, asks: bool = False) -> None:
        super().__init__(None)
        self.begun = begun
        self.asks = asks

    def matte(self, frames: torch.Tensor, plates: torch.Tensor, state: object = None) -> Matte:
        if self.asks and self.begun.exists():
            sys.exit(0)
        self.begun.write_text(str(os.getpid()))
        time.sleep(0.5)
        return super().matte(frames, plates, state)


def slow_actor(tmp_path: Path, asks: bool = False) -> tuple[object, list[object]]:
    """Return an actor that has a first frame of 60 under way, and the two calls that it works on."""
    capture, recipe = make_tiny(tmp_path / "capture", n_cameras=2, n_frames=60), recipe_for("fake")
    begun = tmp_path / "begun"
    settings = worker_settings(capture, tmp_path / "out", recipe, lambda *_: Slow(begun, asks))
    actor = MattingActor.remote(settings)
    ray.get(actor.prepare.remote())
    calls = [actor.matte.remote([shard]) for shard in shards_of(LocalFolder(capture), recipe)]
    while not begun.exists() or not begun.read_text():
        time.sleep(0.01)
    return actor, calls


def test_a_worker_that_is_terminated_drops_its_shards_and_is_gone_within_seconds(tmp_path: Path) -> None:
    actor, calls = slow_actor(tmp_path)
    pid, started = int((tmp_path / "begun").read_text()), time.monotonic()
    os.kill(pid, signal.SIGTERM)
    for call in calls:
        try:
            (outcome,) = ray.get(call)
            assert isinstance(outcome, ShardFailure) and outcome.kind == "stopped"
        except RayActorError as err:
            assert is_infrastructure(err)
    with pytest.raises(RayActorError) as death:
        ray.get(actor.prepare.remote())
    assert is_infrastructure(death.value)
    psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=10)
    assert not psutil.pid_exists(pid) and time.monotonic() - started < 10
    assert not list((tmp_path / "out").rglob(".cleanplate-*")) and not list((tmp_path / "out").rglob("*.parquet"))


def test_an_exit_inside_the_model_ends_the_process_at_once(tmp_path: Path) -> None:
    _, calls = slow_actor(tmp_path, asks=True)
    started = time.monotonic()
    for call in calls:
        with pytest.raises(RayActorError):
            ray.get(call)
    assert time.monotonic() - started < 10
