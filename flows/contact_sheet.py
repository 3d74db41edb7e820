"""Contact sheet: the worst frames of a selection, or evenly chosen ones, with masks and composites on one picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import islice
from pathlib import Path

import numpy as np

from flows.fresh import judge_stale
from flows.report_choice import chosen_rows, even_rows
from flows.report_pictures import open_sources, read_pairs
from flows.report_words import label, value_text
from flows.settings import EnumerateSettings
from flows.show import plain_console
from flows.show_manifest import chosen_subjects
from flows.telling import count
from manifests.errors import InputFault, NothingSelected, UsageError
from manifests.manifest import read_manifest
from manifests.qc import QcFrames, read_qc_frames, read_subject_qc
from manifests.root import read_root
from manifests.sharding import FrameTable
from manifests.storage import Folder, open_folder
from manifests.verdicts import streams
from matting_tasks.contact_sheet import SheetRow, contact_sheet
from matting_tasks.report_pictures import encode_sheet, shrink

KINDS = ("png", "jpg", "webp")


@dataclass(frozen=True, slots=True)
class SheetSettings:
    """Where the sheet goes, which frames it shows (worst | even), how many at most, and the side of a tile in px."""

    to: Path
    pick: str = "worst"
    most: int = 24
    tile_px: int = 256


@dataclass(frozen=True, slots=True)
class _Pick:
    """Frames of one subject that could be on the sheet: rows of `frames`, the most telling first."""

    subject: str
    frames: QcFrames
    rows: list[int]


def write_contact_sheet(out_url: str, settings: EnumerateSettings, sheet: SheetSettings) -> int:
    """Write the sheet of a selection to a local file, say what is on it, and return 0; subjects are judged first.

    Raises UsageError for another kind of picture, NothingSelected where no selected frame has a mask.
    """
    kind = sheet.to.suffix.removeprefix(".").lower()
    if kind not in KINDS:
        raise UsageError(f"--to {sheet.to}: a name that ends in .{', .'.join(KINDS)} is wanted.")
    out, console = open_folder(out_url, settings.store_options), plain_console()
    subjects = chosen_subjects(out, settings)
    for trouble in judge_stale(out, subjects, settings.store_options):
        console.print(f"! {trouble}", soft_wrap=True)
    picks = [pick for subject in subjects if (pick := _pick(out, subject, settings, sheet))]
    chosen = list(_in_turns(picks, sheet.most))
    if not chosen:
        raise NothingSelected(f"{out.url} has no mask of any selected frame yet. Run cleanplate matte.")
    rows, faults = _rows(out, chosen, settings, sheet)
    for fault in faults:
        console.print(f"! {fault}", soft_wrap=True)
    if not rows:
        raise NothingSelected("None of the chosen frames can be shown; the lines above say why.")
    drawn = contact_sheet(rows, title=f"{count(len(rows), 'frame')} of {out.url}", tile_px=sheet.tile_px)
    sheet.to.parent.mkdir(parents=True, exist_ok=True)
    sheet.to.write_bytes(encode_sheet(drawn, kind))
    console.print(f"{count(len(rows), 'frame')}, {drawn.shape[1]}x{drawn.shape[0]} pixels: {sheet.to}", soft_wrap=True)
    return 0


def _pick(out: Folder, subject: str, settings: EnumerateSettings, sheet: SheetSettings) -> _Pick | None:
    """Choose among the selected frames of a subject that have a mask."""
    qc, frames = read_subject_qc(out, subject), read_qc_frames(out, subject)
    manifest = read_manifest(out, subject)
    if manifest is None or frames is None:
        return None
    listed = manifest.frames
    wanted = {key for key, is_wanted in zip(_keys(listed), settings.selection.rows(listed), strict=True) if is_wanted}
    kept = np.array([key in wanted for key in _keys(frames)], dtype=bool) & (frames.mask_path != "")
    frames = _taken(frames, kept)
    if sheet.pick == "worst" and qc is not None:
        return _Pick(subject, frames, chosen_rows(qc, frames, sheet.most))
    n_streams = max(len(streams(frames)), 1)
    return _Pick(subject, frames, even_rows(frames, -(-sheet.most // n_streams)))


def _in_turns(picks: Sequence[_Pick], most: int) -> Iterator[tuple[_Pick, int]]:
    """Yield (subject, row), one of each subject in turn, the most telling first, until there are enough."""
    turns = max((len(pick.rows) for pick in picks), default=0)
    offered = ((pick, pick.rows[turn]) for turn in range(turns) for pick in picks if turn < len(pick.rows))
    return islice(offered, most)


def _rows(
    out: Folder, chosen: Sequence[tuple[_Pick, int]], settings: EnumerateSettings, sheet: SheetSettings
) -> tuple[list[SheetRow], list[str]]:
    """Return the rows of the sheet, sorted by subject, sequence, camera and frame, and why others are not on it."""
    root = read_root(out)
    geometry = "native" if root is None else root.recipe.geometry
    rows: list[SheetRow] = []
    faults: list[str] = []
    for subject in sorted({pick.subject for pick, _ in chosen}):
        pick = next(pick for pick, _ in chosen if pick.subject == subject)
        sources = open_sources(out, read_manifest(out, subject), geometry, settings.store_options)
        wanted = sorted(row for other, row in chosen if other is pick)
        for row, (frame, mask) in read_pairs(sources, pick.frames, wanted).items():
            name = _caption(pick.frames, row)
            if isinstance(frame, InputFault) or isinstance(mask, InputFault):
                faults.append(f"{name}: {frame if isinstance(frame, InputFault) else mask}")
            elif frame.shape[:2] != mask.shape:
                faults.append(f"{name}: frame and mask differ in size")
            else:
                pixels, alpha = shrink(frame, sheet.tile_px), shrink(mask, sheet.tile_px)
                rows.append(SheetRow(name, pixels, alpha, _note(pick.frames, row)))
    return rows, faults


def _caption(frames: QcFrames, row: int) -> str:
    parts = frames.subject, frames.sequence[row], frames.camera[row], str(frames.frame[row])
    return " ".join(part for part in parts if part)


def _note(frames: QcFrames, row: int) -> str:
    """Say the verdict of a frame; the sheet's letters are ASCII only."""
    name = str(frames.measure[row])
    if not name:
        return ""
    value = value_text(name, float(frames.measures[name][row])).replace("\N{NO-BREAK SPACE}", " ")
    return f"{frames.verdict[row]}: {label(name)} {value}"


def _keys(table: QcFrames | FrameTable) -> list[tuple[str, str, int]]:
    return list(zip(table.sequence, table.camera, table.frame.tolist(), strict=True))


def _taken(frames: QcFrames, kept: np.ndarray) -> QcFrames:
    """Return some of the frames; kept: (n,) bool."""
    names = [field.name for field in fields(QcFrames) if field.name not in ("subject", "measures")]
    columns = {name: getattr(frames, name)[kept] for name in names}
    return replace(frames, **columns, measures={name: values[kept] for name, values in frames.measures.items()})
