from __future__ import annotations

import numpy as np
import pytest
from fakes import FailingFolder, to_png

from manifests.errors import InputFault
from manifests.storage_memory import MemoryFolder
from matting_tasks.lowres import LowresReader, decode_lowres


def mask(value: int, size_px: int = 256) -> bytes:
    return to_png(np.full((size_px, size_px), value, np.uint8))


def test_masks_come_in_order_with_their_pictures() -> None:
    out = MemoryFolder({f"{number}.png": mask(number) for number in range(50)})
    pictures = MemoryFolder({"7.png": mask(77)})
    told: list[int] = []
    reader = LowresReader(out, pictures, lambda: told.append(1))
    pairs = list(reader.read_ahead((f"{number}.png", f"{number}.png") for number in range(50)))
    assert [int(one[0, 0]) for one, _ in pairs if one is not None] == list(range(50))
    assert [number for number, (_, picture) in enumerate(pairs) if picture is not None] == [7]
    assert len(told) == 50 and reader.unread == {}


def test_a_mask_that_is_damaged_or_gone_is_none_and_named() -> None:
    whole = mask(9)
    out = MemoryFolder({"cut.png": whole[: len(whole) // 2], "small.png": mask(9, 128), "text.png": b"mask"})
    reader = LowresReader(out)
    wanted = [("cut.png", ""), ("gone.png", ""), ("small.png", ""), ("text.png", ""), ("", "")]
    assert [pair for pair in reader.read_ahead(wanted) if pair != (None, None)] == []
    assert set(reader.unread) == {"cut.png", "gone.png", "small.png", "text.png"}
    assert "128x128" in reader.unread["small.png"]


def test_a_store_that_fails_is_an_error() -> None:
    class Failing(MemoryFolder):
        def read(self, path: str) -> bytes:
            raise OSError("the store failed")

    with pytest.raises(OSError, match="the store failed"):
        list(LowresReader(Failing()).read_ahead([("a.png", "")]))
    assert not LowresReader(MemoryFolder(), FailingFolder(0, OSError())).has_picture("a.png")


def test_only_pictures_of_256_pixels_are_lowres() -> None:
    assert decode_lowres(mask(3)).shape == (256, 256)
    with pytest.raises(InputFault, match="64x64"):
        decode_lowres(mask(3, 64))
