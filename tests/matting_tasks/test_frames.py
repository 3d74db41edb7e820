from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import RememberingFolder, draw_picture, make_recipe, put_shard, to_jpeg, to_png
from PIL import Image

from manifests.errors import InputChanged
from manifests.records import FileStat, Shard
from manifests.storage_memory import MemoryFolder
from matting_tasks.frames import FrameReader, ReadFrame, open_reader
from matting_tasks.plates import Plates

SIZE = (32, 24)


def reader_of(
    capture: MemoryFolder, shard: Shard, plate_size: tuple[int, int] | None = SIZE, use_visible: bool = True
) -> FrameReader:
    plates = Plates(capture, torch.device("cpu"), torch.float32, "error")
    return open_reader(shard, plates, plate_size, make_recipe(visible=use_visible))


def read_first(
    data: bytes, visible: bytes | None = None, plate_size: tuple[int, int] | None = SIZE, use_visible: bool = True
) -> ReadFrame:
    capture = MemoryFolder()
    shard = put_shard(capture, [data], visible=None if visible is None else {0: visible})
    return reader_of(capture, shard, plate_size, use_visible)(shard.frames[0])


def status_of(read: ReadFrame) -> str:
    assert read.fault is not None
    assert read.pixels is None
    return read.fault.status


def test_a_good_frame_is_its_pixels() -> None:
    read = read_first(to_png(draw_picture(1)))
    assert read.fault is None
    assert read.pixels is not None
    assert np.array_equal(read.pixels, draw_picture(1))
    assert read.visible is None
    assert read.decode_s > 0


def test_a_note_of_the_decoder_goes_along() -> None:
    assert read_first(to_png(draw_picture(1)[:, :, 0])).note == "gray picture, channels replicated"


@pytest.mark.parametrize("data", [b"", b"garbage", to_jpeg(draw_picture(1))[:-100]])
def test_a_bad_frame_is_undecodable(data: bytes) -> None:
    assert status_of(read_first(data)) == "undecodable"


def test_a_cmyk_frame_is_undecodable(tmp_path: Path) -> None:
    path = tmp_path / "frame.jpg"
    Image.fromarray(draw_picture(1)).convert("CMYK").save(path)
    assert status_of(read_first(path.read_bytes())) == "undecodable"


def test_a_frame_of_another_size_than_its_plate_says_both_sizes() -> None:
    read = read_first(to_jpeg(draw_picture(1, 10, 20)))
    assert status_of(read) == "plate_mismatch"
    assert read.fault is not None
    assert "is 20x10, its camera's plate is 32x24" in read.fault.message
    assert "031/images/0000/image_222200037.jpg" in read.fault.message


def test_sizes_are_compared_before_anything_is_decoded() -> None:
    assert status_of(read_first(to_png(draw_picture(1, 10, 20))[:40])) == "plate_mismatch"
    assert status_of(read_first(to_png(draw_picture(1, 24, 32))[:40])) == "undecodable"


def test_any_size_will_do_without_a_plate() -> None:
    read = read_first(to_png(draw_picture(1, 10, 20)), plate_size=None)
    assert read.pixels is not None
    assert read.pixels.shape == (10, 20, 3)


def test_a_frame_that_crashed_is_not_touched() -> None:
    capture = RememberingFolder()
    shard = replace(put_shard(capture, [to_png(draw_picture(seed)) for seed in range(3)]), crashed=frozenset({1}))
    reads = [reader_of(capture, shard)(frame) for frame in shard.frames]
    assert [read.fault and read.fault.status for read in reads] == [None, "crashed", None]
    assert capture.has_read == [shard.frames[0].path, shard.frames[2].path]


def test_a_visible_mask_comes_with_its_frame() -> None:
    gray = np.zeros((24, 32), np.uint8)
    gray[:, 4:] = 255
    read = read_first(to_png(draw_picture(1)), to_png(gray))
    assert read.visible is not None
    assert np.array_equal(read.visible.pixels, gray > 0)


def test_a_visible_mask_is_left_alone_when_the_recipe_does_not_use_it() -> None:
    read = read_first(to_png(draw_picture(1)), b"not even a picture", use_visible=False)
    assert read.fault is None
    assert read.visible is None


def test_a_visible_mask_of_another_size_is_a_fault_that_says_both_sizes() -> None:
    read = read_first(to_png(draw_picture(1)), to_png(np.zeros((24, 30), np.uint8)))
    assert status_of(read) == "undecodable"
    assert read.fault is not None
    assert "visible_222200037.jpg is 30x24, its frame is 32x24" in read.fault.message


def test_a_visible_mask_that_cannot_be_read_is_named() -> None:
    read = read_first(to_png(draw_picture(1)), b"garbage")
    assert status_of(read) == "undecodable"
    assert read.fault is not None
    assert read.fault.message.startswith("031/images/0000/visible_222200037.jpg: ")


@pytest.mark.parametrize("which", ["image", "visible"])
def test_a_file_that_changed_or_vanished_is_no_fault_of_the_frame(which: str) -> None:
    capture = MemoryFolder()
    shard = put_shard(capture, [to_png(draw_picture(1))], visible={0: to_png(np.zeros((24, 32), np.uint8))})
    path = f"031/images/0000/{which}_222200037.jpg"
    whole = capture.files[path]
    capture.files[path] = whole[:-1]  # a truncated file is a changed one first
    with pytest.raises(InputChanged, match=f"{path} changed since the capture was listed"):
        reader_of(capture, shard)(shard.frames[0])
    del capture.files[path]
    with pytest.raises(InputChanged, match=f"{path} vanished since the capture was listed"):
        reader_of(capture, shard)(shard.frames[0])


def test_contents_are_compared_when_the_rule_is_content() -> None:
    capture, first, second = MemoryFolder(), to_png(draw_picture(1)) + b"a", to_png(draw_picture(1)) + b"b"
    shard = put_shard(capture, [first])
    frame = replace(shard.frames[0], fingerprint=hashlib.sha256(first).hexdigest())
    shard = replace(shard, frames=(frame,), fingerprint_rule="content")
    assert reader_of(capture, shard)(frame).fault is None
    capture.files[frame.path] = second
    with pytest.raises(InputChanged):
        reader_of(capture, shard)(frame)


def test_an_error_of_the_store_is_no_fault_of_the_frame() -> None:
    class Forbidden(MemoryFolder):
        def read_with_stat(self, path: str) -> tuple[bytes, FileStat]:
            raise PermissionError(13, "not yours", path)

    capture = Forbidden()
    shard = put_shard(capture, [to_png(draw_picture(1))])
    with pytest.raises(PermissionError):
        reader_of(capture, shard)(shard.frames[0])
