"""The layout of Gaussian-Head-Avatar: `<subject>/images/<frame:04d>/image_<camera>.jpg`."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

NAME = "gha"

RIG_CAMERAS = (
    "220700191",
    "221501007",
    "222200036",
    "222200037",
    "222200038",
    "222200039",
    "222200040",
    "222200041",
    "222200042",
    "222200043",
    "222200044",
    "222200045",
    "222200046",
    "222200047",
    "222200048",
    "222200049",
)
"""The serials of the NeRSemble rig; 222200037 is the front camera."""

RIG_AT_LEAST = 12
"""So many of the rig's cameras make a capture one of the rig."""

_FRAME = re.compile(r"images/(\d+)/(image|visible|mask)_([^/]+)\.(jpg|jpeg|png)", re.IGNORECASE)
_PLATE = re.compile(r"background/image_([^/]+)\.(jpg|jpeg|png)", re.IGNORECASE)
_LOWRES = "lowres_"
LAST_FRAME = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Found:
    """What a path below a subject's folder is: role is frame | visible | mask | plate; `frame` is -1 for a plate."""

    role: str
    camera: str
    frame: int


def parse(path: str) -> Found | None:
    """Say what `path` (relative to the subject's folder) is, or None for anything else.

    `image_lowres_<camera>` is another size of a frame and not counted; masks of both sizes have the role mask.
    """
    matched = _FRAME.fullmatch(path)
    if matched is not None:
        number, kind, camera = int(matched[1]), matched[2].lower(), matched[3]
        is_lowres = camera.lower().startswith(_LOWRES)
        if number > LAST_FRAME or (is_lowres and kind != "mask"):
            return None
        role = {"image": "frame", "visible": "visible", "mask": "mask"}[kind]
        return Found(role, camera[len(_LOWRES) :] if is_lowres else camera, number)
    matched = _PLATE.fullmatch(path)
    return None if matched is None else Found("plate", matched.group(1), -1)


def absent_from_rig(cameras: Collection[str]) -> tuple[str, ...]:
    """Return the rig's cameras that a subject lacks, if it has so many of them that it was recorded with the rig."""
    absent = tuple(camera for camera in RIG_CAMERAS if camera not in cameras)
    return absent if len(RIG_CAMERAS) - len(absent) >= RIG_AT_LEAST else ()


def mask_path(subject: str, frame: int, camera: str) -> str:
    """Return where the full mask lies, relative to the output root."""
    return f"{subject}/images/{frame:04d}/mask_{camera}.jpg"


def lowres_path(subject: str, frame: int, camera: str) -> str:
    """Return where the 256x256 mask lies, relative to the output root."""
    return f"{subject}/images/{frame:04d}/mask_lowres_{camera}.jpg"


def describe() -> str:
    """Say what the layout looks like, for messages."""
    return "<subject>/images/<frame:04d>/image_<camera>.jpg with plates <subject>/background/image_<camera>.jpg"
