"""The check of plates on small drawn sets; real rates are those of tests/benchmarks/plate_faults.py."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from matting_tasks.plate_check import View, check_views

SIDE = 256


def scene(number: int) -> np.ndarray:
    """Draw the set behind a camera: a wall with panels, (256, 256, 3) float."""
    rng = np.random.default_rng(number)
    picture = np.full((SIDE, SIDE, 3), rng.uniform(90, 130, 3)) + np.linspace(-20, 20, SIDE)[None, :, None]
    for _ in range(6):
        left, top = rng.integers(0, 200, 2)
        width, height = rng.integers(25, 80, 2)
        picture[top : top + height, left : left + width] = rng.uniform(30, 180, 3)
    return cv2.GaussianBlur(picture, (0, 0), 0.8)


def wall(number: int) -> np.ndarray:
    """Draw a plain wall, a little different for each camera."""
    light = 1 + 0.1 * np.random.default_rng(number).uniform(-1, 1) * np.linspace(-1, 1, SIDE)
    return np.full((SIDE, SIDE, 3), (120.0, 126.0, 128.0)) * light[None, :, None]


def person(picture: np.ndarray, step: int) -> np.ndarray:
    """Put somebody before a picture, who sways."""
    shown = picture.copy()
    x = 128 + 9 * (step % 3 - 1)
    cv2.ellipse(shown, (x, 110), (42, 55), 0, 0, 360, (196, 150, 128), -1)
    cv2.ellipse(shown, (x + step, 78), (48, 34), 0, 0, 360, (45, 32, 24), -1)
    cv2.rectangle(shown, (x - 70, 175), (x + 70, 256), (40, 70, 140), -1)
    return shown


def taken(picture: np.ndarray, seed: int) -> np.ndarray:
    noisy = picture + np.random.default_rng(seed).normal(0, 1.5, picture.shape)
    return np.asarray(np.clip(noisy, 0, 255).round(), np.uint8)


def rig(draw: object = scene, n_cameras: int = 4) -> list[View]:
    views = []
    for number in range(n_cameras):
        behind = draw(number)  # type: ignore[operator]
        frames = [taken(person(behind, step), 100 * number + step) for step in range(4)]
        views.append(View(f"cam{number}", frames, taken(behind, 100 * number + 50), None, 1.0, f"plate{number}"))
    return views


def found(views: list[View]) -> list[tuple[str, str, str]]:
    return [(one.camera, one.fault, one.verdict) for one in check_views(views)]


def with_plate(views: list[View], place: int, plate: np.ndarray, path: str = "other") -> list[View]:
    return [*views[:place], replace(views[place], plate=plate, plate_path=path), *views[place + 1 :]]


def test_right_plates_pass() -> None:
    assert found(rig()) == []
    assert found(rig(wall)) == []


def test_two_plates_that_changed_places_are_both_named() -> None:
    views = rig()
    changed = with_plate(with_plate(views, 1, views[2].plate, "b"), 2, views[1].plate, "a")
    assert found(changed) == [("cam1", "swapped", "fail"), ("cam2", "swapped", "fail")]


def test_a_copy_of_another_plate_is_named_and_the_other_is_not() -> None:
    views = rig()
    assert found(with_plate(views, 1, views[2].plate)) == [("cam1", "swapped", "fail")]


def test_one_plate_for_all_cameras_is_not_swapped() -> None:
    views = [replace(view, plate_path="all") for view in rig(wall)]
    assert not [one for one in found(views) if one[1] == "swapped"]


def test_a_shifted_plate_is_named() -> None:
    views = rig()
    assert found(with_plate(views, 0, np.roll(views[0].plate, 5, axis=1))) == [("cam0", "shifted", "fail")]


def test_a_small_shift_is_a_warning() -> None:
    views = rig()
    assert found(with_plate(views, 0, np.roll(views[0].plate, 1, axis=1))) == [("cam0", "shifted", "warn")]


def test_before_a_plain_wall_a_shift_is_no_fault() -> None:
    views = rig(wall)
    assert found(with_plate(views, 0, np.roll(views[0].plate, 5, axis=0))) == []


def test_a_relit_plate_is_named_by_how_much() -> None:
    views = rig()
    brighter = with_plate(views, 3, taken(scene(3) * 1.3, 9))
    assert found(brighter) == [("cam3", "relit", "fail")]
    (fault,) = check_views(brighter)
    assert abs(fault.value - (1 - 1 / 1.3)) < 0.02 and fault.limit == 0.18
    assert found(with_plate(views, 3, taken(scene(3) * 1.12, 9))) == [("cam3", "relit", "warn")]


def test_a_person_in_the_plate_is_named() -> None:
    for draw in (scene, wall):
        views = rig(draw)
        assert found(with_plate(views, 2, taken(person(draw(2), 0), 8))) == [("cam2", "contaminated", "fail")]


def test_the_same_views_give_the_same_findings() -> None:
    views = rig()
    changed = with_plate(views, 1, views[2].plate)
    assert check_views(changed) == check_views(changed)


def test_pads_have_no_part() -> None:
    visible = np.zeros((SIDE, SIDE), bool)
    visible[:, 30:226] = True
    views = []
    for view in rig():
        frames = [np.where(visible[..., None], frame, 0).astype(np.uint8) for frame in view.frames]
        views.append(replace(view, frames=frames, visible=visible))  # the plate's pads were not blackened
    assert found(views) == []


def test_a_swapped_plate_is_named_though_that_of_its_own_camera_is_at_fault_too() -> None:
    views = rig()
    views = with_plate(with_plate(views, 1, taken(scene(2), 77)), 2, taken(scene(2) * 1.3, 78), "plate2")
    assert found(views) == [("cam1", "swapped", "fail"), ("cam2", "relit", "fail")]
