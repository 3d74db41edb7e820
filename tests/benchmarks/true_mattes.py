"""True mattes: the known alpha of the synthetic 16-camera capture at lowres size, without any files or network."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from matting_tasks.hull import LOWRES_PX, Rig
from matting_tasks.synth_cameras import CAMERAS, make_camera, visible_mask
from matting_tasks.synth_picture import make_cutout, make_subject, to_uint8

SPEEDS = (1.0, 0.4)
"""Of the movement, by seed: that of the synthetic capture, which turns 43 degrees of its circle a frame, and slower."""


def true_mattes(seed: int, n_frames: int, folder: Path | None = None) -> np.ndarray:
    """Return the true alpha of one subject: (cameras, frames, 256, 256) uint8; with a folder, kept there."""
    kept = None if folder is None else folder / f"{seed}-{n_frames}.npy"
    if kept is not None and kept.exists():
        found: np.ndarray = np.load(kept)
        return found
    subject, speed = make_subject(seed, seed), SPEEDS[seed % len(SPEEDS)]
    made = np.stack(
        [
            np.stack([to_uint8(make_cutout(subject, c, speed * f, LOWRES_PX).alpha) for f in range(n_frames)])  # type: ignore[arg-type]
            for c in CAMERAS
        ]
    )
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        unfinished = kept.with_suffix(f".{os.getpid()}.npy")
        np.save(unfinished, made)
        os.replace(unfinished, kept)
    return made


def all_mattes(n_seeds: int, n_frames: int, folder: Path) -> None:
    """Make the true mattes of seeds 0 to n_seeds - 1 and keep them, on all cores."""
    with ProcessPoolExecutor() as processes:
        list(processes.map(partial(_keep, n_frames=n_frames, folder=folder), range(n_seeds)))


def synthetic_rig() -> Rig:
    """Return the calibration of the synthetic cameras for lowres masks."""
    projections = []
    for serial in CAMERAS:
        camera = make_camera(serial, LOWRES_PX)
        intrinsic = camera.intrinsic.copy()
        intrinsic[:2, 2] += 0.5  # theirs has its origin in the first pixel's centre
        projections.append(intrinsic @ camera.extrinsic)
    visible = visible_mask(LOWRES_PX) > 0
    return Rig(CAMERAS, np.array(projections), np.repeat(visible[None], len(CAMERAS), axis=0))


def _keep(seed: int, n_frames: int, folder: Path) -> None:
    true_mattes(seed, n_frames, folder)
