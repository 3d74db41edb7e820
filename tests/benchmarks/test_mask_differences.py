from __future__ import annotations

import numpy as np
from benchmarks.mask_columns import as_rows, columns
from benchmarks.mask_differences import compare, full_stages, lowres_stages, of_drawn

EVERYWHERE = np.ones((512, 512), dtype=bool)


def test_rounding_moves_masks_by_a_level_at_most_and_the_network_by_what_it_differs() -> None:
    pha = np.full((512, 512), 0.5, np.float32)
    ours = pha + np.float32(3 / 255)
    files = np.full((512, 512), 120, np.uint8), np.full((512, 512), 131, np.uint8)
    steps = {one["change"]: one for one in compare([full_stages(pha, ours, EVERYWHERE, files)])}
    assert steps["without its JPEG of quality 75"]["step"]["mean"] == 7  # 120 -> 127
    assert steps["rounded, not cut off"]["step"]["mean"] == 1  # 127 -> 128
    assert steps["by our network"]["step"] == {"mean": 3.0, "within 1": 0.0, "within 2": 0.0, "within 4": 1.0}
    assert steps["in our JPEG of quality 95"]["step"]["mean"] == 0
    assert steps["in our JPEG of quality 95"]["from naive"]["mean"] == 11


def test_only_pixels_inside_the_sensor_count() -> None:
    pha, visible = np.zeros((512, 512), np.float32), EVERYWHERE.copy()
    visible[:, :256] = False
    files = np.zeros((512, 512), np.uint8), np.zeros((512, 512), np.uint8)
    files[0][:, :256] = 255
    assert compare([full_stages(pha, pha, visible, files)])[-1]["from naive"]["mean"] == 0
    small = np.zeros((256, 256), np.uint8), np.zeros((256, 256), np.uint8)
    small[0][:, :128] = 255
    assert compare([lowres_stages(pha, pha, visible, small)])[-1]["from naive"]["mean"] == 0


def test_the_old_lowres_filter_misses_what_areas_average() -> None:
    pha = np.zeros((2048, 2048), np.float32)
    pha[::8] = 1  # lines that bilinear interpolation steps over
    files = np.zeros((256, 256), np.uint8), np.full((256, 256), 32, np.uint8)
    found = compare([lowres_stages(pha, pha, np.ones(pha.shape, dtype=bool), files)])
    assert next(one for one in found if one["change"].startswith("averaged"))["step"]["mean"] == 32


def test_a_drawn_alpha_is_compared_without_a_network() -> None:
    found = of_drawn(512)
    total = found["full"][-1]["from naive"]
    assert 0 < total["mean"] < 3
    assert all(len(row) == len(columns()) for row in as_rows(found["full"]))
