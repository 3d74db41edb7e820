"""Shapes, keys and the dilated last stage of MobileNetV3."""

import torch

from models.backbones.mobilenetv3 import MobileNetV3


def test_keys_are_the_published_ones(golden_keys):
    prefix, network = "backbone.", "rvm-mobilenetv3-deep_guided_filter"
    published = [(k.removeprefix(prefix), s) for k, s in golden_keys(network) if k.startswith(prefix)]
    state = MobileNetV3().state_dict()
    assert [(key, tuple(tensor.shape)) for key, tensor in state.items()] == published


def test_features_have_the_promised_sizes_for_odd_pictures():
    features = MobileNetV3().eval()(torch.rand(1, 3, 65, 47))
    assert [tuple(feature.shape[1:]) for feature in features] == [(16, 33, 24), (24, 17, 12), (40, 9, 6), (960, 5, 3)]


def test_the_mean_colour_of_imagenet_is_zero_inside():
    network = MobileNetV3().eval()
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None].expand(1, 3, 32, 32)
    with torch.no_grad():
        # no bias in the first convolution, and a fresh normalisation keeps zero
        assert network.features[0](torch.zeros(1, 3, 32, 32)).abs().max() == 0
        torch.testing.assert_close(network(mean).half, torch.zeros(1, 16, 16, 16), rtol=0, atol=1e-6)
