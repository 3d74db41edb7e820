"""The network that is fitted: begun from noise, ImageNet or a checkpoint, and never from something else in silence."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from reference_weights import write_reference_checkpoint
from torch import Tensor, nn

from matting_tasks.fit.network import make_network, planes_where_needed
from matting_tasks.fit.plan import IMAGENET, SCRATCH
from models.backbones.mobilenetv2 import MobileNetV2
from models.checkpoints import load_state_dict
from models.errors import UnknownModel, WeightsMismatch, WeightsUnreadable

REFINE, BASE = "mattingrefine-mobilenetv2", "mattingbase-mobilenetv2"


@pytest.fixture(scope="module")
def base_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_reference_checkpoint(BASE, tmp_path_factory.mktemp("weights") / "base.pth")


@pytest.fixture(scope="module")
def imagenet_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(3)
    state = MobileNetV2(3).state_dict()
    state["features.18.0.weight"] = torch.rand(1280, 320, 1, 1)
    state["classifier.1.weight"] = torch.rand(1000, 1280)
    path = tmp_path_factory.mktemp("imagenet") / "mobilenet_v2.pth"
    torch.save(state, path)
    return path


def state_of(network: nn.Module) -> dict[str, Tensor]:
    return dict(network.state_dict())


def same(first: dict[str, Tensor], second: dict[str, Tensor], prefix: str = "") -> bool:
    keys = [key for key in first if key.startswith(prefix)]
    return bool(keys) and all(torch.equal(first[key], second[key]) for key in keys)


def test_noise_is_of_the_seed() -> None:
    first, again, other = (state_of(make_network(BASE, {}, SCRATCH, None, seed)) for seed in (1, 1, 2))
    assert same(first, again) and not same(first, other)


def test_it_is_built_with_its_parameters_and_learns() -> None:
    network = make_network(REFINE, {"backbone_scale": 0.5}, SCRATCH, None, 0)
    assert network.backbone_scale == 0.5 and network.training
    assert all(one.requires_grad for one in network.parameters())
    with pytest.raises(ValueError, match="colour"):
        make_network(REFINE, {"colour": 1}, SCRATCH, None, 0)


def dilated(size: int) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(96, 96, size, padding=size - 1, dilation=2, groups=96)).to(
        memory_format=torch.channels_last  # type: ignore[call-overload]
    )


@pytest.mark.parametrize("size", [3, 5])
def test_the_gradient_of_a_dilated_depthwise_convolution_in_bf16_is_that_of_float32(size: int) -> None:
    """On channels last oneDNN's is off by more than its own size."""
    pictures = torch.randn(2, 96, 32, 35).contiguous(memory_format=torch.channels_last)
    towards, gradients = torch.randn(2, 96, 32, 35).contiguous(memory_format=torch.channels_last), []
    for precision in (torch.float32, torch.bfloat16):
        network = dilated(size)
        planes_where_needed(network)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
            output = network(pictures)
        assert output.is_contiguous(memory_format=torch.channels_last)
        output.backward(towards.to(output.dtype))
        gradients.append(network[0].weight.grad)
    true, found = gradients
    assert (found - true).abs().max() < 0.02 * true.abs().max()


@pytest.mark.parametrize("model", [REFINE, "rvm-mobilenetv3"])
def test_dilated_depthwise_convolutions_learn_on_planes(model: str) -> None:
    seen = []
    network = make_network(model, {}, SCRATCH, None, 0)
    for part in network.modules():
        if isinstance(part, nn.Conv2d) and part.groups > 1 and part.dilation != (1, 1):
            part.register_forward_pre_hook(lambda part, args: seen.append((part.weight.stride(), args[0].stride())))
            part(torch.rand(1, part.in_channels, 40, 40).contiguous(memory_format=torch.channels_last))
    assert len(seen) == 3
    assert all(weight[0] == weight[1] and pictures[1] == 1600 for weight, pictures in seen)


def test_imagenet_fills_the_backbone_and_noise_the_rest(imagenet_file: Path) -> None:
    network, noise = (
        state_of(make_network(REFINE, {}, *start, 1)) for start in ((IMAGENET, imagenet_file), (SCRATCH, None))
    )
    assert torch.equal(
        network["backbone.features.1.conv.0.0.weight"], torch.load(imagenet_file)["features.1.conv.0.0.weight"]
    )
    for part in ("aspp.", "decoder.", "refiner."):
        assert same(network, noise, part)
    # the plate is held against the frame from the beginning
    first = network["backbone.features.0.0.weight"]
    assert torch.allclose(first[:, 3:], -0.5 * first[:, :3])


@pytest.mark.parametrize("model", ["mattingrefine-resnet50", "rvm-mobilenetv3"])
def test_imagenet_s_mobilenet_is_for_that_backbone_alone(model: str, imagenet_file: Path) -> None:
    with pytest.raises(WeightsMismatch, match="mobilenet_v2"):
        make_network(model, {}, IMAGENET, imagenet_file, 0)


def test_imagenet_without_its_file_is_not_noise() -> None:
    with pytest.raises(ValueError, match="imagenet"):
        make_network(BASE, {}, IMAGENET, None, 0)


def test_a_checkpoint_of_the_network_is_taken_whole(base_file: Path, tmp_path: Path) -> None:
    assert same(load_state_dict(base_file), state_of(make_network(BASE, {}, str(base_file), None, 0)))
    whole = write_reference_checkpoint(REFINE, tmp_path / "refine.pth")
    assert same(load_state_dict(whole), state_of(make_network(REFINE, {}, str(whole), None, 0)))


def test_a_base_network_gets_a_refiner_of_noise(base_file: Path) -> None:
    network, noise = (state_of(make_network(REFINE, {}, start, None, 5)) for start in (str(base_file), SCRATCH))
    base = load_state_dict(base_file)
    assert same(base, network) and same(network, noise, "refiner.")


@pytest.mark.parametrize(
    ("model", "other"), [(REFINE, "mattingbase-resnet50"), (REFINE, "rvm-mobilenetv3"), ("rvm-mobilenetv3", BASE)]
)
def test_the_checkpoint_of_another_network_is_named(model: str, other: str, tmp_path: Path) -> None:
    file = write_reference_checkpoint(other, tmp_path / "other.pth")
    with pytest.raises(WeightsMismatch, match=other):
        make_network(model, {}, str(file), None, 0)


def test_what_is_no_checkpoint_is_named(base_file: Path, tmp_path: Path) -> None:
    torn = tmp_path / "torn.pth"
    torn.write_bytes(base_file.read_bytes()[:10_000])
    with pytest.raises(WeightsUnreadable, match=r"torn\.pth"):
        make_network(REFINE, {}, str(torn), None, 0)
    with pytest.raises(FileNotFoundError, match=r"nowhere\.pth"):
        make_network(REFINE, {}, str(tmp_path / "nowhere.pth"), None, 0)
    with pytest.raises(UnknownModel):
        make_network("mattingrefine-resnet18", {}, SCRATCH, None, 0)
