from dataclasses import replace

import numpy as np
import pytest

from matting_tasks.fit.motion import Part, any_motion, moved, transform
from matting_tasks.fit.sheets import blank

NECK = np.array([60.0, 60.0])


def _part(kind: str) -> Part:
    sheet = blank((120, 120))
    sheet[40:80, 50:70] = (100, 50, 20, 1)
    return Part(sheet, kind, np.array([60.0, 45.0]))


@pytest.mark.parametrize("kind", ["body", "head", "hair", "arm", "veil"])
def test_parts_move_smoothly(kind: str) -> None:
    for seed in range(10):
        motion = any_motion(np.random.default_rng(seed), (120, 120), 1.0)
        places = np.array([transform(motion, _part(kind), NECK, time) @ (60, 60, 1) for time in range(12)])
        steps = np.diff(places, axis=0)
        assert np.linalg.norm(steps, axis=1).max() < 0.12 * 120
        assert np.abs(np.diff(steps, axis=0)).max() < 0.08 * 120


def test_without_strength_nothing_moves_and_nothing_blurs() -> None:
    motion = any_motion(np.random.default_rng(0), (120, 120), 0.0)
    assert np.allclose(moved(_part("arm"), motion, NECK, 5.0), _part("arm").sheet, atol=1e-4)


def test_a_long_shutter_blurs_colour_and_alpha_together() -> None:
    still = any_motion(np.random.default_rng(0), (120, 120), 0.0)
    motion = replace(still, drift=np.array([12.0, 0.0]), shutter=1.0)
    sheet = moved(_part("body"), motion, NECK, 0.0)
    soft = (sheet[..., 3] > 0.1) & (sheet[..., 3] < 0.9)
    assert soft.sum() > 300
    assert np.allclose(sheet[soft][:, :3] / sheet[soft][:, 3:], (100, 50, 20), atol=0.5)


def test_hair_sways_against_the_head() -> None:
    motion = any_motion(np.random.default_rng(1), (120, 120), 1.0)
    head, hair = (transform(motion, _part(kind), NECK, 3.0) @ (60, 110, 1) for kind in ("head", "hair"))
    assert np.abs(head - hair).max() > 0.2
