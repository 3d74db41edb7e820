from __future__ import annotations

import numpy as np
import pytest

from matting_tasks.synth_body import Look, distances, make_look, pose_at


@pytest.fixture
def look() -> Look:
    return make_look(0, np.random.default_rng(0))


def points(*places: tuple[float, float, float]) -> np.ndarray:
    return np.array(places, np.float32).T


def test_distances_know_inside_from_outside(look: Look) -> None:
    places = points((0, 0, 0), (0, -0.4, -0.03), (0, 0, 0.3), (0.3, -0.4, 0))
    skin, shirt, hair = distances(places, places, look)
    nearest = np.minimum(np.minimum(skin, shirt), hair)
    assert (nearest[:2] < -0.03).all()
    assert (nearest[2:] > 0.05).all()


def test_parts_lie_where_they_belong(look: Look) -> None:
    places = points((0, -0.03, 0.11), (0, -0.4, 0.06), (0, 0.13, -0.03))  # nose, chest, crown
    order = np.stack(distances(places, places, look)).argmin(0)
    assert order.tolist() == [0, 1, 2]


def test_neighbouring_subjects_look_different() -> None:
    looks = [make_look(k, np.random.default_rng(k)) for k in range(4)]
    assert len({look.hair_style for look in looks}) == 4
    assert len({look.shirt for look in looks}) == 4


def test_pose_is_rigid_and_never_rests(look: Look) -> None:
    poses = [pose_at(look, frame) for frame in range(40)]
    face = np.array([0, 0, 0.1, 1])
    for before, after in zip(poses, poses[1:], strict=False):
        np.testing.assert_allclose(after.head[:, :3] @ after.head[:, :3].T, np.eye(3), atol=1e-12)
        moved = max(
            np.linalg.norm((after.head - before.head) @ face), np.linalg.norm((after.torso - before.torso)[:, 3])
        )
        assert 0.003 < moved < 0.06
