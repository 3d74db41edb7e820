"""What guided filters keep of a matte that follows the frame, and that one channel can be had alone."""

import pytest
import torch
from torch.nn import functional as F

from models.guided_filter import ALPHA, DeepGuidedFilter, FastGuidedFilter


@pytest.mark.parametrize("guided_filter", [FastGuidedFilter(), DeepGuidedFilter(5)])
@pytest.mark.parametrize("size", [(16, 20), (33, 17)])
@torch.no_grad()
def test_alpha_alone_is_that_of_the_whole_matte(guided_filter, size):
    full = torch.rand(2, 3, *size)
    rest = torch.rand(2, 3, 8, 9), torch.rand(2, 4, 8, 9), torch.rand(2, 5, 8, 9)
    whole = guided_filter.eval()(full, *rest)
    assert whole.shape == (2, 4, *size)
    assert torch.equal(guided_filter(full, *rest, ALPHA), whole[:, 3:])


def test_a_matte_that_is_a_line_of_the_frame_is_a_line_of_the_full_frame():
    full = torch.rand(1, 3, 24, 24)
    small = F.avg_pool2d(full, 2)
    coarse = torch.cat([2 * small - 0.3, 0.5 * small.mean(dim=1, keepdim=True) + 0.2], dim=1)
    expected = torch.cat([2 * full - 0.3, 0.5 * full.mean(dim=1, keepdim=True) + 0.2], dim=1)
    found = FastGuidedFilter()(full, small, coarse, torch.empty(1, 0, 12, 12))
    # at the border a window holds zeros from outside, which are on no line
    inside = (slice(None), slice(None), slice(4, -4), slice(4, -4))
    torch.testing.assert_close(found[inside], expected[inside], rtol=0, atol=0.02)
    assert (found - expected).abs().max() > 0.05


@torch.no_grad()
def test_a_new_deep_filter_enlarges_a_matte_over_a_flat_frame_as_it_is():
    full, small = torch.full((1, 3, 24, 24), 0.4), torch.full((1, 3, 12, 12), 0.4)
    coarse = torch.tensor([0.1, -0.2, 0.0, 0.7])[None, :, None, None].expand(1, 4, 12, 12)
    found = DeepGuidedFilter(5).eval()(full, small, coarse, torch.rand(1, 5, 12, 12))
    torch.testing.assert_close(found[..., 4:-4, 4:-4], coarse[..., :1, :1].expand(1, 4, 16, 16), rtol=0, atol=1e-4)
