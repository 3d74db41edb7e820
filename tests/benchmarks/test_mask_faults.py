from __future__ import annotations

import cv2
import numpy as np
import pytest
from benchmarks.mask_faults import FAULTS, MaskFault, Scene
from benchmarks.qc_faults import Trial, table_of

from matting_tasks.qc import measure_shape

N_CAMERAS, N_FRAMES, CAMERA, FRAME = 10, 6, 1, 3


def scene_of(seed: int) -> Scene:
    """Return heads that touch the bottom, each camera's and frame's another one."""
    masks = np.zeros((N_CAMERAS, N_FRAMES, 256, 256), np.uint8)
    for camera in range(N_CAMERAS):
        for frame in range(N_FRAMES):
            cv2.ellipse(masks[camera, frame], (128 + 3 * camera + frame, 160), (55, 70), 0, 0, 360, 255, -1)
            masks[camera, frame, 200:, 60:200] = 255
    return Scene(masks, CAMERA, FRAME, np.random.default_rng(seed), set())


@pytest.mark.parametrize("fault", FAULTS[1:], ids=lambda fault: fault.name)
def test_a_fault_hits_its_camera_alone(fault: MaskFault) -> None:
    for seed in range(6):
        scene, clean = scene_of(seed), scene_of(seed)
        fault.make(scene)
        others = np.delete(np.arange(N_CAMERAS), CAMERA)
        np.testing.assert_array_equal(scene.masks[others], clean.masks[others])
        changed = (scene.masks[CAMERA] != clean.masks[CAMERA]).any(axis=(1, 2))
        assert changed[FRAME] or scene.dropped == {(CAMERA, FRAME)}


def test_holes_and_blobs_have_the_size_that_they_are_said_to_have() -> None:
    by_name = {fault.name: fault for fault in FAULTS}
    for seed in range(6):
        scene = scene_of(seed)
        by_name["a hole of 1 % of the area"].make(scene)
        assert measure_shape(scene.masks[CAMERA, FRAME]).holes == pytest.approx(0.01, rel=0.2)
        scene = scene_of(seed)
        by_name["a detached blob of 2 % of the area"].make(scene)
        assert measure_shape(scene.masks[CAMERA, FRAME]).largest_component == pytest.approx(0.98, abs=0.004)


def test_the_table_counts_what_was_told_and_who_was_accused() -> None:
    name = "area flicker of ±10 %"
    told = Trial(name, 0, "fail", "fail", "area_jump", (), 0, 0, {}, {})
    missed = Trial(name, 1, "pass", "review", "iou", ("review 222200036 iou",), 0, 0, {}, {})
    line = next(line for line in table_of([told, missed], 4) if line.startswith(f"| {name}"))
    assert line == f"| {name} | area_jump | 1 of 2 | 1 | 2 of 2 | 1 of 6 | 0 of 6 |"
