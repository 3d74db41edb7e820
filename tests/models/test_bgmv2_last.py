"""The parts of the decoder's last layer agree with the convolution that they are parts of."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from models.bgmv2_last import Cells, HintLayer, LastLayer, gather, join, only_channels

HINTS = [5, 6, 7, 0, 1]
"""Three hidden channels, the alpha, and one more."""


@pytest.fixture
def conv() -> nn.Conv2d:
    torch.manual_seed(1)
    return nn.Conv2d(8 + 6, 8, 3, padding=1).eval().requires_grad_(False)


def inputs(height: int, width: int, n: int = 2, odd: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(height)
    features = torch.randn(n, 8, height // 2 + odd, width // 2).contiguous(memory_format=torch.channels_last)
    return features, torch.rand(n, 6, height, width).contiguous(memory_format=torch.channels_last)


def plain(conv: nn.Conv2d, features: torch.Tensor, pictures: torch.Tensor) -> torch.Tensor:
    up = F.interpolate(features, pictures.shape[-2:], mode="bilinear", align_corners=False)
    return conv(torch.cat([up, pictures], dim=1))


def cells_of(rows: list[tuple[int, int, int]], grid: tuple[int, int]) -> Cells:
    n, row, column = torch.tensor(rows).T
    return Cells(n, row, column, torch.ones_like(n, dtype=torch.bool), grid)


@pytest.mark.parametrize(("height", "width", "odd"), [(32, 48, 0), (2, 2, 0), (20, 36, 0), (14, 10, 1)])
@torch.inference_mode()
def test_channels_of_the_last_layer_are_those_of_the_convolution(conv, height, width, odd):
    features, pictures = inputs(height, width, odd=odd)
    found = LastLayer(conv, (0, 4), n_pictures=6)(features, pictures)
    torch.testing.assert_close(found, plain(conv, features, pictures)[:, [0, 4]], rtol=0, atol=1e-5)


@torch.inference_mode()
def test_the_last_layer_is_in_float32_for_features_in_bf16(conv):
    features, pictures = (part.bfloat16() for part in inputs(16, 16))
    found = LastLayer(conv, (0,), n_pictures=6)(features, pictures)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, plain(conv, features.float(), pictures.float())[:, :1], rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [(64, 96), (50, 34), (16, 16), (8, 6)])
@torch.inference_mode()
def test_hints_around_cells_are_those_of_the_convolution(conv, size):
    features, pictures = inputs(*size)
    height, width = size
    spots = [(0, 0, 0), (1, height - 1, width - 1), (0, height // 2, width - 1), (1, height // 3, width // 2)]
    hints = HintLayer(conv, HINTS, 3, torch.float32)(features, pictures, cells_of(spots, size))
    expected = plain(conv, features, pictures)[:, HINTS]
    expected[:, :3].relu_()
    expected[:, 3].clamp_(0, 1)
    assert hints.shape == (2, height, width, 5)
    for n, row, column in spots:
        y, x = slice(max(0, row - 2), row + 3), slice(max(0, column - 2), column + 3)
        torch.testing.assert_close(hints[n, y, x].permute(2, 0, 1), expected[n, :, y, x], rtol=0, atol=1e-5)


@torch.inference_mode()
def test_all_hints_are_computed_where_cells_have_another_size(conv):
    features, pictures = inputs(32, 32)
    hints = HintLayer(conv, HINTS, 3, torch.float32)(features, pictures, cells_of([(0, 1, 1)], (64, 64)))
    expected = plain(conv, features, pictures)[:, HINTS]
    torch.testing.assert_close(hints[..., 4], expected[:, 4], rtol=0, atol=1e-5)
    torch.testing.assert_close(hints[..., :3], expected[:, :3].relu().permute(0, 2, 3, 1), rtol=0, atol=1e-5)


def test_what_is_gathered_outside_is_the_nearest_pixel():
    maps = torch.arange(12.0).view(1, 1, 3, 4)
    crop = gather(maps, torch.tensor([0]), torch.tensor([[-1, 0]]), torch.tensor([[3, 4]]))
    assert crop[0, :, :, 0].tolist() == [[3, 3], [3, 3]]


def test_joined_maps_lie_channels_last():
    joined = join([torch.rand(2, 3, 4, 5), torch.rand(2, 2, 4, 5)])
    assert joined.shape == (2, 5, 4, 5) and joined.is_contiguous(memory_format=torch.channels_last)


def test_a_convolution_without_bias_has_none_in_part():
    assert only_channels(nn.Conv2d(2, 4, 3, bias=False), [1]).bias is None
