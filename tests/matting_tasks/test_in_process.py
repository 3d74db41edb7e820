from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes import RedModel, draw_picture, make_recipe, put_shard, to_jpeg, with_sizes, write_folder
from torch import Tensor

from manifests.errors import WeightsRefused
from manifests.records import Shard, ShardFailure, ShardSummary
from manifests.storage_memory import MemoryFolder
from matting_tasks.in_process import InProcessPool
from matting_tasks.worker import WorkerSettings
from models.base import Matte, MattingModel

pytestmark = pytest.mark.usefixtures("threads_as_before")


def put_shards(root: Path, n_shards: int, changed: int | None = None) -> list[Shard]:
    """Put a capture of so many shards of three frames on a disk; the files of one may be changed since."""
    memory, shards = MemoryFolder(), []
    for number in range(n_shards):
        pictures = [to_jpeg(draw_picture(10 * number + frame)) for frame in range(3)]
        shard = put_shard(memory, pictures, camera=f"cam{number}")
        shards.append(with_sizes(shard))
    if changed is not None:
        memory.files[shards[changed].frames[1].path] += b"more"
    write_folder(memory, root / "capture")
    return shards


def pool_of(root: Path, model: MattingModel) -> InProcessPool:
    capture, out = str(root / "capture"), str(root / "out")
    return InProcessPool(WorkerSettings(make_recipe(), None, capture, out, "cpu", build=lambda *arguments: model))


def test_outcomes_come_in_order_and_a_failure_does_not_stop_the_rest(tmp_path: Path) -> None:
    shards = put_shards(tmp_path, 5, changed=2)
    outcomes = list(pool_of(tmp_path, RedModel()).matte([one] for one in shards))
    assert [outcome.shard_id for outcome in outcomes] == [shard.shard_id for shard in shards]
    assert [type(outcome) for outcome in outcomes] == [
        ShardSummary,
        ShardSummary,
        ShardFailure,
        ShardSummary,
        ShardSummary,
    ]
    assert isinstance(outcomes[2], ShardFailure)
    assert outcomes[2].kind == "changed"
    assert len(list((tmp_path / "out").rglob("*.parquet"))) == 4


def test_shards_are_taken_only_as_there_are_hands(tmp_path: Path) -> None:
    taken: list[str] = []

    def shards() -> Iterator[Shard]:
        for shard in put_shards(tmp_path, 6):
            taken.append(shard.shard_id)
            yield shard

    pool = pool_of(tmp_path, RedModel())
    for n_done, _ in enumerate(pool.matte([one] for one in shards()), 1):
        assert len(taken) - n_done <= 2
    assert len(taken) == 6


def test_a_closed_pool_lets_go_of_what_is_in_its_hands(tmp_path: Path) -> None:
    started, released = threading.Event(), threading.Event()

    class Waiting(RedModel):
        def matte(self, frames: Tensor, plates: Tensor | None, state: object = None) -> Matte:
            started.set()
            assert released.wait(20)
            return super().matte(frames, plates, state)

    pool = pool_of(tmp_path, Waiting())
    outcomes: list[object] = []
    shards = put_shards(tmp_path, 3)
    thread = threading.Thread(target=lambda: outcomes.extend(pool.matte([one] for one in shards)), daemon=True)
    thread.start()
    assert started.wait(20)
    closing = threading.Thread(target=pool.close, daemon=True)
    closing.start()
    closing.join(0.2)
    released.set()
    closing.join(20)
    thread.join(20)
    assert not closing.is_alive() and not thread.is_alive()
    assert [outcome.kind for outcome in outcomes if isinstance(outcome, ShardFailure)] == ["stopped"] * 3
    assert not list(tmp_path.rglob("*.parquet"))


def test_weights_that_are_missing_are_refused_before_any_shard(tmp_path: Path) -> None:
    recipe = make_recipe("mattingbase-mobilenetv2", uses_plate=True)
    with pytest.raises(WeightsRefused):
        InProcessPool(WorkerSettings(recipe, None, str(tmp_path), str(tmp_path), "cpu"))


def test_requests_of_the_worker_are_counted_by_store(tmp_path: Path) -> None:
    shards = put_shards(tmp_path, 2)
    pool = pool_of(tmp_path, RedModel())
    list(pool.matte([one] for one in shards))
    pool.close()
    traffic = pool.traffic()
    assert traffic[str(tmp_path / "capture")].requests == {"get": 6}
    assert traffic[str(tmp_path / "out")].requests["put"] == 2 * (6 + 1)
