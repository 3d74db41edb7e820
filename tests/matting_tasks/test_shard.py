from __future__ import annotations

import errno
import hashlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import imageio.v3
import numpy as np
import pytest
import torch
from fakes import (
    CAMERA,
    DifferenceModel,
    FadingModel,
    FailingFolder,
    RedModel,
    RememberingFolder,
    draw_picture,
    make_recipe,
    masks_in,
    put_shard,
    receipts_in,
    to_jpeg,
    to_png,
)
from torch import Tensor

from manifests.errors import CleanplateError, InputChanged
from manifests.packs import read_mask
from manifests.recipe import Recipe
from manifests.records import FrameRow, Shard, ShardSummary
from manifests.storage import LocalFolder
from manifests.storage_memory import MemoryFolder
from manifests.tables import read_rows
from matting_tasks.masks import encode_mask
from matting_tasks.plates import Plates
from matting_tasks.shard import Station, matte_shard
from models.base import Matte, MattingModel

PLATE = to_png(draw_picture(99))


def matte(
    shard: Shard,
    capture: MemoryFolder,
    out: MemoryFolder | LocalFolder,
    model: MattingModel | None = None,
    recipe: Recipe | None = None,
    station: Station | None = None,
) -> ShardSummary:
    model = model or RedModel()
    recipe = recipe or make_recipe(uses_plate=model.uses_plate)
    plates = Plates(capture, torch.device("cpu"), torch.float32, recipe.missing_plate)
    return matte_shard(shard, model, plates, out, recipe, station)


def rows_in(out: MemoryFolder) -> list[FrameRow]:
    (path,) = receipts_in(out)
    return read_rows(out.files[path], path)[0]


def statuses(rows: Sequence[FrameRow]) -> dict[int, str]:
    return {row.frame: row.status for row in rows}


def mask_path(frame: int, lowres: str = "") -> str:
    return f"031/images/{frame:04d}/mask_{lowres}{CAMERA}.jpg"


def good_pictures(n_frames: int = 7) -> list[bytes]:
    return [to_png(draw_picture(seed)) for seed in range(n_frames)]


@contextmanager
def in_background(shard: Shard, capture: MemoryFolder, out: MemoryFolder, model: MattingModel) -> Iterator[None]:
    """Matte a shard on another thread, and be there when it has ended."""
    station = Station(n_threads=2)
    thread = threading.Thread(target=matte, args=(shard, capture, out, model, None, station), daemon=True)
    thread.start()
    yield
    thread.join(20)
    assert not thread.is_alive()


def settled(count: list[str] | dict[str, bytes]) -> int:
    """Return how many there are when there have been no more for a while."""
    last, since = -1, time.monotonic()
    while time.monotonic() - since < 0.4:
        if len(count) != last:
            last, since = len(count), time.monotonic()
        time.sleep(0.02)
    return last


class HeldFolder(RememberingFolder):
    """Let no write through before `released` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.released = threading.Event()

    def write_atomic(self, path: str, data: bytes) -> None:
        assert self.released.wait(20)
        super().write_atomic(path, data)


class HeldModel(RedModel):
    """Matte nothing before `released` is set."""

    def __init__(self) -> None:
        self.released = threading.Event()

    def matte(self, frames: Tensor, plates: Tensor | None, state: object = None) -> Matte:
        assert self.released.wait(20)
        return super().matte(frames, plates, state)


def test_every_frame_gets_two_masks_and_a_row() -> None:
    capture, out = MemoryFolder(), MemoryFolder()
    shard = put_shard(capture, good_pictures(), first_frame=64)
    summary = matte(shard, capture, out)
    assert len(masks_in(out)) == 14
    rows = rows_in(out)
    assert [row.frame for row in rows] == list(range(64, 71))
    for seed, row in enumerate(rows):
        red = draw_picture(seed)[:, :, 0]
        alpha = torch.from_numpy(red).float()
        assert out.files[mask_path(row.frame)] == encode_mask(red, "jpg", 95)
        lowres = imageio.v3.imread(out.files[mask_path(row.frame, "lowres_")])
        assert lowres.shape == (256, 256, 3)
        assert abs(lowres.mean() - float(alpha.mean())) < 1.5
        assert row.coverage == pytest.approx(float(alpha.mean()) / 255, abs=1e-5)
        assert (row.status, row.error, row.note) == ("ok", None, None)
        assert (row.subject, row.sequence, row.camera, row.shard_id) == ("031", "", CAMERA, shard.shard_id)
    assert (summary.n_frames, summary.n_failed, summary.by_status) == (7, 0, {"ok": 7})
    assert summary.bytes_written == sum(map(len, masks_in(out).values()))


def test_rows_name_the_very_bytes_that_were_written() -> None:
    capture, out = MemoryFolder(), MemoryFolder()
    matte(put_shard(capture, good_pictures(3)), capture, out)
    for row in rows_in(out):
        mask, lowres = out.files[row.mask_path or ""], out.files[row.lowres_path or ""]
        assert (row.mask_path, row.lowres_path) == (mask_path(row.frame), mask_path(row.frame, "lowres_"))
        assert (row.mask_bytes, row.lowres_bytes) == (len(mask), len(lowres))
        assert row.mask_sha256 == hashlib.sha256(mask).hexdigest()
        assert row.lowres_sha256 == hashlib.sha256(lowres).hexdigest()


def test_shapes_are_measured_on_the_lowres_mask() -> None:
    pixels = np.zeros((256, 256, 3), np.uint8)
    pixels[128:, 64:128, 0] = 255  # stands on the bottom
    pixels[0:32, 200:256, 0] = 255  # in the upper right corner
    capture, out = MemoryFolder(), MemoryFolder()
    matte(put_shard(capture, [to_png(pixels)]), capture, out)
    (row,) = rows_in(out)
    assert row.n_components == 2
    assert row.largest_component == pytest.approx(128 * 64 / (128 * 64 + 32 * 56))
    assert (row.border_bottom, row.border_left) == (64 / 256, 0)
    assert (row.border_top, row.border_right) == (56 / 256, 32 / 256)
    assert (row.coverage, row.soft_fraction) == (pytest.approx((128 * 64 + 32 * 56) / 256**2, abs=1e-6), 0)


def test_the_receipt_is_the_last_thing_written() -> None:
    capture, out = MemoryFolder(), RememberingFolder()
    pictures = good_pictures()
    pictures[3] = b"garbage"
    shard = put_shard(capture, pictures)
    matte(shard, capture, out, station=Station(n_threads=4))
    assert out.has_written[-1] == f"_cleanplate/ledger/031/{shard.shard_id}.f1.parquet"
    assert sorted(out.has_written[:-1]) == sorted(masks_in(out))
    assert len(out.has_written) == 13


@pytest.mark.parametrize("fails_at", [0, 1, 5, 12, 13])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_there_is_no_receipt_when_a_mask_cannot_be_written(fails_at: int, number: int) -> None:
    capture = MemoryFolder()
    shard = put_shard(capture, good_pictures())
    out = FailingFolder(fails_at, OSError(number, "no"))
    with pytest.raises(OSError) as caught:
        matte(shard, capture, out)
    assert caught.value.errno == number
    assert receipts_in(out) == []


def test_an_error_of_the_receipt_is_raised() -> None:
    capture = MemoryFolder()
    out = FailingFolder(14, OSError(errno.ENOSPC, "no"))
    with pytest.raises(OSError):
        matte(put_shard(capture, good_pictures()), capture, out)
    assert (len(masks_in(out)), receipts_in(out)) == (14, [])


def test_a_second_run_writes_the_same_bytes_over_what_a_failed_one_left() -> None:
    capture, whole = MemoryFolder(), MemoryFolder()
    shard = put_shard(capture, good_pictures())
    matte(shard, capture, whole)
    torn = FailingFolder(5, OSError(errno.ENOSPC, "no"))
    with pytest.raises(OSError):
        matte(shard, capture, torn)
    again = MemoryFolder(torn.files)
    matte(shard, capture, again)
    matte(shard, capture, again)
    assert masks_in(again) == masks_in(whole)
    assert receipts_in(again) == receipts_in(whole)


def test_two_workers_that_matte_one_shard_at_once_write_the_same_bytes() -> None:
    capture, whole, shared = MemoryFolder(), MemoryFolder(), MemoryFolder()
    shard = put_shard(capture, good_pictures(12))
    matte(shard, capture, whole)
    with in_background(shard, capture, shared, RedModel()):
        matte(shard, capture, shared)
    assert masks_in(shared) == masks_in(whole)
    assert receipts_in(shared) == receipts_in(whole)


def test_batch_size_and_threads_change_no_byte_of_a_model_that_sees_each_frame_alone() -> None:
    capture = MemoryFolder()
    pictures = [to_jpeg(draw_picture(seed, 60, 80)) for seed in range(11)]
    pictures[4] = pictures[4][:-50]
    shard = put_shard(capture, pictures, to_jpeg(draw_picture(99, 60, 80)))
    found = []
    for batch, n_threads in ((1, 1), (2, 2), (5, 8), (16, 1)):
        out = MemoryFolder()
        recipe = make_recipe(uses_plate=True, batch=batch)
        matte(shard, capture, out, DifferenceModel(), recipe, Station(n_threads=n_threads))
        found.append((masks_in(out), receipts_in(out), [row.coverage for row in rows_in(out)]))
    assert len(found[0][0]) == 20
    assert all(other == found[0] for other in found[1:])


def test_bad_frames_become_rows_and_the_rest_is_matted() -> None:
    capture, out = MemoryFolder(), MemoryFolder()
    visible = to_png(np.full((24, 32), 255, np.uint8))
    pictures = good_pictures(8)
    pictures[0] = b""
    pictures[2] = to_jpeg(draw_picture(2))[:-9]
    pictures[3] = to_png(draw_picture(3, 24, 30))
    shard = put_shard(capture, pictures, PLATE, {5: visible, 6: to_png(np.zeros((5, 5), np.uint8))})
    shard = replace(shard, crashed=frozenset({7}))
    summary = matte(shard, capture, out, DifferenceModel())
    rows = rows_in(out)
    assert statuses(rows) == {
        0: "undecodable",
        1: "ok",
        2: "undecodable",
        3: "plate_mismatch",
        4: "ok",
        5: "ok",
        6: "undecodable",
        7: "crashed",
    }
    assert {int(path.split("/")[2]) for path in masks_in(out)} == {1, 4, 5}
    for row in rows:
        if row.status != "ok":
            assert row.error
            assert (row.mask_path, row.mask_bytes, row.lowres_sha256, row.coverage) == (None, None, None, None)
    assert (summary.n_frames, summary.n_failed) == (8, 5)
    assert summary.by_status == {"ok": 3, "undecodable": 3, "plate_mismatch": 1, "crashed": 1}
    assert (summary.first_error or "").endswith(".jpg: the file is empty (0 bytes)")
    assert receipts_in(out)[0].endswith(".f5.parquet")


def test_a_shard_of_only_bad_frames_is_committed_without_masks() -> None:
    capture, out = MemoryFolder(), MemoryFolder()
    summary = matte(put_shard(capture, [b"", b"garbage", b"\xff\xd8\xff"]), capture, out)
    assert list(out.files) == receipts_in(out)
    assert summary.by_status == {"undecodable": 3}


def test_frames_that_crashed_are_not_read_and_their_neighbours_are_as_before() -> None:
    capture, whole, out = RememberingFolder(), MemoryFolder(), MemoryFolder()
    shard = put_shard(capture, good_pictures())
    matte(shard, capture, whole)
    capture.has_read.clear()
    matte(replace(shard, crashed=frozenset({2, 3})), capture, out)
    assert [number for number, status in statuses(rows_in(out)).items() if status == "crashed"] == [2, 3]
    assert not {shard.frames[2].path, shard.frames[3].path} & set(capture.has_read)
    kept = {path: data for path, data in masks_in(whole).items() if "/0002/" not in path and "/0003/" not in path}
    assert masks_in(out) == kept


def test_a_missing_plate_makes_rows_without_reading_a_frame() -> None:
    capture, out = RememberingFolder(), MemoryFolder()
    summary = matte(put_shard(capture, good_pictures(3)), capture, out, DifferenceModel())
    assert summary.by_status == {"missing_plate": 3}
    assert capture.has_read == []
    assert list(out.files) == receipts_in(out)
    assert all("there is no plate" in (row.error or "") and row.note is None for row in rows_in(out))


def test_a_plate_that_cannot_be_read_makes_rows_that_name_it() -> None:
    capture, out = RememberingFolder(), MemoryFolder()
    summary = matte(put_shard(capture, good_pictures(3), b"garbage"), capture, out, DifferenceModel())
    assert summary.by_status == {"undecodable": 3}
    assert all((row.error or "").startswith("plate 031/background/") for row in rows_in(out))


def test_frames_are_matted_over_black_and_noted_when_zeros_stand_for_the_plate() -> None:
    capture, out = MemoryFolder(), MemoryFolder()
    pictures = [to_png(draw_picture(0)), b"garbage", to_png(draw_picture(2)[:, :, 1])]
    shard = put_shard(capture, pictures)
    matte(shard, capture, out, DifferenceModel(), make_recipe(uses_plate=True, missing_plate="zeros"))
    assert out.files[mask_path(0)] == encode_mask(draw_picture(0).max(axis=-1), "jpg", 95)
    notes = [row.note for row in rows_in(out)]
    assert notes == [
        "matted over a black plate",
        None,
        "gray picture, channels replicated; matted over a black plate",
    ]


def test_no_plate_is_asked_for_when_the_recipe_uses_none() -> None:
    capture, out = RememberingFolder(), MemoryFolder()
    summary = matte(put_shard(capture, good_pictures(2), b"garbage"), capture, out)
    assert summary.by_status == {"ok": 2}
    assert not [path for path in capture.has_read if "background" in path]
    assert [row.note for row in rows_in(out)] == [None, None]


def test_masks_are_black_outside_of_what_is_visible() -> None:
    gray = np.zeros((256, 256), np.uint8)
    gray[64:192] = 255
    bright = np.full((256, 256, 3), 230, np.uint8)
    capture, out = MemoryFolder(), MemoryFolder()
    shard = put_shard(capture, [to_png(bright)], visible={0: to_png(gray)})
    matte(shard, capture, out)
    for path in (mask_path(0), mask_path(0, "lowres_")):
        mask = imageio.v3.imread(out.files[path])[:, :, 0]
        assert mask[:56].max() <= 2 and mask[200:].max() <= 2
        assert mask[72:184].min() >= 228
    (row,) = rows_in(out)
    assert row.coverage == pytest.approx(230 / 255)
    assert (row.border_top, row.border_bottom) == (1, 1)  # of the visible rectangle
    whole = MemoryFolder()
    matte(shard, capture, whole, recipe=make_recipe(visible=False))
    assert imageio.v3.imread(whole.files[mask_path(0)]).min() >= 228


@pytest.mark.parametrize("which", ["frame", "plate", "visible"])
@pytest.mark.parametrize("what", ["changed", "vanished"])
def test_a_shard_is_not_committed_when_a_file_is_no_longer_the_listed_one(which: str, what: str) -> None:
    capture, out = MemoryFolder(), MemoryFolder()
    visible = {4: to_png(np.full((24, 32), 255, np.uint8))}
    shard = put_shard(capture, good_pictures(), PLATE, visible)
    path = {
        "frame": shard.frames[4].path,
        "plate": shard.plate.path or "",
        "visible": shard.frames[4].visible_path or "",
    }[which]
    if what == "changed":
        capture.files[path] += b"!"
    else:
        del capture.files[path]
    with pytest.raises(InputChanged, match=f"{path} {what}"):
        matte(shard, capture, out, DifferenceModel())
    assert receipts_in(out) == []


def test_an_error_of_the_model_leaves_the_shard_uncommitted() -> None:
    class Broken(RedModel):
        def matte(self, frames: Tensor, plates: Tensor | None, state: object = None) -> Matte:
            raise ValueError("shapes do not fit")

    capture, out = MemoryFolder(), MemoryFolder()
    with pytest.raises(ValueError, match="shapes do not fit"):
        matte(put_shard(capture, good_pictures()), capture, out, Broken())
    assert out.files == {}


def test_a_frame_is_not_ok_when_its_alpha_is_not_a_number() -> None:
    class Overflowing(RedModel):
        def matte(self, frames: Tensor, plates: Tensor | None, state: object = None) -> Matte:
            return Matte(frames[:, :, 0] * torch.inf - torch.inf, None, None)

    capture, out = MemoryFolder(), MemoryFolder()
    with suppress(CleanplateError):
        matte(put_shard(capture, good_pictures(1)), capture, out, Overflowing())
    assert "ok" not in [row.status for path in receipts_in(out) for row in read_rows(out.files[path], path)[0]]


def test_a_shard_is_dropped_when_its_worker_is_told_to_stop() -> None:
    station = Station()

    class StopsAtThird(RedModel):
        n_batches = 0

        def matte(self, frames: Tensor, plates: Tensor | None, state: object = None) -> Matte:
            self.n_batches += 1
            if self.n_batches == 3:
                station.stop.set()
            return super().matte(frames, plates, state)

    capture, out = MemoryFolder(), MemoryFolder()
    with pytest.raises(InterruptedError):
        matte(put_shard(capture, good_pictures(60)), capture, out, StopsAtThird(), station=station)
    assert receipts_in(out) == []
    assert len(masks_in(out)) <= 2 * 4  # of the two batches before


@pytest.mark.parametrize("holder", ["store", "model"])
def test_frames_in_flight_do_not_grow_with_the_length_of_the_shard(holder: str) -> None:
    read_ahead = []
    for n_frames in (60, 500):
        capture, out, model = RememberingFolder(), HeldFolder(), HeldModel()
        shard = put_shard(capture, [to_png(np.full((8, 8, 3), 90, np.uint8))] * n_frames)
        held, free = (out, model) if holder == "store" else (model, out)
        free.released.set()
        with in_background(shard, capture, out, model):
            read_ahead.append(settled(capture.has_read))
            held.released.set()
        assert len(masks_in(out)) == 2 * n_frames
    assert read_ahead[0] == read_ahead[1] < 24


def test_no_thread_is_left_when_a_shard_is_done() -> None:
    before = set(threading.enumerate())
    capture = MemoryFolder()
    matte(put_shard(capture, good_pictures(20)), capture, MemoryFolder(), station=Station(n_threads=4))
    deadline = time.monotonic() + 5
    while (left := set(threading.enumerate()) - before) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not left


def test_no_thread_is_left_when_a_mask_cannot_be_written() -> None:
    script = (
        "import errno, gc, threading, time\n"
        "import torch\n"
        "from fakes import FailingFolder, RedModel, draw_picture, make_recipe, put_shard, to_png\n"
        "from manifests.storage_memory import MemoryFolder\n"
        "from matting_tasks.plates import Plates\n"
        "from matting_tasks.shard import matte_shard\n"
        "class Slow(RedModel):\n"
        "    def matte(self, frames, plates, state=None):\n"
        "        time.sleep(0.05)\n"
        "        return super().matte(frames, plates, state)\n"
        "gc.disable()\n"
        "capture = MemoryFolder()\n"
        "shard = put_shard(capture, [to_png(draw_picture(0))] * 40)\n"
        "plates = Plates(capture, torch.device('cpu'), torch.float32, 'error')\n"
        "before = threading.active_count()\n"
        "try:\n"
        "    matte_shard(shard, Slow(), plates, FailingFolder(4, OSError(errno.ENOSPC, 'full')), make_recipe())\n"
        "except OSError:\n"
        "    pass\n"
        "time.sleep(0.5)\n"
        "print(threading.active_count() - before)\n"
    )
    ended = run_script(script)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == "0\n"


def test_the_receipt_says_who_made_it() -> None:
    capture, out = MemoryFolder(), MemoryFolder()
    shard = put_shard(capture, good_pictures(1))
    summary = matte(shard, capture, out, station=Station(name="node7:123", versions={"torch": "2"}))
    (path,) = receipts_in(out)
    meta = read_rows(out.files[path], path)[1]
    assert (meta["worker"], meta["versions"], meta["recipe_id"]) == ("node7:123", {"torch": "2"}, shard.recipe_id)
    assert summary.worker == "node7:123"
    assert summary.recipe_id == shard.recipe_id


def test_masks_lie_on_a_disk_without_leftovers(tmp_path: Path) -> None:
    capture, memory = MemoryFolder(), MemoryFolder()
    shard = put_shard(capture, good_pictures())
    matte(shard, capture, LocalFolder(tmp_path))
    matte(shard, capture, memory)
    on_disk = {str(path.relative_to(tmp_path)): path for path in tmp_path.rglob("*") if path.is_file()}
    assert sorted(on_disk) == sorted(memory.files)
    assert {path: on_disk[path].read_bytes() for path in masks_in(memory)} == masks_in(memory)


def test_a_shard_is_matted_where_there_is_only_torch_and_opencv() -> None:
    script = (
        "import hashlib, json, sys\n"
        "for absent in ('pyarrow', 'fsspec', 's3fs', 'ray', 'prefect', 'imageio', 'PIL', 'pydantic', 'pandas'):\n"
        "    sys.modules[absent] = None\n"
        "import torch\n"
        "from fakes import RedModel, draw_picture, make_recipe, masks_in, put_shard, to_png\n"
        "from manifests.storage_memory import MemoryFolder\n"
        "from matting_tasks.plates import Plates\n"
        "from matting_tasks.shard import Station, matte_shard\n"
        "capture, out, committed = MemoryFolder(), MemoryFolder(), []\n"
        "shard = put_shard(capture, [to_png(draw_picture(seed)) for seed in range(3)] + [b'garbage'])\n"
        "plates = Plates(capture, torch.device('cpu'), torch.float32, 'error')\n"
        "station = Station(commit=lambda out, shard, rows, meta: committed.extend(row.status for row in rows))\n"
        "summary = matte_shard(shard, RedModel(), plates, out, make_recipe(), station)\n"
        "masks = {path: hashlib.sha256(data).hexdigest() for path, data in masks_in(out).items()}\n"
        "print(json.dumps([masks, committed, summary.n_failed]))\n"
    )
    ended = run_script(script)
    assert ended.returncode == 0, ended.stderr
    masks, committed, n_failed = json.loads(ended.stdout)
    capture, out = MemoryFolder(), MemoryFolder()
    matte(put_shard(capture, [*good_pictures(3), b"garbage"]), capture, out)
    assert masks == {path: hashlib.sha256(data).hexdigest() for path, data in masks_in(out).items()}
    assert (committed, n_failed) == (["ok", "ok", "ok", "undecodable"], 1)


def run_script(script: str) -> subprocess.CompletedProcess[str]:
    """Run a script that sees the modules of the tests, as they do."""
    start = f"import sys; sys.path[:0] = {[str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]!r}\n"
    return subprocess.run([sys.executable, "-c", start + script], capture_output=True, text=True, timeout=120)


def test_a_worker_that_is_told_to_stop_does_so_while_frames_only_pass() -> None:
    stop = threading.Event()

    class StopsAt(FadingModel):
        def matte(self, frames: Tensor, plates: Tensor | None, state: object = None) -> Matte:
            if len(self.shapes) == 3:
                stop.set()
            return super().matte(frames, plates, state)

    capture, model = MemoryFolder(), StopsAt()
    shard = put_shard(capture, [to_png(draw_picture(seed)) for seed in range(60)])
    shard = replace(shard, passing=frozenset(range(59)))
    recipe = make_recipe(temporal=True)
    plates = Plates(capture, torch.device("cpu"), torch.float32, "error")
    with pytest.raises(InterruptedError):
        matte_shard(shard, model, plates, MemoryFolder(), recipe, Station(stop=stop))
    assert len(model.shapes) < 10


def test_a_frame_is_measured_beside_its_plate() -> None:
    capture, out = MemoryFolder(), MemoryFolder()
    plate = draw_picture(99, 256, 256) // 2 + 40
    frame = np.clip(plate * 1.1, 0, 255).astype(np.uint8)
    shard = put_shard(capture, [to_png(frame)], to_png(plate))
    matte(shard, capture, out, NothingThere())
    (row,) = rows_in(out)
    assert row.plate_gain == pytest.approx(0.1, abs=0.01)
    assert row.plate_residual is not None and row.plate_shadow == 0
    assert row.holes is None and row.edge_width is None


def test_without_a_plate_nothing_is_measured_beside_it() -> None:
    capture, out = MemoryFolder(), MemoryFolder()
    matte(put_shard(capture, good_pictures(1), PLATE), capture, out, RedModel())
    (row,) = rows_in(out)
    assert (row.plate_gain, row.plate_shift, row.plate_residual, row.plate_shadow) == (None,) * 4
    assert row.starvation is None and row.edge_width is not None


def test_frames_before_a_rejected_plate_are_rows_with_the_reason_and_keep_their_masks() -> None:
    capture, out = MemoryFolder(), MemoryFolder()
    shard = put_shard(capture, good_pictures(3), PLATE)
    out.files[mask_path(0)] = b"an earlier mask"
    summary = matte(replace(shard, rejected="plate relit"), capture, out, DifferenceModel())
    assert summary.by_status == {"plate_rejected": 3}
    assert {row.error for row in rows_in(out)} == {"plate relit"}
    assert masks_in(out) == {mask_path(0): b"an earlier mask"}


class NothingThere(DifferenceModel):
    """See nobody."""

    def matte(
        self, frames: Tensor, plates: Tensor | None, state: object = None, want_foreground: bool = False
    ) -> Matte:
        return Matte(torch.zeros_like(frames[:, :, 0]), None, None)


def test_packed_masks_are_one_object_written_before_the_receipt() -> None:
    capture, out, files = MemoryFolder(), RememberingFolder(), MemoryFolder()
    shard = put_shard(capture, [*good_pictures(4), b"no picture"])
    recipe = make_recipe(uses_plate=False)
    matte(shard, capture, files, recipe=recipe)
    summary = matte(shard, capture, out, recipe=replace(recipe, pack=True))
    assert summary.by_status == {"ok": 4, "undecodable": 1}
    paths = sorted(out.files)
    assert [path.rsplit(".", 1)[-1] for path in paths] == ["parquet", "tar"]
    written = [path for path in out.files]
    assert written[0].endswith(".tar"), "the receipt is the last of a shard's files"
    for row in rows_in(out)[:4]:
        assert read_mask(out, row.mask_path or "") == files.files[mask_path(row.frame)]
        assert read_mask(out, row.lowres_path or "") == files.files[mask_path(row.frame, "lowres_")]
    assert rows_in(out)[4].mask_path is None
