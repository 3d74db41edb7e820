"""A contact sheet: many frames beside their masks and their composites, on one picture for a person to look over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]
RGB = tuple[int, int, int]

HEADINGS = ("frame", "mask", "composite")

_PAPER: RGB = (24, 26, 29)
_WELL: RGB = (12, 13, 14)
_INK: RGB = (226, 229, 232)
_FAINT_INK: RGB = (142, 148, 155)
_PLEASING_ASPECT = 1.5  # width over height
_FONT = cv2.FONT_HERSHEY_SIMPLEX


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One frame on a sheet."""

    caption: str
    """Subject, camera and frame number."""
    frame: U8
    """(H, W, 3) uint8 RGB."""
    mask: U8
    """(H, W) uint8."""
    note: str = ""
    """What else to say, at the right end of the caption's line."""
    others: tuple[tuple[str, U8], ...] = ()
    """Further columns, each its heading and a picture (H, W, 3) RGB or (H, W) uint8; the same ones in all rows."""


@dataclass(frozen=True, slots=True)
class _Measures:
    """Sizes of a sheet's parts in pixels."""

    tile: int
    n_columns: int
    n_groups: int
    n_lines: int

    @property
    def gap(self) -> int:
        return max(self.tile // 64, 2)

    @property
    def margin(self) -> int:
        return max(self.tile // 12, 6)

    @property
    def caption(self) -> int:
        return max(self.tile // 8, 12)

    @property
    def group_width(self) -> int:
        return self.n_columns * self.tile + (self.n_columns - 1) * self.gap

    @property
    def line_height(self) -> int:
        return self.caption + self.tile + self.margin // 2

    @property
    def shape(self) -> tuple[int, int, int]:
        width = self.n_groups * (self.group_width + self.margin) + self.margin
        return self.margin + 2 * self.caption + self.n_lines * self.line_height + self.margin // 2, width, 3

    def corner(self, k: int) -> tuple[int, int]:
        """Left and top of row k; rows go down a group, then on to the next."""
        group, line = divmod(k, self.n_lines)
        left = self.margin + group * (self.group_width + self.margin)
        return left, self.margin + 2 * self.caption + line * self.line_height


def contact_sheet(
    rows: Sequence[SheetRow],
    tile_px: int = 256,
    colour: RGB = (0, 177, 64),
    n_groups: int | None = None,
    title: str = "",
) -> U8:
    """Lay out frames, masks and composites over a flat RGB colour, and what rows have besides: (H, W, 3) uint8 RGB.

    `n_groups` groups of columns stand side by side; None chooses what makes a pleasing sheet. Raises ValueError where
    there are no rows, a mask is not of the size of its frame, or rows have not the same columns.
    """
    if not rows:
        raise ValueError("a contact sheet needs at least one row")
    for row in rows:
        if row.mask.shape != row.frame.shape[:2]:
            raise ValueError(f"{row.caption}: a mask of {row.mask.shape} does not fit a frame of {row.frame.shape[:2]}")
    headings = (*HEADINGS, *(heading for heading, _ in rows[0].others))
    if any((*HEADINGS, *(heading for heading, _ in row.others)) != headings for row in rows):
        raise ValueError(f"the rows of a contact sheet must all have the columns {', '.join(headings)}")
    measures = _measure(len(rows), len(headings), tile_px, n_groups)
    sheet = np.empty(measures.shape, np.uint8)
    sheet[:] = _PAPER
    _write(sheet, title or f"{len(rows)} frames", (measures.margin, measures.margin), measures.caption, _INK)
    for k in range(0, len(rows), measures.n_lines):
        left, top = measures.corner(k)
        for column, heading in enumerate(headings):
            place = (left + column * (tile_px + measures.gap), top - measures.caption)
            _write(sheet, heading, place, measures.caption, _FAINT_INK)
    for k, row in enumerate(rows):
        _add_row(sheet, row, measures, measures.corner(k), colour)
    return sheet


def composite(frame: U8, mask: U8, colour: RGB) -> U8:
    """Put a frame (H, W, 3) RGB over a flat RGB colour, its mask (H, W) as alpha."""
    alpha = mask[..., None].astype(np.float32) / 255
    mixed = alpha * frame + (1 - alpha) * np.array(colour, np.float32)
    return np.rint(mixed).astype(np.uint8)


def _measure(n_rows: int, n_columns: int, tile_px: int, n_groups: int | None) -> _Measures:
    choices = range(1, n_rows + 1) if n_groups is None else [min(n_groups, n_rows)]
    layouts = [_Measures(tile_px, n_columns, n, -(-n_rows // n)) for n in choices]

    def displeasure(layout: _Measures) -> float:
        height, width, _ = layout.shape
        empty = layout.n_groups * layout.n_lines - n_rows
        return (
            abs(float(np.log(width / height / _PLEASING_ASPECT))) + 4 * empty / n_rows
        )  # a hole is uglier than a wide sheet

    return min(layouts, key=displeasure)


def _add_row(sheet: U8, row: SheetRow, measures: _Measures, corner: tuple[int, int], colour: RGB) -> None:
    left, top = corner
    _write(sheet, row.caption, (left, top), measures.caption, _INK)
    if row.note:
        room = measures.group_width - _width(row.note, measures.caption)
        _write(sheet, row.note, (left + room, top), measures.caption, _FAINT_INK)
    pictures = (row.frame, row.mask, composite(row.frame, row.mask, colour), *(picture for _, picture in row.others))
    for column, picture in enumerate(pictures):
        x, y = left + column * (measures.tile + measures.gap), top + measures.caption
        sheet[y : y + measures.tile, x : x + measures.tile] = _tile(picture, measures.tile)


def _tile(picture: U8, tile_px: int) -> U8:
    """Fit a picture (H, W, 3) or (H, W) into a square tile, its aspect kept."""
    height, width = picture.shape[:2]
    scale = tile_px / max(height, width)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    tile = np.empty((tile_px, tile_px, 3), np.uint8)
    tile[:] = _WELL
    x, y = (tile_px - size[0]) // 2, (tile_px - size[1]) // 2
    tile[y : y + size[1], x : x + size[0]] = small if small.ndim == 3 else small[..., None]
    return tile


def _write(sheet: U8, text: str, corner: tuple[int, int], height_px: int, ink: RGB) -> None:
    base = (corner[0], corner[1] + round(height_px * 0.68))
    cv2.putText(sheet, text, base, _FONT, _font_scale(height_px), ink, 1, cv2.LINE_AA)


def _width(text: str, height_px: int) -> int:
    (width, _), _ = cv2.getTextSize(text, _FONT, _font_scale(height_px), 1)
    return int(width)


def _font_scale(height_px: int) -> float:
    return height_px / 56
