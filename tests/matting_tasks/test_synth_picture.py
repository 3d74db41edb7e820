from __future__ import annotations

import numpy as np
import pytest

from matting_tasks.synth_picture import Cutout, expose, make_cutout, make_subject, stream


def test_subjects_are_named_in_three_digits() -> None:
    assert [make_subject(k, 0).name for k in (0, 1, 70)] == ["031", "032", "101"]


def test_streams_depend_on_their_names_alone() -> None:
    first = stream(0, "031", "222200037", "plate").random(4)
    assert np.array_equal(first, stream(0, "031", "222200037", "plate").random(4))
    others = [stream(1, "031", "222200037", "plate"), stream(0, "031", "222200037"), stream(0, "032", "222200037")]
    assert all(not np.array_equal(first, other.random(4)) for other in others)


def test_cutout_has_colour_only_where_it_has_alpha() -> None:
    cutout = make_cutout(make_subject(0, 0), "222200043", 1, 96)
    assert cutout.alpha.min() == 0 and cutout.alpha.max() == pytest.approx(1, abs=1e-6)
    assert cutout.colour[cutout.alpha == 0].max() == 0


def test_composite_mixes_by_alpha() -> None:
    half = np.full((2, 2), 0.5, np.float32)
    cutout = Cutout(np.full((2, 2, 3), 0.4, np.float32) * 0.5, half)
    np.testing.assert_allclose(cutout.over(np.ones((2, 2, 3), np.float32)), 0.7)


def test_exposure_adds_noise_inside_and_none_in_the_pads() -> None:
    scene = np.full((128, 128, 3), 0.5, np.float32)
    picture = expose(scene, np.random.default_rng(0)).astype(float)
    assert 2 < picture[:, 16:112].std() < 5
    assert picture[:, 16:112].mean() == pytest.approx(127.5, abs=0.3)
    assert picture[:, :9].max() == 0
