from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

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
from matting_tasks.cluster import start_ray, stop_ray
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
    assert ray.get(actor.stop.remote()) is True
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
