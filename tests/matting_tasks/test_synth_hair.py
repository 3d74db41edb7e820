from __future__ import annotations

import numpy as np
import pytest

from matting_tasks.synth_body import Look, make_look, pose_at
from matting_tasks.synth_cameras import FRONT_CAMERA, make_camera
from matting_tasks.synth_hair import Layers, draw, grow
from matting_tasks.synth_trace import Surface, place, trace


def drawn(look: Look, size_px: int = 128) -> tuple[Layers, Surface]:
    camera, pose = make_camera(FRONT_CAMERA, size_px), pose_at(look, 0)
    surface = trace(place(look, pose, camera), camera)
    return draw(grow(look, np.random.default_rng(0)), look, pose, camera, surface), surface


@pytest.fixture(params=range(4))
def look(request: pytest.FixtureRequest) -> Look:
    return make_look(request.param, np.random.default_rng(0))


def test_hairs_are_unbroken_and_grow_on_the_scalp(look: Look) -> None:
    joints = grow(look, np.random.default_rng(0)).joints
    assert len(joints) > 500
    assert np.linalg.norm(joints[:, 0], axis=1).max() < 0.15
    assert np.linalg.norm(np.diff(joints, axis=1), axis=2).max() < 0.05


def test_hairs_stick_out_of_the_silhouette_and_fade(look: Look) -> None:
    layers, surface = drawn(look)
    opacity = np.maximum(layers.behind, layers.before)[..., 3][surface.coverage == 0]
    assert (opacity > 0).sum() > 300
    assert ((opacity > 0.02) & (opacity < 0.5)).sum() > 0.3 * (opacity > 0).sum()


def test_colour_never_exceeds_opacity(look: Look) -> None:
    for layer in (drawn(look)[0].behind, drawn(look)[0].before):
        assert (layer[..., :3].max(axis=-1) <= layer[..., 3] + 2 / 255).all()


def test_face_is_free_of_hair(look: Look) -> None:
    layers, _ = drawn(look)
    column, row, _ = make_camera(FRONT_CAMERA, 128).project(pose_at(look, 0).head @ (0, -0.03, 0.09, 1))
    around = np.s_[round(row) - 4 : round(row) + 5, round(column) - 4 : round(column) + 5]
    assert layers.before[around][..., 3].mean() < 0.05
