"""Bad camera files, judged by what is read from them; some in captures of which whole datasets are made."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from command_line import matte
from corpus import damage, good
from corpus.verdicts import NAMED, RIGHT, SILENT, VALID, Verdict
from corpus.world import Around
from nersemble_tree import video_of

from manifests.errors import InputFault
from manifests.ledger import read_receipts
from manifests.storage import LocalFolder
from matting_tasks.calibration import read_calibration

SIZE = 96, 66
CAMERA = "222200037"
WHOLE = "whole"


@dataclass(frozen=True)
class BadCameras:
    """A bad `camera_params.json`; `must_fail` where no camera can be made of it."""

    kind: str
    data: bytes
    must_fail: bool = False


def params() -> dict[str, Any]:
    """Return the parameters of a camera that looks at the origin from the side."""
    turn = np.deg2rad(30.0)
    pose = np.eye(4)
    pose[:3, :3] = [[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]]
    pose[:3, 3] = 0.1, -0.2, 1.5
    intrinsics = [[8200.0, 0, 1100.0], [0, 8200.0, 1604.0], [0, 0, 1]]
    return {"world_2_cam": {CAMERA: pose.tolist()}, "intrinsics": intrinsics}


def whole() -> bytes:
    """Return the undamaged file."""
    return json.dumps(params(), indent=1).encode()


def bad_cameras(n_each: int, seed: int = 4) -> Iterator[BadCameras]:
    """Yield files with numbers that are none, wrong shapes, of another kind, and damaged ones."""
    for number in ("NaN", "Infinity", "-Infinity", "null", '"1.0"', "true", "[1]", "1e999", "{}"):
        for place in (b"8200.0", b"1.5"):
            yield BadCameras("cameras: no number", whole().replace(place, number.encode(), 1), True)
    for broken in _broken():
        yield BadCameras("cameras: another shape or meaning", _changed(broken), True)
    arrays = io.BytesIO()
    np.savez(arrays, extrinsic=np.eye(4)[:3], intrinsic=np.eye(3))
    other = [data for _, data in good.foreign_files()]
    for data in (b"[]", b"7", b"[" * 100_000, b"{" * 100_000, b'"' + b"a" * 100_000, arrays.getvalue(), *other):
        yield BadCameras("cameras: no JSON, or other JSON", data, True)
    damages = {
        "cut": damage.cut,
        "1 bit flipped": damage.flips(1),
        "4 zeros": damage.hole(4),
        "32 bytes of noise": damage.noise(32),
        "bytes lost": damage.lost,
    }
    for name, _, data in damage.cases(seed, {"whole": whole()}, damages, n_each):
        yield BadCameras(f"cameras: {name}", data, name in ("cut", "4 zeros"))


def _broken() -> list[Callable[[dict[str, Any]], object]]:
    pose: Callable[[dict[str, Any]], Any] = lambda known: known["world_2_cam"]  # noqa: E731
    return [
        lambda known: known.pop("world_2_cam"),
        lambda known: known.pop("intrinsics"),
        lambda known: known.update(world_2_cam={}),
        lambda known: known.update(world_2_cam=[]),
        lambda known: known.update(intrinsics=[]),
        lambda known: known.update(intrinsics={}),
        lambda known: known.update(intrinsics=np.eye(4).tolist()),
        lambda known: known.update(intrinsics=np.eye(2).tolist()),
        lambda known: known.update(intrinsics=[[8200.0, 0, 1100.0], [0, 8200.0], [0, 0, 1]]),
        lambda known: known.update(intrinsics=[[0, 0, 1100.0], [0, 8200.0, 1604.0], [0, 0, 1]]),
        lambda known: known.update(intrinsics=[[-8200.0, 0, 1100.0], [0, 8200.0, 1604.0], [0, 0, 1]]),
        lambda known: known.update(intrinsics={"other": np.eye(3).tolist()}),
        lambda known: known.update(intrinsics=[[8200.0, 0, 1100.0], [0, 8200.0, 1604.0], [0, 0.5, 1]]),
        lambda known: pose(known).update({CAMERA: np.eye(3).tolist()}),
        lambda known: pose(known).update({CAMERA: np.zeros((4, 4)).tolist()}),
        lambda known: pose(known).update({CAMERA: (2 * np.eye(4)).tolist()}),
        lambda known: pose(known).update({CAMERA: np.eye(4)[:, [1, 0, 2, 3]].tolist()}),
        lambda known: pose(known).update({CAMERA: np.diag([3.0, 1, 1, 1]).tolist()}),
        lambda known: pose(known).update({CAMERA: [[1] * 4] * 3}),
        lambda known: pose(known).update({CAMERA: {}}),
        lambda known: pose(known).update({CAMERA: "pose"}),
        lambda known: pose(known).update({CAMERA: [[10**400] * 4] * 4}),
    ]


def _changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    known = params()
    change(known)
    return json.dumps(known).encode()


def judge_cameras(bads: Iterable[BadCameras]) -> list[Verdict]:
    """Read each file as a run does, and judge it."""
    return [_judge(bad) for bad in bads]


def check_run(folder: Path, bads: Sequence[BadCameras]) -> None:
    """Make a dataset of a capture with a subject for each bad file: every frame has its mask, and says what is not."""
    capture, out = folder / "capture", folder / "out"
    files = {f"s{number:04d}": bad.data for number, bad in enumerate(bads)}
    for subject, data in (files | {WHOLE: whole()}).items():
        _put(capture / subject, data)
    around = Around(folder, out)
    ended = matte(capture, out, "--geometry", "gha", "--write-frames")
    around.check()
    assert ended.code == 0, ended.err
    assert _camera_file(out, WHOLE).exists()
    for subject, bad in zip(files, bads, strict=True):
        rows = read_receipts(LocalFolder(out), subject)
        assert rows and all(row.status == "ok" for row in rows)
        if _judge(bad).verdict == NAMED:
            assert all("no camera file: the calibration cannot be read" in (row.note or "") for row in rows)
            assert not _camera_file(out, subject).exists()


def _judge(bad: BadCameras) -> Verdict:
    try:
        found = read_calibration(bad.data).of(CAMERA)
    except InputFault as fault:
        return Verdict(bad.kind, NAMED, fault.message)
    if found is None:
        return Verdict(bad.kind, NAMED, "there is no such camera")
    wanted = read_calibration(whole()).of(CAMERA)
    assert wanted is not None
    if bad.must_fail or not all(np.isfinite(matrix).all() for matrix in found):
        return Verdict(bad.kind, SILENT, f"{found}")
    is_same = all(np.array_equal(*pair) for pair in zip(found, wanted, strict=True))
    return Verdict(bad.kind, RIGHT if is_same else VALID, f"{found}")


def _put(root: Path, data: bytes) -> None:
    plate = root / "sequences" / "BACKGROUND" / f"image_{CAMERA}.jpg"
    video = root / "sequences" / "EXP-1-head" / "images" / f"cam_{CAMERA}.mp4"
    cameras = root / "calibration" / "camera_params.json"
    for path in (plate, video, cameras):
        path.parent.mkdir(parents=True)
    plate.write_bytes(_plate())
    shutil.copyfile(video_of(1, "h264", SIZE), video)
    cameras.write_bytes(data)


@cache
def _plate() -> bytes:
    return bytes(cv2.imencode(".jpg", np.full((*SIZE, 3), 90, np.uint8))[1])


def _camera_file(out: Path, subject: str) -> Path:
    return out / subject / "cameras" / "0000" / f"camera_{CAMERA}.npz"
