"""Output roots as a person sees them: masks, rows and the files that a run touched."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from manifests.ledger import read_receipts
from manifests.records import FrameRow
from manifests.storage import LocalFolder


def all_masks(out: Path) -> dict[str, bytes]:
    """Return every mask under an output root, of any layout that keeps the prefix, by its relative path."""
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("mask_*"))}


def touched(root: Path) -> dict[str, tuple[int, int]]:
    """Return the size and the time of every file below a folder, by its relative path."""
    files = (path for path in sorted(root.rglob("*")) if path.is_file())
    return {str(path.relative_to(root)): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


def changes(before: dict[str, tuple[int, int]], after: dict[str, tuple[int, int]]) -> set[str]:
    """Return the files that were made, deleted or written again, but for the books of cleanplate."""
    differing = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    return {path for path in differing if not path.startswith("_cleanplate")}


def rows_of(out: Path, subject: str = "031") -> dict[tuple[str, str, int], FrameRow]:
    """Return the row that stands for each (sequence, camera, frame): the one of the last decision."""
    rows = sorted(read_receipts(LocalFolder(out), subject), key=lambda row: row.decision)
    return {(row.sequence, row.camera, row.frame): row for row in rows}


def read_levels(path: Path) -> np.ndarray:
    """Read a mask as it is stored: (H, W) or (H, W, 3), uint8 or uint16."""
    levels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert levels is not None, path
    return levels


def read_rgb(path: Path) -> np.ndarray:
    """Read a picture: (H, W, 3) uint8 RGB."""
    pixels = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    assert pixels is not None, path
    return pixels
