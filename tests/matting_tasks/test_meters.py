from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from captures import make_tiny
from fakes import DifferenceModel
from shards import recipe_for, shards_of

from manifests.records import Frame
from manifests.storage import LocalFolder
from matting_tasks.batches import Matted
from matting_tasks.frames import ReadFrame
from matting_tasks.meters import PHASES, Meters
from matting_tasks.plates import Plates
from matting_tasks.shard import Station, matte_shard
from matting_tasks.threads import map_ahead
from models.base import Matte

FRAME = Frame(0, 0, "a.jpg", "image", 1, "f")


class SlowFolder(LocalFolder):
    """A folder that takes its time to read a frame, or to write a mask."""

    read_s = write_s = 0.0

    def read_with_stat(self, path: str) -> object:  # type: ignore[override]
        time.sleep(self.read_s * ("/images/" in path))
        return super().read_with_stat(path)

    def write_atomic(self, path: str, data: bytes) -> None:
        time.sleep(self.write_s * ("mask_" in path))
        super().write_atomic(path, data)


class SlowModel(DifferenceModel):
    """A model that takes its time."""

    seconds = 0.0

    def matte(self, *inputs: torch.Tensor, **options: object) -> Matte:
        time.sleep(self.seconds)
        return super().matte(*inputs, **options)  # type: ignore[arg-type]


def phases_of(tmp_path: Path, read_s: float = 0.0, model_s: float = 0.0, write_s: float = 0.0) -> dict[str, float]:
    """Return the phases of 12 frames where one stage is slow, and how long it took under `all`."""
    capture, out = SlowFolder(make_tiny(tmp_path / "capture", n_cameras=1, n_frames=12)), SlowFolder(tmp_path / "out")
    recipe, model, station = recipe_for(), SlowModel(), Station(n_threads=1)
    (shard,) = shards_of(capture, recipe)
    capture.read_s, model.seconds, out.write_s = read_s, model_s, write_s
    plates = Plates(capture, torch.device("cpu"), torch.float32, recipe.missing_plate)
    started = time.perf_counter()
    matte_shard(shard, model, plates, out, recipe, station)
    assert station.meters.n_matted == 12 and station.meters.depths() == (0, 0, 0)
    return station.meters.phases() | {"all": time.perf_counter() - started}


@pytest.mark.parametrize(
    ("slow", "phase"),
    [({"read_s": 0.06}, "decode"), ({"model_s": 0.06}, "device"), ({"write_s": 0.03}, "encode")],
)
def test_the_slow_stage_has_most_of_the_time(
    tmp_path: Path, threads_as_before: None, slow: dict[str, float], phase: str
) -> None:
    torch.set_num_threads(1)  # two would wait for each other on a machine that others load
    phases = phases_of(tmp_path, **slow)
    whole = phases.pop("all")
    assert max(phases, key=lambda name: phases[name]) == phase
    assert sum(phases.values()) <= whole


def test_waiting_for_a_device_that_is_taken_is_not_the_devices_own_time(
    tmp_path: Path, threads_as_before: None
) -> None:
    torch.set_num_threads(1)
    capture = LocalFolder(make_tiny(tmp_path / "capture", n_cameras=1, n_frames=4))
    recipe, held, free = recipe_for(), Station(n_threads=1), Station(n_threads=1)
    (shard,) = shards_of(capture, recipe)
    plates = Plates(capture, torch.device("cpu"), torch.float32, recipe.missing_plate)
    rest = plates, LocalFolder(tmp_path), recipe
    with ThreadPoolExecutor(1) as thread:
        with plates.slots, plates.slots:  # the CPU has two
            done = thread.submit(matte_shard, shard, SlowModel(), *rest, held)
            while held.meters.depths()[1] == 0:  # until frames are decoded and wait
                time.sleep(0.01)
            time.sleep(0.5)
        done.result()
    matte_shard(shard, SlowModel(), *rest, free)
    assert held.meters.phases()["device_queue"] > 0.4 > free.meters.phases()["device_queue"]


def test_depths_tell_how_far_the_stages_are_ahead_of_each_other() -> None:
    meters = Meters()
    with meters.take(3) as hand:
        read = hand.read(map_ahead(hand.reading(lambda frame: ReadFrame(frame)), [FRAME] * 8, 1, 5))
        matted = hand.matted((0, Matted(frame)) for frame in read)
        next(matted)
        deadline = time.monotonic() + 5
        while meters.depths() != (3, 4, 1) and time.monotonic() < deadline:  # five under way, one was taken
            time.sleep(0.01)
        assert meters.depths() == (3, 4, 1)
        hand.writing(lambda frame: frame)(FRAME)
        assert meters.depths() == (3, 4, 0)
    assert meters.depths() == (0, 0, 0)


def test_frames_with_a_fault_pass_but_are_not_matted() -> None:
    meters = Meters()
    with meters.take(1) as hand:
        list(
            hand.matted(
                iter(
                    [
                        (0, Matted(ReadFrame(FRAME))),
                        (0, Matted(ReadFrame(FRAME), measures={"device_s": 1})),
                    ]
                )
            )
        )
        assert meters.depths()[2] == 2
        assert meters.n_matted == 1 and meters.phases()["device"] == 1.0
    assert meters.n_matted == 1 and meters.phases()["device"] == 1.0


def test_an_error_of_a_stage_goes_through_and_leaves_nothing_in_hand() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise OSError("the disk broke")

    meters = Meters()
    with pytest.raises(OSError, match="the disk broke"), meters.take(1) as hand:
        assert list(hand.written(hand.read(broken())))
    assert meters.depths() == (0, 0, 0) and set(meters.phases()) == set(PHASES)


def test_rows_and_failures_are_counted_from_several_threads() -> None:
    meters = Meters()
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: meters.committed({"ok": 3, "crashed": 1}), range(200)))
        list(threads.map(lambda _: meters.failed("store"), range(50)))
    assert meters.frames() == {"ok": 600, "crashed": 200} and meters.failures() == {"store": 50}
