from __future__ import annotations

import hashlib
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from fakes import RememberingFolder, draw_picture, put_shard, to_png

from manifests.errors import InputChanged
from manifests.records import CalibrationFile, Shard
from manifests.storage_memory import MemoryFolder
from matting_tasks.dataset import Dataset
from matting_tasks.frames import ReadFrame
from matting_tasks.geometry import apply, geometry_of

CAMERA = "222200037"
HEIGHT, WIDTH = 160, 110  # about the aspect of the rig
CALIBRATION = {
    "world_2_cam": {CAMERA: np.eye(4).tolist()},
    "intrinsics": [[8200, 0, 1100], [0, 8200, 1604], [0, 0, 1]],
}


def shard_with(capture: MemoryFolder, calibration: object = CALIBRATION, plate: bytes | None = None) -> Shard:
    plate = to_png(draw_picture(9, HEIGHT, WIDTH)) if plate is None else plate
    shard = put_shard(capture, [to_png(draw_picture(n, HEIGHT, WIDTH)) for n in range(3)], plate)
    if calibration is None:
        return shard
    data = json.dumps(calibration).encode()
    capture.files["031/camera_params.json"] = data
    return replace(shard, calibration=CalibrationFile("031/camera_params.json", f"{len(data)}-0"))


def read_of(shard: Shard, number: int = 0) -> ReadFrame:
    geometry = geometry_of("gha", WIDTH, HEIGHT)
    pixels = apply(geometry, draw_picture(number, HEIGHT, WIDTH))
    return ReadFrame(shard.frames[number], pixels, geometry=geometry)


def test_a_frame_has_its_pictures_its_camera_and_its_plate() -> None:
    capture, out = MemoryFolder(), MemoryFolder()
    shard = shard_with(capture)
    written, note = Dataset(capture, out, "gha").write(shard, read_of(shard))
    names = [f"031/images/0000/{kind}_{CAMERA}.jpg" for kind in ("image", "image_lowres", "visible", "visible_lowres")]
    camera = f"031/cameras/0000/camera_{CAMERA}.npz"
    assert note is None and sorted(path for path, _, _ in written) == sorted([*names, camera])
    assert sorted(out.files) == sorted([*names, camera, f"031/background/image_{CAMERA}.jpg"])
    for path, n_bytes, sha256 in written:
        assert (len(out.files[path]), hashlib.sha256(out.files[path]).hexdigest()) == (n_bytes, sha256)
    intrinsic = np.load(io.BytesIO(out.files[camera]))["intrinsic"]
    # 110 px wide: 1/20 of the rig; crop of 130 at (-10, 15), to 102
    assert intrinsic[0] == pytest.approx([8200 / 20 * 102 / 130, 0, (1100 / 20 + 10) * 102 / 130])


def test_plate_and_calibration_are_read_once_for_all_frames() -> None:
    capture, out = RememberingFolder(), MemoryFolder()
    shard = shard_with(capture)
    dataset = Dataset(capture, out, "gha")
    for number in range(3):
        dataset.write(shard, read_of(shard, number))
    assert sorted(capture.has_read) == ["031/background/image_222200037.jpg", "031/camera_params.json"]


@pytest.mark.parametrize(
    ("calibration", "reason"),
    [
        (None, "the capture has no calibration"),
        ({"world_2_cam": {"1": np.eye(4).tolist()}, "intrinsics": CALIBRATION["intrinsics"]}, f"no camera {CAMERA}"),
        ({"world_2_cam": {}}, "cannot be read"),
    ],
)
def test_a_calibration_that_does_not_tell_is_a_note_and_costs_no_picture(calibration: object, reason: str) -> None:
    capture, out = MemoryFolder(), MemoryFolder()
    shard = shard_with(capture, calibration)
    written, note = Dataset(capture, out, "gha").write(shard, read_of(shard))
    assert len(written) == 4 and note is not None and "no camera file" in note and reason in note


def test_a_plate_that_cannot_be_decoded_is_looked_at_once_and_costs_no_picture() -> None:
    capture, out = RememberingFolder(), MemoryFolder()
    shard = shard_with(capture, plate=b"no picture")
    dataset = Dataset(capture, out, "gha")
    for number in range(3):
        assert len(dataset.write(shard, read_of(shard, number))[0]) == 5
    assert capture.has_read.count("031/background/image_222200037.jpg") == 1
    assert not [path for path in out.files if "background" in path]


def test_a_plate_that_changed_since_it_was_listed_is_an_error() -> None:
    capture = MemoryFolder()
    shard = shard_with(capture)
    capture.files[f"031/background/image_{CAMERA}.jpg"] += b"!"
    with pytest.raises(InputChanged, match="changed"):
        Dataset(capture, MemoryFolder(), "gha").write(shard, read_of(shard))


def test_the_files_of_a_frame_that_cannot_be_read_any_more_go() -> None:
    capture, out = MemoryFolder(), MemoryFolder()
    shard = shard_with(capture)
    dataset = Dataset(capture, out, "gha")
    dataset.write(shard, read_of(shard, 0))
    dataset.write(shard, read_of(shard, 1))
    dataset.delete(shard, ReadFrame(shard.frames[0]))
    assert not [path for path in out.files if "/0000/" in path]
    assert len([path for path in out.files if "/0001/" in path]) == 5
