"""The automatic trimap against the one that scores are computed in, and the weights it gives."""

import numpy as np
import pytest
import torch

from matting_tasks.metrics import unknown_of_truth
from models.trimaps import known_unknown, unknown_region


def blobs(height=40, width=51):
    """Two mattes (2, 1, H, W): one with soft edges inside and at the border, one that is empty."""
    y, x = np.mgrid[:height, :width]
    disc = np.clip(9 - np.hypot(y - 18, x - 20), 0, 1)
    bottom = np.clip((y - 33) / 4, 0, 1) * (x > 30)
    alpha = np.maximum(disc, bottom).astype(np.float32)
    alpha[2, [4, 20]] = 0.049, 0.051  # to both sides of each limit
    alpha[18, [18, 23]] = 0.949, 0.951
    return torch.from_numpy(np.stack([alpha, np.zeros_like(alpha)]))[:, None]


@pytest.mark.parametrize("radius_px", [0, 1, 3, 8, 60])
def test_region_is_the_one_of_the_metrics(radius_px):
    alpha = blobs()
    found = unknown_region(alpha, radius_px)
    for i in range(2):
        np.testing.assert_array_equal(found[i, 0].numpy(), unknown_of_truth(alpha[i, 0].double().numpy(), radius_px))
    assert found[0].any()
    assert not found[1].any()


def test_weights_have_mean_one_and_their_ratio_in_each_picture():
    alpha = blobs()
    weight = known_unknown(alpha.bfloat16(), 2, unknown_weight=5.0)
    assert weight.dtype == torch.float32
    torch.testing.assert_close(weight.mean(dim=(1, 2, 3)), torch.ones(2))
    region = unknown_region(alpha.bfloat16(), 2)[0]
    inside, outside = weight[0][region], weight[0][~region]
    torch.testing.assert_close(inside / outside[0], torch.full_like(inside, 5.0))
    torch.testing.assert_close(outside, outside[0].expand_as(outside))
    torch.testing.assert_close(weight[1], torch.ones_like(weight[1]))


def test_a_weight_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match="above 0, found 0"):
        known_unknown(blobs(), 2, unknown_weight=0)
