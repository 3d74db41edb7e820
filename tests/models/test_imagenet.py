"""The ImageNet start: features as ImageNet's, every tensor filled, nothing left over without a word."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from models.backbones.mobilenetv2 import MobileNetV2
from models.bgmv2 import MattingBase, MattingRefine
from models.errors import WeightsMismatch
from models.imagenet import IMAGENET, MEAN, STD, imagenet_start, read_imagenet
from models.rvm import MattingNetwork


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    """Make a state dict with torchvision's keys and shapes, its values drawn; statistics are not those of a start."""
    torch.manual_seed(3)
    made = {
        key: torch.rand_like(value) + 0.5 if value.is_floating_point() and value.ndim == 1 else value
        for key, value in MobileNetV2(3).state_dict().items()
    }
    made["features.18.0.weight"] = torch.rand(1280, 320, 1, 1)
    made["classifier.1.weight"] = torch.rand(1000, 1280)
    return made


def known(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key: value for key, value in state.items() if not key.startswith(("features.18", "classifier"))}


@pytest.mark.parametrize("kind", [MattingBase, MattingRefine])
def test_the_features_of_a_frame_are_those_of_the_normalised_picture(kind, state):
    network = kind("mobilenetv2").eval()
    imagenet_start(network, state)
    first = MobileNetV2(3).eval()
    first.load_state_dict(known(state))
    frame, plate = torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
    with torch.no_grad():
        found = network.backbone.features[0](torch.cat([frame, plate], 1))
        wanted = first.features[0]((frame - mean) / std)
        deep = network.backbone.features[1:4](wanted)
        assert torch.allclose(deep, first.features[1:4](wanted))
    # the outermost row and column see padding: zeros of another meaning
    assert torch.allclose(found[..., 1:, 1:], wanted[..., 1:, 1:], atol=1e-4)


def test_a_plate_weight_of_minus_one_sees_only_the_difference(state):
    network = MattingBase("mobilenetv2").eval()
    imagenet_start(network, state, plate_weight=-1)
    picture, other = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        same = network.backbone.features[0](torch.cat([picture, picture], 1))
        also = network.backbone.features[0](torch.cat([other, other], 1))
    assert torch.allclose(same, also, atol=1e-4)


def test_what_is_not_the_backbone_stays_as_it_was(state):
    network = MattingRefine("mobilenetv2")
    before = {key: value.clone() for key, value in network.state_dict().items()}
    imagenet_start(network, state)
    after = network.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before if not key.startswith("backbone."))
    weights = [key for key in before if key.startswith("backbone.") and key.endswith("running_mean")]
    assert weights and not any(torch.equal(before[key], after[key]) for key in weights)


def test_a_gap_a_leftover_and_another_shape_are_named_and_change_nothing(state):
    network = MattingBase("mobilenetv2")
    before = {key: value.clone() for key, value in network.state_dict().items()}
    for changed, name in (
        ({key: value for key, value in state.items() if key != "features.17.conv.3.bias"}, "features.17.conv.3.bias"),
        (state | {"features.99.weight": torch.zeros(1)}, "features.99.weight"),
        (
            state | {"features.17.conv.3.bias": torch.zeros(7)},
            r"features.17.conv.3.bias \(expected \[320\], found \[7\]",
        ),
        ({key: value for key, value in state.items() if key != "features.0.0.weight"}, "features.0.0.weight"),
    ):
        with pytest.raises(WeightsMismatch, match=name):
            imagenet_start(network, changed)
    after = network.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)


@pytest.mark.parametrize(
    "network", [lambda: MattingBase("resnet50"), lambda: MattingNetwork("mobilenetv3", "deep_guided_filter")]
)
def test_a_network_with_another_backbone_is_refused(network, state):
    with pytest.raises(WeightsMismatch, match="mobilenet_v2"):
        imagenet_start(network(), state)


def test_a_file_is_read_and_the_wheel_names_it(tmp_path: Path, state):
    path = tmp_path / IMAGENET.file_name
    torch.save(state, path)
    assert F.mse_loss(read_imagenet(path)["features.18.0.weight"], state["features.18.0.weight"]) == 0
    assert path.name == "mobilenet_v2-b0353104.pth" and IMAGENET.licence == "BSD-3-Clause"
