"""Raw NeRSemble trees for tests, version 2 and 1: small videos that carry their frame numbers, and faults on demand."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import cv2
import numpy as np
from videos import cut, stamp, write_video

from manifests.layouts.rig import RIG_CAMERAS

SEQUENCES = ("EMO-1-shout+laugh", "EXP-3-cheeks+nose")
SIZE = 64, 96
"""Height and width of the videos; x265 breaks the memory of the process at 32 x 48."""


@dataclass(frozen=True)
class Stream:
    """Where a fault is; empty text is everywhere."""

    subject: str = ""
    sequence: str = ""
    camera: str = ""

    def holds(self, subject: str, sequence: str, camera: str) -> bool:
        """Tell whether a stream is meant."""
        mine = self.subject, self.sequence, self.camera
        return all(wanted in ("", found) for wanted, found in zip(mine, (subject, sequence, camera), strict=True))


FRAMES_APART = 64
"""The stamps of two streams are so far apart in a tree that is `distinct`: 64 streams of 64 frames, no stamp twice."""


@dataclass(frozen=True)
class RawTree:
    """What a tree holds: `short` videos lack their last `cut_frames` frames, every other video is hevc if `mixed`.

    Frames are stamped with their number in the video; of a tree that is `distinct` also with their stream, see
    `first_stamp`.
    """

    subjects: Sequence[str] = ("031", "036")
    sequences: Sequence[str] = SEQUENCES
    n_cameras: int = 3
    n_frames: int = 12
    cut_frames: int = 5
    size: tuple[int, int] = SIZE
    mixed: bool = False
    distinct: bool = False
    no_plate: Stream | None = None
    short: Stream | None = None
    absent: Stream | None = None
    truncated: Stream | None = None
    empty: Stream | None = None

    @property
    def cameras(self) -> tuple[str, ...]:
        """Return the serials."""
        return RIG_CAMERAS[: self.n_cameras]

    def first_stamp(self, subject: str, sequence: str, camera: str) -> int:
        """Return the stamp of frame 0 of a stream."""
        if not self.distinct:
            return 0
        take = self.subjects.index(subject) * len(self.sequences) + self.sequences.index(sequence)
        return FRAMES_APART * (take * self.n_cameras + self.cameras.index(camera))


def make_v2(root: Path, tree: RawTree = RawTree()) -> Path:
    """Make a raw tree of version 2."""
    for subject in tree.subjects:
        _write_calibration(root / subject / "calibration" / "camera_params.json", tree)
        for camera in tree.cameras:
            _write_plate(root / subject / "sequences" / "BACKGROUND" / f"image_{camera}.jpg", tree, subject, camera)
            for sequence in tree.sequences:
                path = root / subject / "sequences" / sequence / "images" / f"cam_{camera}.mp4"
                put_video(path, tree, subject, sequence, camera)
    (root / "metadata_sequences.csv").write_text("sequence\n")
    return root


def make_v1(root: Path, tree: RawTree = RawTree()) -> Path:
    """Make a raw tree of version 1."""
    for subject in tree.subjects:
        _write_calibration(root / "camera_params" / subject / "camera_params.json", tree)
        for camera in tree.cameras:
            (root / "color_correction" / subject).mkdir(parents=True, exist_ok=True)
            (root / "color_correction" / subject / f"{camera}.npy").write_bytes(b"")
            background = root / "sequence_BACKGROUND_part-1" / subject / "BACKGROUND"
            _write_plate(background / f"image_{camera}.jpg", tree, subject, camera)
            for number, sequence in enumerate(tree.sequences, 1):
                path = root / f"sequence_{sequence}_part-{number}" / subject / sequence / f"cam_{camera}.mp4"
                put_video(path, tree, subject, sequence, camera)
    return root


def put_video(path: Path, tree: RawTree, subject: str, sequence: str, camera: str) -> None:
    """Put the video of a stream, with the faults that it is to have."""
    where = subject, sequence, camera
    if tree.absent is not None and tree.absent.holds(*where):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    is_short = tree.short is not None and tree.short.holds(*where)
    codec = "hevc" if tree.mixed and tree.cameras.index(camera) % 2 else "h264"
    n_frames, first = tree.n_frames - (tree.cut_frames if is_short else 0), tree.first_stamp(*where)
    shutil.copyfile(video_of(n_frames, codec, tree.size, first), path)
    if tree.truncated is not None and tree.truncated.holds(*where):
        cut(path, path.stat().st_size // 2)
    if tree.empty is not None and tree.empty.holds(*where):
        path.write_bytes(b"")


@cache
def video_of(n_frames: int, codec: str = "h264", size: tuple[int, int] = SIZE, first: int = 0) -> Path:
    """Return a video stamped from `first` on; one is encoded in a process and copied from then on."""
    height, width = size
    pictures = [stamp(number, height, width) for number in range(first, first + n_frames)]
    path = Path(mkdtemp(prefix="cleanplate-tests-")) / f"{codec}-{n_frames}.mp4"
    return write_video(path, pictures, codec=codec)


def _write_plate(path: Path, tree: RawTree, subject: str, camera: str) -> None:
    if tree.no_plate is not None and tree.no_plate.holds(subject, "", camera):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = tree.size
    cv2.imwrite(str(path), np.full((height, width, 3), 90, np.uint8))


def _write_calibration(path: Path, tree: RawTree) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    poses = {camera: np.eye(4).tolist() for camera in tree.cameras}
    path.write_text(json.dumps({"world_2_cam": poses, "intrinsics": np.diag([8200.0, 8200.0, 1.0]).tolist()}))
