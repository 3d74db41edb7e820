from __future__ import annotations

import numpy as np
import pytest

from matting_tasks.synth_cameras import CAMERAS, FRONT_CAMERA, choose_cameras, make_camera, visible_mask


@pytest.mark.parametrize("n_cameras", range(1, 17))
def test_front_camera_is_among_the_chosen(n_cameras: int) -> None:
    chosen = choose_cameras(n_cameras)
    assert len(set(chosen)) == n_cameras
    assert FRONT_CAMERA in chosen


@pytest.mark.parametrize("serial", CAMERAS)
def test_extrinsic_is_a_rotation_that_looks_at_the_subject(serial: str) -> None:
    camera = make_camera(serial, 512)
    rotation = camera.extrinsic[:, :3]
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1)
    column, row, depth = camera.project(np.array([0.0, -0.07, -0.01]))
    np.testing.assert_allclose((column, row, depth), (255.5, 255.5, 1.1))


def test_up_is_up_and_right_is_right_in_the_front_picture() -> None:
    middle, above, right = make_camera(FRONT_CAMERA, 512).project(np.array([[0, 0, 0], [0, 0.1, 0], [0.1, 0, 0]]))
    assert above[1] < middle[1] - 50
    assert right[0] > middle[0] + 50


def test_projection_scales_with_the_picture() -> None:
    point = np.array([0.05, 0.02, 0.03])
    small, large = (make_camera(CAMERAS[0], size).project(point)[:2] for size in (256, 1024))
    np.testing.assert_allclose((small + 0.5) * 4, large + 0.5)


def test_pads_are_those_of_the_crop() -> None:
    columns = np.flatnonzero(visible_mask(2048)[0])
    assert (columns[0], columns[-1]) == (158, 1889)
