"""Folded networks compute what the networks compute, on any dtype, and leave the networks alone."""

import copy

import pytest
import torch
from reference_weights import with_reference_weights as ready
from torch import nn

from models import folding
from models.backbones.mobilenetv2 import MobileNetV2
from models.backbones.resnet import ResNet
from models.folding import FoldedConv, fold


def backbones() -> list[nn.Module]:
    return [ResNet("resnet50", in_channels=6), MobileNetV2(in_channels=6)]


@pytest.fixture(params=[True, False], ids=["fused", "plain"])
def fused(request, monkeypatch) -> bool:
    """Run with oneDNN's fused primitives, and as on a device without them."""
    if not request.param:
        monkeypatch.setattr(folding, "has_fused_primitives", lambda x: False)
    return request.param


@pytest.mark.parametrize("which", [0, 1])
@torch.inference_mode()
def test_a_folded_backbone_gives_the_same_features(which, fused):
    network = ready(backbones()[which])
    pictures = torch.rand(2, 6, 64, 96)
    expected = network(pictures)
    found = fold(network, torch.float32)(pictures.contiguous(memory_format=torch.channels_last))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=2e-5 * float(other.abs().max()))


@torch.inference_mode()
def test_pictures_of_another_size_and_number_may_follow(fused):
    network = ready(ResNet("resnet50", in_channels=6))
    folded = fold(network, torch.float32)
    for shape in ((1, 6, 64, 64), (3, 6, 64, 64), (1, 6, 40, 72), (1, 6, 64, 64)):
        pictures = torch.rand(shape).contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(folded(pictures)[3], network(pictures)[3], rtol=0, atol=1e-4)


def test_the_network_itself_stays_as_it_was():
    network = ready(ResNet("resnet50", in_channels=6))
    before = copy.deepcopy(network.state_dict())
    fold(network, torch.bfloat16)
    after = network.state_dict()
    assert list(after) == list(before) and all(torch.equal(after[key], before[key]) for key in before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@torch.inference_mode()
def test_a_residual_is_added_before_the_relu(dtype):
    torch.manual_seed(0)
    conv = FoldedConv(nn.Conv2d(8, 4, 1), relu=True).to(dtype)
    x, residual = torch.randn(1, 8, 5, 5).to(dtype), -torch.rand(1, 4, 5, 5).to(dtype)
    expected = (nn.functional.conv2d(x.float(), conv.weight.float(), conv.bias.float()) + residual.float()).relu()
    torch.testing.assert_close(conv(x, residual.clone()).float(), expected, rtol=2e-2, atol=2e-2)
    assert expected.min() == 0 < expected.max()


@torch.inference_mode()
def test_no_norm_is_left_and_weights_are_in_the_wanted_type():
    folded = fold(ready(ResNet("resnet50")), torch.bfloat16)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    assert {weight.dtype for weight in folded.parameters()} == {torch.bfloat16}


@torch.inference_mode()
def test_a_relu6_is_not_taken_for_a_relu():
    row = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.BatchNorm2d(1), nn.ReLU6()).eval()
    row[0].weight.data.fill_(1)
    assert fold(row, torch.float32)(torch.full((1, 1, 1, 1), 50.0)).item() == 6


def test_padding_by_name_is_refused():
    with pytest.raises(ValueError, match="padding must be given in numbers"):
        FoldedConv(nn.Conv2d(1, 1, 3, padding="same"))
