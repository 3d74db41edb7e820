"""Mask faults: true mattes of 16 cameras made wrong on purpose in one camera, each in one known way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

PAD = 200 / 2600
"""Of the width: what a crop is off by that forgets the black pad of the gha layout."""


@dataclass(frozen=True)
class Scene:
    """Mattes (cameras, frames, 256, 256) uint8 that a fault may change, and which camera and frame it is to hit."""

    masks: np.ndarray
    camera: int
    frame: int
    rng: np.random.Generator
    dropped: set[tuple[int, int]]


def none(scene: Scene) -> None:
    """Leave all as it is."""


def drop_frame(scene: Scene) -> None:
    """Take a frame out of one camera."""
    scene.dropped.add((scene.camera, scene.frame))


def erase_half(scene: Scene) -> None:
    """Erase the left or right half of one camera's mattes, all the time."""
    side = scene.rng.integers(2)
    for mask in scene.masks[scene.camera]:
        _erase_half(mask, int(side))


def cut_hole(scene: Scene) -> None:
    """Cut a round hole of 1 % of the area out of one matte."""
    mask = scene.masks[scene.camera, scene.frame]
    radius = np.sqrt(0.01 * (mask > 127).sum() / np.pi)
    inner = cv2.distanceTransform(np.pad(mask > 127, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1] > radius + 3
    _disc(mask, _somewhere(scene.rng, inner), radius, 0)


def add_blob(scene: Scene) -> None:
    """Add a disc of 2 % of the area beside the matte, in one matte."""
    mask = scene.masks[scene.camera, scene.frame]
    radius = np.sqrt(0.02 * (mask > 127).sum() / np.pi)
    free = cv2.distanceTransform((mask <= 12).astype(np.uint8), cv2.DIST_L2, 5) > radius + 3
    free[: int(radius) + 2] = free[:, : int(radius) + 22] = free[:, -int(radius) - 22 :] = False
    _disc(mask, _somewhere(scene.rng, free), radius, 255)


def flicker_area(scene: Scene) -> None:
    """Let one camera's mattes grow and shrink by 10 % of their area, at random from frame to frame."""
    for mask in scene.masks[scene.camera]:
        area = 1 + 0.1 * float(scene.rng.choice([-1, 1]))
        y, x = (float(axis.mean()) for axis in np.nonzero(mask > 127))
        mask[:] = cv2.warpAffine(mask, cv2.getRotationMatrix2D((x, y), 0, np.sqrt(area)), mask.shape[::-1])


def spoil_one(scene: Scene) -> None:
    """Make one matte bad: empty, half of it, or another camera's."""
    mask = scene.masks[scene.camera, scene.frame]
    kind = scene.rng.integers(3)
    if kind == 0:
        mask[:] = 0
    elif kind == 1:
        _erase_half(mask, int(scene.rng.integers(2)))
    else:
        mask[:] = scene.masks[(scene.camera + 8) % len(scene.masks), scene.frame]


def invert(scene: Scene) -> None:
    """Take one camera's background for the person, in what the sensor sees."""
    seen = scene.masks.shape[-1]
    left, right = int(np.ceil(PAD * seen)), int((1 - PAD) * seen)
    mattes = scene.masks[scene.camera]
    mattes[:, :, left:right] = 255 - mattes[:, :, left:right]


def mistake_geometry(scene: Scene) -> None:
    """Treat one camera's pictures as cut another way: mirrored, without the pad, or a tenth too small."""
    mattes = scene.masks[scene.camera]
    kind = scene.rng.integers(3)
    for mask in mattes:
        if kind == 0:
            mask[:] = mask[:, ::-1].copy()
        elif kind == 1:
            move = np.float32([[1, 0, PAD * mask.shape[1]], [0, 1, 0]])
            mask[:] = cv2.warpAffine(mask, move, mask.shape[::-1])
        else:
            mask[:] = cv2.warpAffine(mask, np.float32([[0.9, 0, 0], [0, 0.9, 0]]), mask.shape[::-1])


@dataclass(frozen=True)
class MaskFault:
    """A fault, and the measures of which one must tell it."""

    name: str
    make: Callable[[Scene], None]
    own: tuple[str, ...]


FAULTS = (
    MaskFault("clean", none, ()),
    MaskFault("a frame dropped in one camera", drop_frame, ("frame_set",)),
    MaskFault("a mask half erased in one view", erase_half, ("hull_cut", "inside_hull")),
    MaskFault("a hole of 1 % of the area", cut_hole, ("holes",)),
    MaskFault("a detached blob of 2 % of the area", add_blob, ("largest_component",)),
    MaskFault("area flicker of ±10 %", flicker_area, ("area_jump",)),
    MaskFault("a single bad frame", spoil_one, ("second_difference",)),
    MaskFault("an inverted mask", invert, ("border_top",)),
    MaskFault("wrong geometry", mistake_geometry, ("outside_hull", "hull_cut")),
)


def _erase_half(mask: np.ndarray, side: int) -> None:
    middle = int(np.nonzero(mask > 127)[1].mean())
    mask[:, slice(0, middle) if side else slice(middle, None)] = 0


def _somewhere(rng: np.random.Generator, allowed: np.ndarray) -> tuple[int, int]:
    rows, columns = np.nonzero(allowed)
    place = int(rng.integers(len(rows)))
    return int(columns[place]), int(rows[place])


def _disc(mask: np.ndarray, centre: tuple[int, int], radius: float, value: int) -> None:
    cv2.circle(mask, centre, round(radius), value, -1)
