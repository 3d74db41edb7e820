"""Small captures for tests: made once, copied where a test wants to change one."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np

from matting_tasks.synth import SynthSettings, make_capture, parse_fault

FRONT = "222200037"


def make_synth(root: Path, *faults: str, **numbers: int) -> Path:
    """Make a synthetic capture; numbers are those of SynthSettings."""
    make_capture(root, SynthSettings(**numbers, faults=tuple(parse_fault(fault) for fault in faults)))  # type: ignore[arg-type]
    return root


def make_tiny(root: Path, subjects: tuple[str, ...] = ("031",), n_cameras: int = 2, n_frames: int = 3) -> Path:
    """Make a capture of 64x64 pictures without any rendering: noise plates with a bright square that moves."""
    rng = np.random.default_rng(7)
    for subject in subjects:
        for number in range(n_cameras):
            plate = rng.integers(60, 120, (64, 64, 3), dtype=np.uint8)
            _write(root / subject / "background" / f"image_cam{number}.jpg", plate)
            for frame in range(n_frames):
                picture = plate.copy()
                left = 8 + (3 * frame + 5 * number) % 30
                picture[20:64, left : left + 24] = (40, 200, 230)
                _write(root / subject / "images" / f"{frame:04d}" / f"image_cam{number}.jpg", picture)
    return root


def copy_capture(source: Path, target: Path) -> Path:
    """Copy a capture with its times, so that fingerprints stay."""
    shutil.copytree(source, target)
    return target


def masks_below(root: Path) -> dict[str, bytes]:
    """Return every mask under an output root by its relative path."""
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.glob("*/images/*/mask_*"))}


def _write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels, [cv2.IMWRITE_JPEG_QUALITY, 95])
