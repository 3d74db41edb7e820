"""Shapes and keys of MobileNetV2."""

import torch

from models.backbones.mobilenetv2 import MobileNetV2


def test_keys_are_the_published_ones(golden_keys):
    prefix = "backbone."
    published = [(k.removeprefix(prefix), s) for k, s in golden_keys("mattingbase-mobilenetv2") if k.startswith(prefix)]
    state = MobileNetV2(in_channels=6).state_dict()
    assert [(key, tuple(tensor.shape)) for key, tensor in state.items()] == published


def test_features_have_the_promised_sizes_for_odd_pictures():
    features = MobileNetV2().eval()(torch.rand(1, 3, 65, 47))
    assert [tuple(feature.shape[1:]) for feature in features] == [(16, 33, 24), (24, 17, 12), (32, 9, 6), (320, 5, 3)]
