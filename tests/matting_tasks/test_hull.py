from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import pytest

from matting_tasks.hull import Hull, Rig
from matting_tasks.synth_cameras import CAMERAS, make_camera, visible_mask

CHOSEN = CAMERAS[::2]
RADII_M = np.array([0.1, 0.15, 0.08])


@cache
def rig() -> Rig:
    projections = []
    for serial in CHOSEN:
        camera = make_camera(serial, 256)
        intrinsic = camera.intrinsic.copy()
        intrinsic[:2, 2] += 0.5
        projections.append(intrinsic @ camera.extrinsic)
    visible = np.repeat((visible_mask(256) > 0)[None], len(CHOSEN), axis=0)
    return Rig(CHOSEN, np.array(projections), visible)


@cache
def hull() -> Hull:
    return Hull(rig())


def mattes() -> list[np.ndarray]:
    """Return what each camera sees of an ellipsoid."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(4000, 3))
    points = points / np.linalg.norm(points, axis=1)[:, None] * RADII_M + (0.02, -0.05, 0.0)
    masks = []
    for projection in rig().projections:
        column, row, depth = projection @ np.c_[points, np.ones(len(points))].T
        outline = cv2.convexHull(np.stack([column / depth, row / depth], axis=1).astype(np.float32))
        mask = np.zeros((256, 256), np.uint8)
        cv2.fillConvexPoly(mask, outline.round().astype(np.int32), 255)
        masks.append(mask)
    return masks


def test_mattes_of_one_thing_fit_together() -> None:
    fits = hull().fit(list(mattes()))
    assert fits.outside.max() < 0.002
    assert fits.cut.max() == 0
    assert np.median(fits.inside) < 0.02


@pytest.mark.parametrize("place", [0, 3, 7])
def test_a_camera_that_lacks_half_is_blamed_and_the_others_are_cleared(place: int) -> None:
    masks = mattes()
    masks[place][:, int(np.nonzero(masks[place])[1].mean()) :] = 0
    fits = hull().fit(list(masks))
    assert fits.cut[place] > 0.02 and fits.inside[place] > 0.3
    assert np.delete(fits.cut, place).max() == 0
    assert fits.outside.max() < 0.005


def test_an_empty_matte_is_blamed_for_all_others() -> None:
    masks = mattes()
    masks[2][:] = 0
    fits = hull().fit(list(masks))
    assert fits.cut[2] > 0.5 and fits.inside[2] > 0.9
    assert fits.outside.max() < 0.005


def test_what_only_one_camera_sees_sticks_out_of_its_matte_alone() -> None:
    masks = mattes()
    cv2.circle(masks[4], (75, 110), 12, 255, -1)
    fits = hull().fit(list(masks))
    assert fits.outside[4] > 0.02
    assert np.delete(fits.outside, 4).max() < 0.002 and fits.cut.max() == 0


def test_a_matte_that_is_moved_is_named() -> None:
    masks = mattes()
    masks[5] = np.roll(masks[5], 30, axis=1)
    fits = hull().fit(list(masks))
    assert fits.outside[5] > 0.02 or fits.cut[5] > 0.02
    assert np.delete(fits.outside, 5).max() < 0.005 and np.delete(fits.cut, 5).max() == 0


def test_what_lies_in_the_pads_of_a_camera_is_unknown_to_it_and_not_empty() -> None:
    masks, seen = mattes(), rig().visible.copy()
    middle = int(np.nonzero(masks[3])[1].mean())
    masks[3][:, middle:] = 0
    seen[3][:, middle:] = False
    fits = Hull(Rig(CHOSEN, rig().projections, seen)).fit(list(masks))
    assert fits.outside.max() < 0.005 and fits.cut.max() == 0


def test_a_missing_mask_is_left_out() -> None:
    masks: list[np.ndarray | None] = [*mattes()]
    masks[1] = None
    fits = hull().fit(masks)
    assert np.isnan([fits.outside[1], fits.cut[1], fits.inside[1]]).all()
    assert np.delete(fits.outside, 1).max() < 0.002


def test_three_cameras_cannot_tell() -> None:
    masks: list[np.ndarray | None] = [*mattes()[:3], *[None] * (len(CHOSEN) - 3)]
    fits = hull().fit(masks)
    assert np.isnan(fits.outside).all() and np.isnan(fits.cut).all()


def test_empty_mattes_all_over_say_nothing_bad() -> None:
    fits = hull().fit([np.zeros((256, 256), np.uint8) for _ in CHOSEN])
    assert fits.outside.max() == 0 and fits.cut.max() == 0


def test_the_same_masks_give_the_same_numbers() -> None:
    first, again = hull().fit(list(mattes())), Hull(rig()).fit(list(mattes()))
    np.testing.assert_array_equal(first.inside, again.inside)
    np.testing.assert_array_equal(first.outside, again.outside)
