"""Shapes, keys and the dilated last stage of the ResNets."""

import pytest
import torch

from models.backbones.resnet import ResNet


@pytest.mark.parametrize("variant", ["resnet50", "resnet101"])
def test_keys_are_the_published_ones(variant, golden_keys):
    prefix = "backbone."
    published = [
        (k.removeprefix(prefix), s) for k, s in golden_keys(f"mattingrefine-{variant}") if k.startswith(prefix)
    ]
    state = ResNet(variant, in_channels=6).state_dict()
    assert [(key, tuple(tensor.shape)) for key, tensor in state.items()] == published


def test_features_have_the_promised_sizes_for_odd_pictures():
    features = ResNet("resnet50").eval()(torch.rand(2, 3, 65, 47))
    assert [tuple(feature.shape) for feature in features] == [
        (2, 64, 33, 24),
        (2, 256, 17, 12),
        (2, 512, 9, 6),
        (2, 2048, 5, 3),
    ]


def test_another_variant_is_refused():
    with pytest.raises(ValueError, match="resnet18"):
        ResNet("resnet18")
