from __future__ import annotations

import cv2
import numpy as np
import pytest

from matting_tasks.synth_body import make_look, pose_at
from matting_tasks.synth_cameras import FRONT_CAMERA, Camera, make_camera
from matting_tasks.synth_trace import Person, place, trace


def posed(size_px: int, serial: str = FRONT_CAMERA) -> tuple[Person, Camera]:
    look = make_look(1, np.random.default_rng(0))
    camera = make_camera(serial, size_px)
    return place(look, pose_at(look, 0), camera), camera


def test_found_points_lie_on_the_person() -> None:
    person, camera = posed(160)
    surface = trace(person, camera)
    inside = surface.coverage == 1
    off = np.abs(person.distance(surface.points[inside].T))
    assert inside.mean() > 0.25
    assert np.median(off) < 0.0005
    assert np.quantile(off, 0.99) < 0.005


def test_surface_faces_the_camera() -> None:
    person, camera = posed(160)
    surface = trace(person, camera)
    inside = surface.coverage == 1
    facing = -(surface.normal * surface.points).sum(-1)[inside]
    assert (facing > 0).mean() > 0.97


def test_silhouette_is_a_line_of_partial_coverage() -> None:
    person, camera = posed(256)
    coverage = trace(person, camera).coverage
    partial = (coverage > 0) & (coverage < 1)
    assert 0.003 < partial.mean() < 0.03


@pytest.mark.parametrize("size_px", [32, 33, 100])
def test_silhouette_is_alike_at_every_size(size_px: int) -> None:
    large = trace(*posed(320)).coverage
    small = trace(*posed(size_px)).coverage
    reduced = cv2.resize(large, (size_px, size_px), interpolation=cv2.INTER_AREA)
    assert np.abs(small - reduced).mean() < 0.02
