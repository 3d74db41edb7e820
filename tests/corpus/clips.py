"""Bad videos, put into a raw capture, matted by the main job, and judged frame by frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from command_line import matte
from corpus import damage, good
from corpus.damage import cases
from corpus.verdicts import CRASHED, NAMED, RIGHT, SILENT, VALID, Verdict
from corpus.world import Around
from videos import stamp, write_video

from manifests.ledger import read_receipts
from manifests.records import FrameRow
from manifests.storage import LocalFolder
from matting_tasks.decode_video import VideoReader

SUBJECT, SEQUENCE = "031", "EXP-1-head"
N_FRAMES = 12
NEAR = 2.0
"""Levels: the mean difference of two pictures that are one; stamps of two frames differ by 18 at least."""
KINDS = {
    "h264": {"codec": "h264", "g": 6, "bf": 2},
    "h264-plain": {"codec": "h264", "g": 4, "bf": 0, "faststart": True},
    "hevc": {"codec": "hevc", "x265_params": "keyint=6:bframes=2"},
}


@dataclass(frozen=True)
class BadClip:
    """A bad video; `whole` is the kind of the undamaged one, empty where there is none."""

    kind: str
    data: bytes
    whole: str = ""


@cache
def clips(first: int = 0) -> Mapping[str, bytes]:
    """Return undamaged videos by kind, their frames stamped from `first` on."""
    with TemporaryDirectory() as folder:
        rng = np.random.default_rng(first)
        pictures = [_grainy(rng, number) for number in range(first, first + N_FRAMES)]
        made = {name: write_video(Path(folder) / f"{name}.mp4", pictures, **how) for name, how in KINDS.items()}
        return {name: path.read_bytes() for name, path in made.items()}


def in_pictures(data: bytes) -> tuple[int, int]:
    """Take the coded pictures of an mp4, whose box has their length before its name."""
    return _box(data, b"mdat")


def in_index(data: bytes) -> tuple[int, int]:
    """Take the index of an mp4."""
    return _box(data, b"moov")


def bad_clips(n_each: int, seed: int = 3) -> Iterator[BadClip]:
    """Yield damaged videos, `n_each` of each kind, twice as many cuts, and files that are no videos."""
    others = clips(100)
    damages = {
        "1 bit flipped in the pictures": damage.flips(1, in_pictures),
        "8 bits flipped in the pictures": damage.flips(8, in_pictures),
        "1 bit flipped in the index": damage.flips(1, in_index),
        "32 zeros in the pictures": damage.hole(32, in_pictures),
        "32 zeros in the index": damage.hole(32, in_index),
        "8 bits flipped in the index": damage.flips(8, in_index),
        "8 bytes of noise in the index": damage.noise(8, in_index),
        "512 zeros": damage.hole(512),
        "512 bytes of noise": damage.noise(512),
        "bytes lost": damage.lost,
        "bytes doubled": damage.doubled,
        "blocks swapped": damage.swapped,
        "another file from some byte on": damage.spliced(others["h264"]),
        "bytes behind the end": damage.trailing,
    }
    for several, number in (({"cut": damage.cut}, 3 * n_each), (damages, n_each)):
        for name, key, data in cases(seed, clips(), several, number):
            yield BadClip(f"video: {name}", data, key)
    foreign = [data for _, data in good.foreign_files()]
    for data in [
        *foreign,
        *good.jpegs().values(),
        b"#EXTM3U\nfile:" + b"///etc/passwd\n",
        b"ffconcat version 1.0\nfile a.mp4\n",
    ]:
        yield BadClip("no video by the name .mp4", data)


def run_clips(folder: Path, bads: Sequence[BadClip]) -> list[Verdict]:
    """Put bad videos into a capture, a camera each, matte it, and judge each by its frames."""
    capture, out = folder / "capture", folder / "out"
    whole = clips()
    files = {f"v{number:04d}": bad.data for number, bad in enumerate(bads)}
    _put(capture, files | {f"whole-{kind}": data for kind, data in whole.items()})
    around = Around(folder, out)
    ended = matte(capture, out, "--io-threads", 2)
    around.check()
    if ended.code not in (0, 3):
        return [Verdict(bads[0].kind, CRASHED, f"exit code {ended.code}: {ended.err}")]
    rows: dict[str, list[FrameRow]] = {}
    for row in read_receipts(LocalFolder(out), SUBJECT):
        rows.setdefault(row.camera, []).append(row)
    for kind in whole:
        assert [row.status for row in rows[f"whole-{kind}"]] == ["ok"] * N_FRAMES
    return [_judge(capture, bad, rows[camera]) for camera, bad in zip(files, bads, strict=True)]


def _judge(capture: Path, bad: BadClip, rows: Sequence[FrameRow]) -> Verdict:
    """Every frame must be named, or be the undamaged one's; another picture of the right number is one of its own."""
    failed = [row for row in rows if row.status != "ok"]
    about = f"{rows[0].camera}: {[(row.frame, row.status, row.error) for row in failed[:2]]}"
    if any(f"cam_{row.camera}.mp4" not in (row.error or "") or row.mask_path is not None for row in failed):
        return Verdict(bad.kind, SILENT, f"a row that does not name the file; {about}")
    if not bad.whole or len(rows) != N_FRAMES:
        return Verdict(bad.kind, SILENT if len(failed) < len(rows) or not rows else NAMED, about)
    shown = _frames(capture, rows)
    wrong = [number for number, pixels in shown.items() if not np.array_equal(pixels, _truth(bad.whole)[number])]
    if not wrong:
        return Verdict(bad.kind, NAMED if failed else RIGHT, about)
    if any(_is_another(bad.whole, number, shown[number]) for number in wrong):
        return Verdict(bad.kind, SILENT, f"another frame's picture; {about}")
    return Verdict(bad.kind, VALID, f"frames {wrong}; {about}")


def _frames(capture: Path, rows: Sequence[FrameRow]) -> dict[int, np.ndarray]:
    """Decode the frames that are ok once more."""
    whole = [row.frame for row in rows if row.status == "ok"]
    if not whole:
        return {}
    with VideoReader(_path(capture, rows[0].camera), 1) as video:
        return {number: video.read(number) for number in whole}


@cache
def _truth(kind: str) -> tuple[np.ndarray, ...]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "whole.mp4"
        path.write_bytes(clips()[kind])
        with VideoReader(path, 1) as video:
            return tuple(video.read(number) for number in range(N_FRAMES))


def _box(data: bytes, name: bytes) -> tuple[int, int]:
    place = data.index(name)
    return place + 4, place - 4 + int.from_bytes(data[place - 4 : place])


def _is_another(kind: str, number: int, pixels: np.ndarray) -> bool:
    """Tell whether a picture is that of another frame, and not the right one with spots."""
    off = [float(cv2.absdiff(pixels, other).mean()) for other in _truth(kind)]
    return off[number] > NEAR and min(off) < NEAR


def _grainy(rng: np.random.Generator, number: int) -> np.ndarray:
    """Draw a stamped picture with grain, which takes as many bytes as a picture of a camera."""
    pixels = stamp(number).astype(np.int16) + rng.integers(-12, 13, (64, 96, 3))
    return pixels.clip(0, 255).astype(np.uint8)


def _put(capture: Path, files: Mapping[str, bytes]) -> None:
    plate = capture / SUBJECT / "sequences" / "BACKGROUND"
    plate.mkdir(parents=True)
    for camera, data in files.items():
        cv2.imwrite(str(plate / f"image_{camera}.jpg"), np.full((64, 96, 3), 90, np.uint8))
        path = _path(capture, camera)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _path(capture: Path, camera: str) -> Path:
    return capture / SUBJECT / "sequences" / SEQUENCE / "images" / f"cam_{camera}.mp4"
