from __future__ import annotations

import gc
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from fakes import RememberingFolder, draw_picture, on_cpu, put_shard, to_jpeg, to_png

from manifests.errors import InputChanged, InputFault
from manifests.records import FileStat
from manifests.storage_memory import MemoryFolder
from matting_tasks.plates import Plates, to_device

CPU = torch.device("cpu")


def plates_of(capture: MemoryFolder, missing_plate: str = "error", dtype: torch.dtype = torch.float32) -> Plates:
    return Plates(capture, CPU, dtype, missing_plate)


class SlowFolder(RememberingFolder):
    """Take a while for each read, so that whoever may read at once does."""

    def read_with_stat(self, path: str) -> tuple[bytes, FileStat]:
        time.sleep(0.05)
        return super().read_with_stat(path)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_a_plate_is_rgb_in_0_to_1_in_the_type_of_the_model(dtype: torch.dtype) -> None:
    capture, pixels = MemoryFolder(), draw_picture(1)
    shard = put_shard(capture, [], to_png(pixels))
    plate = plates_of(capture, dtype=dtype).of(shard)
    assert plate is not None
    assert plate.pixels.dtype == dtype
    assert plate.size == (32, 24)
    assert torch.equal(plate.pixels, on_cpu(pixels)[None].to(dtype))


def test_a_plate_is_read_once_for_many_shards_and_threads() -> None:
    capture = SlowFolder()
    shards = [
        put_shard(capture, [], to_png(draw_picture(seed)), camera=camera, first_frame=first)
        for seed, camera in enumerate(("a", "b", "c"))
        for first in (0, 64, 128, 192)
    ]
    plates = plates_of(capture)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(plates.of, shards * 3))
    assert sorted(capture.has_read) == [f"031/background/image_{camera}.jpg" for camera in "abc"]
    for shard, plate in zip(shards * 3, found, strict=True):
        assert plate is not None
        assert torch.equal(plate.pixels[0], on_cpu(draw_picture("abc".index(shard.camera))))


def test_plates_of_equal_cameras_of_two_subjects_are_told_apart() -> None:
    capture = MemoryFolder()
    first = put_shard(capture, [], to_png(np.full((4, 4, 3), 51, np.uint8)))
    capture.files["032/background/other.png"] = other = to_png(np.full((4, 4, 3), 102, np.uint8))
    plate = replace(first.plate, subject="032", path="032/background/other.png", fingerprint=f"{len(other)}-0")
    second = replace(first, subject="032", plate=plate)
    plates = plates_of(capture)
    assert [plates.of(shard).pixels.mean().item() for shard in (first, second)] == pytest.approx([0.2, 0.4])  # type: ignore[union-attr]


def test_plates_of_equal_fingerprints_are_told_apart_by_their_camera() -> None:
    capture = MemoryFolder()
    dark, bright = (to_png(np.full((4, 4, 3), value, np.uint8)).ljust(200, b"-") for value in (51, 102))
    shards = [put_shard(capture, [], data, camera=camera) for data, camera in ((dark, "a"), (bright, "b"))]
    assert shards[0].plate.fingerprint == shards[1].plate.fingerprint
    plates = plates_of(capture)
    assert [plates.of(shard).pixels.mean().item() for shard in shards] == pytest.approx([0.2, 0.4])  # type: ignore[union-attr]


def test_few_plates_are_held_when_there_are_many_cameras() -> None:
    capture = MemoryFolder()
    plates = plates_of(capture)
    held = []
    for number in range(20):
        plate = plates.of(put_shard(capture, [], to_png(draw_picture(number)), camera=str(number)))
        assert plate is not None
        held.append(weakref.ref(plate.pixels))
        del plate
    gc.collect()
    assert sum(reference() is not None for reference in held) <= 8


def test_a_missing_plate_is_a_fault_that_says_what_to_do() -> None:
    capture = MemoryFolder()
    with pytest.raises(InputFault, match="--missing-plate zeros") as caught:
        plates_of(capture).of(put_shard(capture, []))
    assert caught.value.status == "missing_plate"
    assert "there is no plate" in caught.value.message


def test_nothing_stands_for_a_missing_plate_when_zeros_are_asked_for() -> None:
    capture = MemoryFolder()
    assert plates_of(capture, "zeros").of(put_shard(capture, [])) is None


@pytest.mark.parametrize("missing_plate", ["error", "zeros"])
@pytest.mark.parametrize("data", [b"", b"garbage", to_jpeg(draw_picture(2))[:-40]])
def test_a_plate_that_cannot_be_read_is_undecodable_and_named(data: bytes, missing_plate: str) -> None:
    capture = MemoryFolder()
    with pytest.raises(InputFault, match="plate 031/background/image_222200037.jpg: ") as caught:
        plates_of(capture, missing_plate).of(put_shard(capture, [], data))
    assert caught.value.status == "undecodable"


def test_a_plate_that_vanished_or_changed_is_told_from_one_that_is_missing() -> None:
    capture = MemoryFolder()
    shard = put_shard(capture, [], to_png(draw_picture(3)))
    path = shard.plate.path or ""
    capture.files[path] += b"one more byte"
    with pytest.raises(InputChanged, match=f"{path} changed"):
        plates_of(capture).of(shard)
    del capture.files[path]
    with pytest.raises(InputChanged, match=f"{path} vanished"):
        plates_of(capture, "zeros").of(shard)


def test_a_plate_is_read_again_when_its_store_failed_before() -> None:
    class Flaky(MemoryFolder):
        broken = True

        def read_with_stat(self, path: str) -> tuple[bytes, FileStat]:
            if self.broken:
                raise TimeoutError("the store hung up")
            return super().read_with_stat(path)

    capture = Flaky()
    shard = put_shard(capture, [], to_png(draw_picture(4)))
    plates = plates_of(capture)
    with pytest.raises(TimeoutError):
        plates.of(shard)
    capture.broken = False
    assert torch.equal(plates.of(shard).pixels, on_cpu(draw_picture(4))[None])  # type: ignore[arg-type]


def test_visible_is_what_is_at_least_half_bright() -> None:
    gray = np.zeros((8, 8), np.uint8)
    gray[0], gray[1], gray[2] = 127, 128, 255
    visible = plates_of(MemoryFolder()).visible(to_png(gray))
    assert visible.pixels.dtype == bool
    assert visible.pixels.any(axis=1).tolist() == [False, True, True, False, False, False, False, False]


def test_lowres_visible_is_where_all_of_a_pixel_is_visible() -> None:
    gray = np.full((512, 512), 255, np.uint8)
    gray[:, :101] = 0  # ends in the middle of a lowres pixel
    lowres = plates_of(MemoryFolder()).visible(to_png(gray)).lowres
    assert lowres.shape == (256, 256)
    assert not lowres[:, :51].any()
    assert lowres[:, 51:].all()


def test_equal_visible_masks_are_held_once() -> None:
    plates = plates_of(MemoryFolder())
    data, other = to_png(draw_picture(5)), to_png(draw_picture(6))
    assert plates.visible(data) is plates.visible(bytes(bytearray(data)))
    assert plates.visible(other) is not plates.visible(data)
    on_device = plates.visible_on_device(plates.visible(data))
    assert torch.equal(on_device, torch.from_numpy(plates.visible(data).pixels))


def test_a_visible_mask_that_is_no_picture_is_undecodable() -> None:
    with pytest.raises(InputFault) as caught:
        plates_of(MemoryFolder()).visible(b"no picture")
    assert caught.value.status == "undecodable"


def test_pictures_are_uploaded_channels_first_in_0_to_1() -> None:
    pictures = np.stack([draw_picture(7), draw_picture(8)])
    uploaded = to_device(pictures, CPU, torch.float32)
    assert torch.equal(uploaded, torch.stack([on_cpu(picture) for picture in pictures]))
    assert uploaded.is_contiguous()
    assert to_device(pictures, CPU, torch.float16).dtype == torch.float16


def test_the_lock_of_the_device_is_free_while_a_plate_is_read() -> None:
    capture = SlowFolder()
    shard = put_shard(capture, [], to_png(draw_picture(9)))
    plates = plates_of(capture)
    with plates.slots:  # another thread computes
        reader = threading.Thread(target=plates.of, args=(shard,))
        reader.start()
        reader.join(10)
        assert not reader.is_alive()
