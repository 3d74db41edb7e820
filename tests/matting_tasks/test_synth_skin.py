from __future__ import annotations

import numpy as np

from matting_tasks.synth_body import make_look, pose_at
from matting_tasks.synth_cameras import FRONT_CAMERA, make_camera
from matting_tasks.synth_skin import shade, shirt_colour, skin_colour
from matting_tasks.synth_trace import place, trace

LOOK = make_look(3, np.random.default_rng(0))


def points(*places: tuple[float, float, float]) -> np.ndarray:
    return np.array(places, np.float32).T


def test_face_has_dark_pupils_and_white_eyes() -> None:
    pupil, white, cheek = skin_colour(points((0.031, 0.009, 0.08), (0.0405, 0.0085, 0.08), (0.03, -0.03, 0.08)), LOOK).T
    assert pupil.mean() < 0.1
    assert white.min() > cheek.max()


def test_face_is_painted_on_the_front_only() -> None:
    front, back = skin_colour(points((0.031, 0.009, 0.08), (0.031, 0.009, -0.08)), LOOK).T
    np.testing.assert_allclose(back, LOOK.skin, rtol=0.1)
    assert np.abs(front - back).max() > 0.1


def test_shirt_has_stripes_where_the_look_has() -> None:
    down = np.stack([np.zeros(200), np.linspace(-0.4, -0.25, 200), np.full(200, 0.05)]).astype(np.float32)
    assert shirt_colour(down, LOOK).std(axis=1).max() > 0.15
    assert shirt_colour(down, make_look(0, np.random.default_rng(0))).std(axis=1).max() < 0.05


def test_colours_are_given_where_the_person_is() -> None:
    camera = make_camera(FRONT_CAMERA, 96)
    person = place(LOOK, pose_at(LOOK, 0), camera)
    surface = trace(person, camera)
    colours = shade(surface, person, camera)
    assert colours.min() >= 0 and colours.max() <= 1
    assert colours[surface.coverage == 0].max() == 0
    assert (colours[surface.coverage > 0].max(axis=1) > 0).mean() > 0.99
