"""The network that is fitted: built for training, and begun from noise, from ImageNet or from a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from matting_tasks.fit.plan import IMAGENET, SCRATCH
from models.checkpoints import identify, load_state_dict, load_strict
from models.imagenet import imagenet_start, read_imagenet
from models.parameters import Parameter
from models.registry import entry, parameters_read

PLATE_WEIGHT = -0.5  # of the plate against the frame in the first convolution, when it begins from ImageNet
REFINER = "refiner."


def make_network(
    model: str, parameters: Mapping[str, Parameter], start: str, imagenet: Path | None, seed: int
) -> nn.Module:
    """Build a registry entry's network and give it the weights it starts from.

    start: SCRATCH; IMAGENET, then `imagenet` is that file and all but the backbone is noise of the seed; or the path of
    a checkpoint of this network or, for a MattingRefine, of its base network: then the refiner is noise. Raises
    ValueError, UnknownModel, WeightsMismatch, WeightsUnreadable, FileNotFoundError.
    """
    torch.manual_seed(seed)
    if start == IMAGENET and imagenet is None:
        raise ValueError(f"a start of {IMAGENET!r} needs the file with those weights: name it, or take {SCRATCH!r}")
    network: nn.Module = entry(model).build(parameters_read(model, parameters))
    if start == IMAGENET and imagenet is not None:
        imagenet_start(network, read_imagenet(imagenet), PLATE_WEIGHT)
    elif start not in (SCRATCH, IMAGENET):
        _load(network, model, Path(start))
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    planes_where_needed(network)
    return network


def planes_where_needed(network: nn.Module) -> None:
    """Have dilated depthwise convolutions compute on planes (NCHW) while they learn on a CPU, and give channels last.

    On channels last, from a width of 29 pixels on, oneDNN's weight gradient of these in bf16 is off by more than its
    own size, and reads memory that nobody wrote: some gradients are 1e32 or inf. Seen with torch 2.13 on an AMD EPYC
    with avx512_bf16; those in float32, of planes, of other convolutions and of the input are right.
    """
    for part in network.modules():
        if isinstance(part, nn.Conv2d) and part.groups > 1 and max(part.dilation) > 1:
            # strides that say planes: one of its sides is 1, and the weights' format decides as well as the input's
            part.weight.data = part.weight.data.clone(memory_format=torch.contiguous_format)
            part.register_forward_pre_hook(_to_planes)
            part.register_forward_hook(_to_channels_last)


def _to_planes(part: nn.Module, args: tuple[Tensor]) -> tuple[Tensor]:
    return (args[0].contiguous() if _learns_on_cpu(args[0]) else args[0],)


def _to_channels_last(part: nn.Module, args: tuple[Tensor], output: Tensor) -> Tensor:
    return output.contiguous(memory_format=torch.channels_last) if _learns_on_cpu(output) else output


def _learns_on_cpu(pictures: Tensor) -> bool:
    return pictures.device.type == "cpu" and torch.is_grad_enabled()


def _load(network: nn.Module, model: str, path: Path) -> None:
    state = load_state_dict(path)
    own = network.state_dict()
    base = model.partition("@")[0].replace("mattingrefine-", "mattingbase-")
    if not any(key.startswith(REFINER) for key in state) and base in identify(state):
        state = {**{key: tensor for key, tensor in own.items() if key.startswith(REFINER)}, **state}
    load_strict(network, state, model, path)
