from __future__ import annotations

import numpy as np

from matting_tasks.synth_plate import render_scene


def scene(seed: int, size_px: int = 96) -> np.ndarray:
    return render_scene(size_px, np.random.default_rng(seed))


def test_scene_is_textured_and_in_range() -> None:
    for seed in range(5):
        values = scene(seed)
        assert values.dtype == np.float32
        assert values.min() >= 0 and values.max() <= 1
        assert values.std() > 0.04


def test_scene_repeats_when_the_seed_does() -> None:
    assert np.array_equal(scene(3), scene(3))
    assert np.abs(scene(3) - scene(4)).mean() > 0.02
