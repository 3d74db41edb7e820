from __future__ import annotations

import numpy as np
import pytest

from matting_tasks.synth_faults import FAULTS, Fault, disturb_scene, parse_fault


def test_fault_is_read_when_name_and_camera_are_given() -> None:
    assert [parse_fault(f"{name}:1") for name in FAULTS] == [Fault(name, "1") for name in FAULTS]


@pytest.mark.parametrize("text", ["missing", "missing:", ""])
def test_message_names_the_form_when_it_is_another(text: str) -> None:
    with pytest.raises(ValueError, match="NAME:CAMERA"):
        parse_fault(text)


def test_message_names_the_known_faults_when_there_is_no_such() -> None:
    with pytest.raises(ValueError, match=", ".join(FAULTS)):
        parse_fault("lost:222200037")


def test_scene_is_left_alone_when_its_faults_lie_elsewhere() -> None:
    scene = np.random.default_rng(0).random((64, 64, 3), dtype=np.float32)
    assert np.array_equal(disturb_scene(scene, frozenset({"missing", "zero"})), scene)


def test_disturbances_add_up_when_two_are_named() -> None:
    scene = np.random.default_rng(0).random((100, 100, 3), dtype=np.float32)
    both = disturb_scene(scene, frozenset({"shifted", "relit"}))
    np.testing.assert_allclose(both[:, 2:], scene[:, :-2] * 1.3, rtol=1e-6)
