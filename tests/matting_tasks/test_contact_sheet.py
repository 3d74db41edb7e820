from __future__ import annotations

import numpy as np
import pytest

from matting_tasks.contact_sheet import SheetRow, composite, contact_sheet

GREEN = (0, 177, 64)


def row(
    caption: str = "031 222200037 0000", shape: tuple[int, int] = (60, 60), mask: int = 255, note: str = ""
) -> SheetRow:
    return SheetRow(caption, np.full((*shape, 3), (200, 100, 50), np.uint8), np.full(shape, mask, np.uint8), note)


def count(sheet: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((sheet == colour).all(axis=-1).sum())


def test_composite_shows_the_frame_or_the_colour_by_mask() -> None:
    frame = np.full((1, 3, 3), (200, 100, 50), np.uint8)
    mixed = composite(frame, np.array([[0, 255, 128]], np.uint8), GREEN)
    assert mixed[0, 0].tolist() == [*GREEN]
    assert mixed[0, 1].tolist() == [200, 100, 50]
    assert mixed[0, 2].tolist() == [100, 138, 57]


def test_sheet_holds_three_tiles_a_row() -> None:
    whole = contact_sheet([row(mask=255)], tile_px=64)
    assert whole.dtype == np.uint8 and whole.ndim == 3
    assert count(whole, (200, 100, 50)) == 2 * 64 * 64  # frame and composite
    assert count(whole, (255, 255, 255)) == 64 * 64
    assert count(contact_sheet([row(mask=0)], tile_px=64, colour=GREEN), GREEN) == 64 * 64


def test_tiles_keep_the_aspect_of_tall_frames() -> None:
    sheet = contact_sheet([row(shape=(321, 220))], tile_px=64)
    assert count(sheet, (255, 255, 255)) == 64 * 44


def test_sixteen_rows_stand_in_full_groups() -> None:
    sheet = contact_sheet([row() for _ in range(16)], tile_px=32)
    height, width, _ = sheet.shape
    assert 0.6 < width / height < 3
    assert count(sheet, (255, 255, 255)) == 16 * 32 * 32


def test_groups_are_as_many_as_asked_for() -> None:
    rows = [row() for _ in range(8)]
    widths = [contact_sheet(rows, tile_px=32, n_groups=n).shape[1] for n in (1, 2, 4)]
    assert widths[1] > 1.8 * widths[0] and widths[2] > 3.6 * widths[0]


def test_texts_are_written() -> None:
    plain = contact_sheet([row(caption="")], tile_px=96)
    for other in (row(caption="031 222200037 0004"), row(caption="", note="iou 0.98")):
        assert (contact_sheet([other], tile_px=96) != plain).any()
    assert (contact_sheet([row(caption="")], tile_px=96, title="subject 031") != plain).any()


def test_rows_that_cannot_be_shown_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one row"):
        contact_sheet([])
    bad = SheetRow("031", np.zeros((4, 4, 3), np.uint8), np.zeros((2, 2), np.uint8))
    with pytest.raises(ValueError, match=r"031: a mask of \(2, 2\) does not fit"):
        contact_sheet([bad])


def test_rows_have_further_columns_of_colours_and_masks() -> None:
    red, white = np.full((30, 60, 3), (255, 0, 0), np.uint8), np.full((60, 60), 255, np.uint8)
    more = SheetRow(
        "031", np.zeros((60, 60, 3), np.uint8), np.zeros((60, 60), np.uint8), "", (("a", red), ("b", white))
    )
    sheet = contact_sheet([more, more], tile_px=64)
    assert count(sheet, (255, 0, 0)) == 2 * 32 * 64 and count(sheet, (255, 255, 255)) == 2 * 64 * 64
    with pytest.raises(ValueError, match="columns frame, mask, composite, a, b"):
        contact_sheet([more, row()])
