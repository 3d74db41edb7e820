from __future__ import annotations

import io
import json
import time
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest

from manifests.errors import InputFault
from matting_tasks.calibration import camera_file, read_calibration, scale_intrinsics

FRONT, SIDE = "222200037", "220700191"
POSES = {
    FRONT: [[1.0, 0, 0, 0.1], [0, 1, 0, 0.2], [0, 0, 1, 1.1], [0, 0, 0, 1]],
    SIDE: [[0.8, 0, -0.6, 0], [0, 1, 0, 0], [0.6, 0, 0.8, 1.0], [0, 0, 0, 1]],
}
K = [[8192.5, 0, 1101.25], [0, 8193, 1603], [0, 0, 1]]


def encode(**changes: Any) -> bytes:
    content = {"world_2_cam": POSES, "intrinsics": K} | changes
    return json.dumps({key: value for key, value in content.items() if value is not None}).encode()


def with_value(row: int, column: int, value: Any) -> list[list[Any]]:
    matrix: list[list[Any]] = [list(line) for line in POSES[FRONT]]
    matrix[row][column] = value
    return matrix


def test_each_camera_has_its_pose_and_the_shared_intrinsics() -> None:
    calibration = read_calibration(encode())
    for camera, pose in POSES.items():
        found = calibration.of(camera)
        assert found is not None
        extrinsic, intrinsic = found
        assert extrinsic.shape == (3, 4) and extrinsic.dtype == intrinsic.dtype == np.float64
        assert extrinsic.tolist() == pose[:3]
        assert intrinsic.tolist() == K


def test_a_camera_that_is_not_calibrated_is_none() -> None:
    assert read_calibration(encode()).of("222200038") is None


def test_intrinsics_may_be_one_matrix_for_each_camera() -> None:
    other = [[4000, 0, 10], [0, 4000, 20], [0, 0, 1]]
    calibration = read_calibration(encode(intrinsics={FRONT: K, SIDE: other, "1": K}))
    side = calibration.of(SIDE)
    assert side is not None and side[1].tolist() == other
    assert calibration.of("1") is None


@pytest.mark.parametrize(
    "changes",
    [
        {"intrinsics": sum(K, [])},
        {"world_2_cam": {camera: pose[:3] for camera, pose in POSES.items()}},
        {"world_2_cam": {camera: sum(pose, []) for camera, pose in POSES.items()}},
        {"distortion": [1, 2]},
    ],
)
def test_a_matrix_may_be_flat_and_a_pose_without_its_last_row(changes: dict[str, Any]) -> None:
    as_usual, found = read_calibration(encode()).of(SIDE), read_calibration(encode(**changes)).of(SIDE)
    assert as_usual is not None and found is not None
    assert np.array_equal(found[0], as_usual[0]) and np.array_equal(found[1], as_usual[1])


def test_a_byte_order_mark_is_no_harm() -> None:
    assert read_calibration(b"\xef\xbb\xbf" + encode()).of(FRONT) is not None


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not JSON"),
        (b"<html>404</html>", "not JSON"),
        (encode()[:200], "not JSON"),
        (b"\xff\xfe\xfa", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[1, 2]", '"world_2_cam"'),
        (encode(world_2_cam=None), '"world_2_cam"'),
        (encode(world_2_cam={}), '"world_2_cam"'),
        (encode(world_2_cam=[1]), '"world_2_cam"'),
        (encode(intrinsics=None), 'no "intrinsics"'),
        (encode(intrinsics={FRONT: K}), f'"intrinsics" has no camera {SIDE}'),
        (encode(world_2_cam={FRONT: K}), f"camera {FRONT}: 4x4 or 3x4 numbers were expected; found 3x3"),
        (encode(world_2_cam={FRONT: 7}), f"camera {FRONT}: 4x4 or 3x4 numbers were expected; found one"),
        (encode(world_2_cam={FRONT: None}), f"camera {FRONT}.*no number"),
        (encode(world_2_cam={FRONT: [[1, 2], [3]]}), f"camera {FRONT}.*unequal length"),
        (encode(world_2_cam={FRONT: with_value(1, 1, "1.0")}), f"camera {FRONT}.*no number"),
        (encode(world_2_cam={FRONT: with_value(1, 1, None)}), f"camera {FRONT}.*no number"),
        (encode(world_2_cam={FRONT: with_value(1, 1, True)}), f"camera {FRONT}.*no number"),
        (
            encode(world_2_cam={FRONT: with_value(0, 0, 3.0)}),
            f"camera {FRONT}: its first three columns are no rotation",
        ),
        (encode(world_2_cam={FRONT: with_value(0, 3, float("nan"))}), f"camera {FRONT}: a number is not finite"),
        (encode(world_2_cam={FRONT: with_value(0, 3, float("inf"))}), f"camera {FRONT}: a number is not finite"),
        (encode(world_2_cam={FRONT: np.transpose(POSES[FRONT]).tolist()}), "last row is .0.1, 0.2, 1.1, 1.0., not"),
        (encode(intrinsics=[[1, 0, 0], [0, 1, 0]]), "intrinsics: 3x3 numbers were expected; found 2x3"),
        (encode(intrinsics=np.transpose(K).tolist()), "intrinsics: the last row"),
        (encode(intrinsics=[[-1, 0, 0], [0, 1, 0], [0, 0, 1]]), "focal lengths are -1 and 1, not positive"),
        (encode(intrinsics="K"), "intrinsics: 3x3 numbers were expected; found something that is no number"),
    ],
)
def test_a_wrong_calibration_says_what_is_wrong(data: bytes, reason: str) -> None:
    with pytest.raises(InputFault, match=f"calibration cannot be read: .*{reason}") as raised:
        read_calibration(data)
    assert raised.value.status == "undecodable"


def test_intrinsics_are_scaled_with_the_picture() -> None:
    quarter = scale_intrinsics(np.array(K), 550, 802)
    assert quarter.tolist() == [[2048.125, 0, 275.3125], [0, 2048.25, 400.75], [0, 0, 1]]
    assert np.array_equal(scale_intrinsics(np.array(K), 2200, 3208), K)


def test_intrinsics_are_refused_for_a_crop() -> None:
    with pytest.raises(InputFault, match="2048x2048 pixels; its calibration holds for 2200x3208") as raised:
        scale_intrinsics(np.array(K), 2048, 2048)
    assert raised.value.status == "undecodable"


def test_a_camera_file_is_read_as_the_readers_of_the_layout_do() -> None:
    extrinsic = np.array(POSES[SIDE])[:3]
    with np.load(io.BytesIO(camera_file(extrinsic, np.array(K)))) as loaded:
        assert set(loaded) == {"extrinsic", "intrinsic"}
        assert np.array_equal(loaded["extrinsic"], extrinsic) and loaded["extrinsic"].dtype == np.float64
        assert np.array_equal(loaded["intrinsic"], K)


def test_camera_files_are_equal_at_all_times(monkeypatch: pytest.MonkeyPatch) -> None:
    extrinsic, intrinsic = np.array(POSES[SIDE])[:3], np.array(K)
    today = camera_file(extrinsic, intrinsic)
    now, later = time.time(), time.gmtime(2_000_000_000)
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: now + 1e6)
        patch.setattr(time, "localtime", lambda *_: later)
        assert camera_file(np.asfortranarray(extrinsic), intrinsic) == today
    assert {entry.date_time for entry in ZipFile(io.BytesIO(today)).infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_a_camera_file_of_other_shapes_is_refused() -> None:
    with pytest.raises(ValueError, match=r"found \(4, 4\), \(3, 3\)"):
        camera_file(np.eye(4), np.eye(3))
