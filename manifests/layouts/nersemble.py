"""The raw NeRSemble download, version 2 (a folder a subject) and version 1 (a folder a sequence)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from manifests.layouts.base import Found, Tree, folders, folders_with, some_files
from manifests.records import FileStat

V2, V1 = "nersemble-v2", "nersemble-v1"
BACKGROUND = "BACKGROUND"

_V2_FILE = re.compile(
    r"sequences/(?P<sequence>[^/]+)/images/cam_(?P<video>[^/]+)\.mp4"
    r"|sequences/BACKGROUND/image_(?P<plate>[^/]+)\.(?:jpg|jpeg|png)"
    r"|(?P<calibration>calibration/camera_params\.json)"
)
_V1_FOLDER = re.compile(r"sequence_.+_part-\d+")
_V1_FILE = re.compile(
    r"sequence_(?P<name>.+)_part-\d+/(?P<subject>[^/]+)/(?P=name)/"
    r"(?:cam_(?P<video>[^/]+)\.mp4|image_(?P<plate>[^/]+)\.(?:jpg|jpeg|png))"
    r"|camera_params/(?P<owner>[^/]+)/camera_params\.json"
)

Files = list[tuple[Found, FileStat]]


class NersembleV2:
    """`<subject>/sequences/<sequence>/images/cam_<camera>.mp4`."""

    name = V2
    plate = ""

    def subjects(self, capture: Tree) -> list[str]:
        """Return the folders that hold `sequences`."""
        return folders_with(capture, folders(capture), lambda below: "sequences" in below)

    def files(self, capture: Tree, subject: str) -> Iterator[tuple[Found, FileStat]]:
        """Yield videos, plates and calibration of a subject, from a listing of each of its two folders.

        The subject's own folder is not listed: a dataset that was made beside the raw files can hold very many.
        """
        for folder in ("sequences", "calibration"):
            for stat in capture.list(f"{subject}/{folder}"):
                found = _parse_v2(stat.path[len(subject) + 1 :])
                if found is not None:
                    yield found, stat

    def describe(self) -> str:
        """Say what the layout looks like."""
        return (
            "<subject>/sequences/<sequence>/images/cam_<camera>.mp4 with plates "
            "<subject>/sequences/BACKGROUND/image_<camera>.jpg"
        )

    def found_instead(self, capture: Tree) -> str:
        """Name some files that are there."""
        first = next(iter(self.subjects(capture)), "")
        return ", ".join(some_files(capture, f"{first}/sequences" if first else "")) or "no file"


class NersembleV1:
    """`sequence_<sequence>_part-<n>/<subject>/<sequence>/cam_<camera>.mp4`.

    The files of a subject lie in as many folders as there are sequences, so all are listed once and kept.
    """

    name = V1
    plate = ""

    def __init__(self) -> None:
        """Begin without having listed anything."""
        self._files: dict[str, Files] | None = None

    def subjects(self, capture: Tree) -> list[str]:
        """Return the subjects of which there is a video or a plate."""
        if not any(_V1_FOLDER.fullmatch(name) for name in capture.children()):
            return []
        listed = self._listed(capture)
        return sorted(subject for subject, files in listed.items() if any(f.role != "calibration" for f, _ in files))

    def files(self, capture: Tree, subject: str) -> Iterator[tuple[Found, FileStat]]:
        """Yield videos, plates and calibration of a subject."""
        yield from self._listed(capture).get(subject, ())

    def describe(self) -> str:
        """Say what the layout looks like."""
        return (
            "sequence_<sequence>_part-<n>/<subject>/<sequence>/cam_<camera>.mp4 with plates "
            "sequence_BACKGROUND_part-1/<subject>/BACKGROUND/image_<camera>.jpg"
        )

    def found_instead(self, capture: Tree) -> str:
        """Name some files that are there."""
        return ", ".join(some_files(capture)) or "no file"

    def _listed(self, capture: Tree) -> dict[str, Files]:
        if self._files is None:
            found: dict[str, Files] = {}
            roots = [name for name in capture.children() if _V1_FOLDER.fullmatch(name) or name == "camera_params"]
            for root in roots:
                for stat in capture.list(root):
                    subject, what = _parse_v1(stat.path)
                    if what is not None:
                        found.setdefault(subject, []).append((what, stat))
            self._files = found
        return self._files


def _parse_v2(path: str) -> Found | None:
    matched = _V2_FILE.fullmatch(path)
    if matched is None or matched["sequence"] == BACKGROUND:
        return None
    if matched["calibration"]:
        return Found("calibration")
    return Found("plate", "", matched["plate"]) if matched["plate"] else _video(matched["sequence"], matched["video"])


def _parse_v1(path: str) -> tuple[str, Found | None]:
    matched = _V1_FILE.fullmatch(path)
    if matched is None:
        return "", None
    if matched["owner"]:
        return matched["owner"], Found("calibration")
    is_background = matched["name"] == BACKGROUND
    if bool(matched["plate"]) != is_background:  # a picture in a sequence, or a video of the empty set
        return "", None
    found = Found("plate", "", matched["plate"]) if is_background else _video(matched["name"], matched["video"])
    return matched["subject"], found


def _video(sequence: str, camera: str) -> Found:
    return Found("video", sequence, camera)
