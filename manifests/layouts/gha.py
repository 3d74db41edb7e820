"""The layout of Gaussian-Head-Avatar: `<subject>/images/<frame:04d>/image_<camera>.jpg`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from manifests.layouts.base import LAST_FRAME, Found, Tree, folders, folders_with, some_files
from manifests.records import FileStat

NAME = "gha"

_FRAME = re.compile(r"images/(\d+)/(image|visible|mask)_([^/]+)\.(jpg|jpeg|png)", re.IGNORECASE)
_PLATE = re.compile(r"background/image_([^/]+)\.(jpg|jpeg|png)", re.IGNORECASE)
_LOWRES = "lowres_"


class Gha:
    """The layout of Gaussian-Head-Avatar."""

    name = NAME
    plate = ""

    def subjects(self, capture: Tree) -> list[str]:
        """Return the folders that hold `images` or `background`."""
        return folders_with(capture, folders(capture), lambda below: bool({"images", "background"} & set(below)))

    def files(self, capture: Tree, subject: str) -> Iterator[tuple[Found, FileStat]]:
        """Yield what lies there of a subject, from one listing."""
        for stat in capture.list(subject):
            found = parse(stat.path[len(subject) + 1 :])
            if found is not None:
                yield found, stat

    def describe(self) -> str:
        """Say what the layout looks like."""
        return describe()

    def found_instead(self, capture: Tree) -> str:
        """Name some files that are there."""
        return ", ".join(some_files(capture)) or "no file"


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
        return Found(role, "", camera[len(_LOWRES) :] if is_lowres else camera, number)
    matched = _PLATE.fullmatch(path)
    return None if matched is None else Found("plate", "", matched.group(1))


def mask_path(subject: str, frame: int, camera: str) -> str:
    """Return where the full mask lies, relative to the output root."""
    return f"{subject}/images/{frame:04d}/mask_{camera}.jpg"


def lowres_path(subject: str, frame: int, camera: str) -> str:
    """Return where the 256x256 mask lies, relative to the output root."""
    return f"{subject}/images/{frame:04d}/mask_lowres_{camera}.jpg"


def describe() -> str:
    """Say what the layout looks like, for messages."""
    return "<subject>/images/<frame:04d>/image_<camera>.jpg with plates <subject>/background/image_<camera>.jpg"
