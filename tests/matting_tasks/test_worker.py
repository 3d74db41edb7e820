from __future__ import annotations

import errno
import importlib.metadata
import pickle
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import (
    CAMERA,
    DifferenceModel,
    RedModel,
    draw_picture,
    make_recipe,
    put_shard,
    to_jpeg,
    to_png,
    with_sizes,
    write_folder,
)
from reference_weights import write_reference_checkpoint
from torch import Tensor

from manifests.errors import DeviceFault, Fault, WeightsRefused
from manifests.recipe import Numerics, Recipe
from manifests.records import Shard, ShardFailure, ShardSummary
from manifests.storage import LocalFolder
from manifests.storage_memory import MemoryFolder
from manifests.tables import read_rows
from matting_tasks.masks import encode_mask, to_lowres
from matting_tasks.worker import Worker, WorkerSettings
from models.base import Matte, MattingModel
from models.registry import build_for_masks

pytestmark = pytest.mark.usefixtures("threads_as_before")


class Failing(RedModel):
    """Raise an error at the first frame."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def matte(self, frames: Tensor, plates: Tensor | None, state: object = None) -> Matte:
        raise self.error


class Waiting(RedModel):
    """Say when a frame is matted, and wait for leave to go on."""

    def __init__(self) -> None:
        self.started, self.released = threading.Event(), threading.Event()

    def matte(self, frames: Tensor, plates: Tensor | None, state: object = None) -> Matte:
        self.started.set()
        assert self.released.wait(20)
        return super().matte(frames, plates, state)


def put_on_disk(root: Path, n_frames: int = 5, plate: bytes | None = None) -> Shard:
    """Make a capture of one shard in `root / "capture"`."""
    memory = MemoryFolder()
    shard = put_shard(memory, [to_jpeg(draw_picture(seed)) for seed in range(n_frames)], plate)
    write_folder(memory, root / "capture")
    return with_sizes(shard)


def settings_for(
    root: Path, model: MattingModel, recipe: Recipe | None = None, out: Path | None = None
) -> WorkerSettings:
    return WorkerSettings(
        recipe=recipe or make_recipe(uses_plate=model.uses_plate),
        weights=None,
        capture_url=str(root / "capture"),
        out_url=str(out or root / "out"),
        device="cpu",
        build=lambda *arguments: model,
    )


def outcome_of(root: Path, model: MattingModel, recipe: Recipe | None = None, out: Path | None = None) -> ShardFailure:
    outcome = Worker(settings_for(root, model, recipe, out)).matte([put_on_disk(root)])[0]
    assert isinstance(outcome, ShardFailure)
    return outcome


def receipts_below(root: Path) -> list[Path]:
    return sorted(root.rglob("*.parquet"))


def test_a_shard_is_matted_and_committed(tmp_path: Path) -> None:
    shard = put_on_disk(tmp_path)
    outcome = Worker(settings_for(tmp_path, RedModel())).matte([shard])[0]
    assert isinstance(outcome, ShardSummary)
    assert outcome.by_status == {"ok": 5}
    assert len(list((tmp_path / "out").rglob("mask_*.jpg"))) == 10
    (receipt,) = receipts_below(tmp_path)
    _, meta = read_rows(receipt.read_bytes(), str(receipt))
    assert meta["worker"] == outcome.worker
    assert meta["versions"]["torch"] == importlib.metadata.version("torch")


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "full", "Make room and run the same command again"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "full", "Make room"),
        (OSError(errno.EIO, "Input/output error"), "store", "the store failed: .*Input/output error"),
        (PermissionError(errno.EACCES, "Permission denied"), "store", "Permission denied"),
        (TimeoutError("no answer"), "store", "no answer"),
        (torch.OutOfMemoryError("CUDA out of memory"), "memory", "batches of 8 frames: try --batch-size 4"),
        (RuntimeError("CUDA error: an illegal memory access"), "device", "the GPU failed.*illegal memory access"),
        (InterruptedError("told to stop"), "stopped", "stopped"),
        (RuntimeError("shapes differ"), "fault", "RuntimeError: shapes differ"),
        (Fault("31 is not 32. Do this."), "fault", "^31 is not 32. Do this.$"),
    ],
)
def test_a_failure_is_sorted_and_says_what_to_do(tmp_path: Path, error: Exception, kind: str, said: str) -> None:
    failure = outcome_of(tmp_path, Failing(error), make_recipe(batch=8))
    assert failure.kind == kind
    assert_matches(said, failure.message)
    assert receipts_below(tmp_path) == []


def test_a_batch_of_one_is_not_to_be_halved(tmp_path: Path) -> None:
    failure = outcome_of(tmp_path, Failing(torch.OutOfMemoryError("no")), make_recipe(batch=1))
    assert "--batch-size 0" not in failure.message


@pytest.mark.parametrize("where", ["torch", "numpy"])
def test_memory_that_runs_out_on_a_cpu_is_sorted_as_memory(tmp_path: Path, where: str) -> None:
    class Greedy(RedModel):
        def matte(self, frames: Tensor, plates: Tensor | None, state: object = None) -> Matte:
            _ = torch.empty(1 << 60, dtype=torch.uint8) if where == "torch" else np.empty(1 << 60, np.uint8)
            return super().matte(frames, plates, state)

    assert outcome_of(tmp_path, Greedy()).kind == "memory"


def test_a_failure_names_its_shard_and_keeps_the_traceback(tmp_path: Path) -> None:
    failure = outcome_of(tmp_path, Failing(ValueError("deep inside")))
    assert (failure.subject, failure.camera, failure.n_frames) == ("031", CAMERA, 5)
    assert failure.shard_id == put_on_disk(tmp_path).shard_id
    assert "raise self.error" in failure.traceback
    assert failure.traceback.rstrip().endswith("ValueError: deep inside")
    assert failure.worker


def test_an_input_that_changed_is_sorted_and_says_to_run_again(tmp_path: Path) -> None:
    shard = put_on_disk(tmp_path)
    worker = Worker(settings_for(tmp_path, RedModel()))
    with open(tmp_path / "capture" / shard.frames[2].path, "ab") as file:
        file.write(b"more")
    failure = worker.matte([shard])[0]
    assert isinstance(failure, ShardFailure)
    assert failure.kind == "changed"
    assert_matches(f"{shard.frames[2].path} changed .* Run the same command again", failure.message)
    assert receipts_below(tmp_path) == []


def test_an_output_that_cannot_be_written_is_a_failure_of_the_store(tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("in the way")
    failure = outcome_of(tmp_path, RedModel(), out=tmp_path / "a file" / "out")
    assert failure.kind == "store"
    assert "a file" in failure.message


def test_other_shards_go_on_after_one_failed(tmp_path: Path) -> None:
    class FailsOnce(RedModel):
        failed = False

        def matte(self, frames: Tensor, plates: Tensor | None, state: object = None) -> Matte:
            if not self.failed:
                self.failed = True
                raise ValueError("once")
            return super().matte(frames, plates, state)

    shard = put_on_disk(tmp_path)
    worker = Worker(settings_for(tmp_path, FailsOnce()))
    assert isinstance(worker.matte([shard])[0], ShardFailure)
    assert isinstance(worker.matte([shard])[0], ShardSummary)


def test_an_exit_of_the_model_is_not_swallowed(tmp_path: Path) -> None:
    class Leaves(RedModel):
        def matte(self, frames: Tensor, plates: Tensor | None, state: object = None) -> Matte:
            raise SystemExit(3)

    with pytest.raises(SystemExit):
        Worker(settings_for(tmp_path, Leaves())).matte([put_on_disk(tmp_path)])[0]


def test_settings_travel_and_keep_the_options_of_the_stores_to_themselves() -> None:
    settings = WorkerSettings(
        make_recipe(), "/w.pth", "s3://capture", "s3://out", storage_options={"secret": "hunter2", "key": "AKIA"}
    )
    assert pickle.loads(pickle.dumps(settings)) == settings
    assert "s3://capture" in repr(settings)
    assert "hunter2" not in repr(settings) and "AKIA" not in repr(settings)


def test_a_failure_and_a_summary_travel(tmp_path: Path) -> None:
    failure = outcome_of(tmp_path, Failing(ValueError("x")))
    summary = Worker(settings_for(tmp_path, RedModel())).matte([put_on_disk(tmp_path)])[0]
    for outcome in (failure, summary):
        packed = pickle.dumps(outcome)
        assert pickle.loads(packed) == outcome
    assert len(pickle.dumps(summary)) < 2000


def test_weights_that_are_missing_or_wrong_are_refused(tmp_path: Path) -> None:
    def settings(weights: Path) -> WorkerSettings:
        recipe = make_recipe("mattingbase-mobilenetv2", uses_plate=True)
        return WorkerSettings(recipe, str(weights), str(tmp_path), str(tmp_path), "cpu")

    with pytest.raises(WeightsRefused, match="not at hand"):
        Worker(settings(tmp_path / "absent.pth"))
    (tmp_path / "damaged.pth").write_bytes(b"not a checkpoint")
    with pytest.raises(WeightsRefused, match="damaged.pth"):
        Worker(settings(tmp_path / "damaged.pth"))


def test_a_device_that_is_not_the_recipes_is_refused(tmp_path: Path) -> None:
    recipe = make_recipe(numerics=Numerics("cuda:No Such GPU", "fp32", 1, 1))
    with pytest.raises(DeviceFault):
        Worker(settings_for(tmp_path, RedModel(), recipe))


def test_a_stop_lets_go_of_the_shard_in_hand(tmp_path: Path) -> None:
    model = Waiting()
    worker = Worker(settings_for(tmp_path, model))
    outcomes: list[object] = []
    shard = put_on_disk(tmp_path, 40)
    thread = threading.Thread(target=lambda: outcomes.append(worker.matte([shard])[0]), daemon=True)
    thread.start()
    assert model.started.wait(20)
    assert not worker.stop(0.05)  # the batch in hand is not let go of
    model.released.set()
    assert worker.stop(20)
    thread.join(20)
    (failure,) = outcomes
    assert isinstance(failure, ShardFailure)
    assert failure.kind == "stopped"
    assert receipts_below(tmp_path) == []


def test_a_stop_of_an_idle_worker_is_done_at_once_and_for_good(tmp_path: Path) -> None:
    worker = Worker(settings_for(tmp_path, RedModel()))
    assert worker.stop(0)
    failure = worker.matte([put_on_disk(tmp_path)])[0]
    assert isinstance(failure, ShardFailure)
    assert failure.kind == "stopped"


def test_two_shards_at_once_are_both_matted(tmp_path: Path) -> None:
    memory = MemoryFolder()
    shards = [
        put_shard(
            memory, [to_jpeg(draw_picture(first + n)) for n in range(9)], to_png(draw_picture(99)), None, "c", first
        )
        for first in (0, 64)
    ]
    write_folder(memory, tmp_path / "capture")
    shards = [with_sizes(shard) for shard in shards]
    masks: list[dict[str, bytes]] = []
    for name, at_once in (("one after the other", False), ("at once", True)):
        worker = Worker(settings_for(tmp_path, DifferenceModel(), out=tmp_path / name))
        threads = [threading.Thread(target=worker.matte, args=([shard],)) for shard in shards]
        for thread in threads:
            thread.start()
            if not at_once:
                thread.join(30)
        for thread in threads:
            thread.join(30)
        found = sorted((tmp_path / name).rglob("mask_*"))
        masks.append({path.relative_to(tmp_path / name).as_posix(): path.read_bytes() for path in found})
    assert len(masks[0]) == 36
    assert masks[0] == masks[1]


def test_a_rehearsal_writes_nothing(tmp_path: Path) -> None:
    shard = put_on_disk(tmp_path)
    worker = Worker(settings_for(tmp_path, RedModel()))
    worker.rehearse(shard, shard.frames[1], decode_only=False)
    assert not (tmp_path / "out").exists()


def test_a_rehearsal_reaches_the_model_only_when_it_shall(tmp_path: Path) -> None:
    shard = put_on_disk(tmp_path)
    worker = Worker(settings_for(tmp_path, Failing(ZeroDivisionError("reached"))))
    worker.rehearse(shard, shard.frames[1], decode_only=True)
    with pytest.raises(ZeroDivisionError, match="reached"):
        worker.rehearse(shard, shard.frames[1], decode_only=False)
    with pytest.raises(ZeroDivisionError, match="reached"):
        worker.rehearse(replace(shard, crashed=frozenset({1})), shard.frames[1], decode_only=False)


def test_a_rehearsal_passes_over_a_frame_that_cannot_be_decoded(tmp_path: Path) -> None:
    memory = MemoryFolder()
    shard = with_sizes(put_shard(memory, [b"garbage"]))
    write_folder(memory, tmp_path / "capture")
    Worker(settings_for(tmp_path, Failing(ZeroDivisionError("reached")))).rehearse(shard, shard.frames[0], False)


def test_the_masks_of_a_network_are_its_alpha_rounded(tmp_path: Path) -> None:
    name = "mattingbase-mobilenetv2"
    weights = write_reference_checkpoint(name, tmp_path / "weights.pth")
    frames, plate = [draw_picture(seed, 90, 120) for seed in range(3)], draw_picture(50, 90, 120)
    memory = MemoryFolder()
    shard = with_sizes(put_shard(memory, [to_png(frame) for frame in frames], to_png(plate)))
    write_folder(memory, tmp_path / "capture")
    recipe = make_recipe(name, uses_plate=True, batch=2)
    settings = WorkerSettings(recipe, str(weights), str(tmp_path / "capture"), str(tmp_path / "out"), "cpu")
    outcome = Worker(settings).matte([shard])[0]
    assert isinstance(outcome, ShardSummary), outcome
    assert outcome.by_status == {"ok": 3}

    network = build_for_masks(name, {}, weights, "cpu", "fp32")
    (receipt,) = receipts_below(tmp_path)
    rows, _ = read_rows(receipt.read_bytes(), str(receipt))
    black = np.zeros_like(frames[0])
    for pair in ((frames[0], frames[1]), (frames[2], black)):  # batches of two, the last one filled up
        with torch.inference_mode():
            pixels = torch.from_numpy(np.stack([*pair, plate])).permute(0, 3, 1, 2)
            matte = network.matte(pixels[None, :2], pixels[2:])
        for frame, alpha, error in zip(pair, matte.alpha[0], matte.error[0], strict=True):  # type: ignore[arg-type, index]
            if frame is black:
                continue
            row = rows.pop(0)
            mask = np.floor(alpha.numpy() * 255 + 0.5).astype(np.uint8)
            assert mask.std() > 5
            assert read_out(tmp_path, row.mask_path) == encode_mask(mask, "jpg", 95)
            assert read_out(tmp_path, row.lowres_path) == encode_mask(to_lowres(alpha[None], 256)[0].numpy(), "jpg", 95)
            assert row.coverage == pytest.approx(float(alpha.mean()), abs=1e-5)
            assert row.error_mean == pytest.approx(float(error.mean()), abs=1e-5)
    assert rows == []


def read_out(root: Path, path: str | None) -> bytes:
    return LocalFolder(root / "out").read(path or "")


def assert_matches(pattern: str, text: str) -> None:
    with pytest.raises(LookupError, match=pattern):
        raise LookupError(text)
