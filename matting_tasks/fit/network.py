"""The network that is fitted: built for training, and begun from noise, from ImageNet or from a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

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
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def _load(network: nn.Module, model: str, path: Path) -> None:
    state = load_state_dict(path)
    own = network.state_dict()
    base = model.partition("@")[0].replace("mattingrefine-", "mattingbase-")
    if not any(key.startswith(REFINER) for key in state) and base in identify(state):
        state = {**{key: tensor for key, tensor in own.items() if key.startswith(REFINER)}, **state}
    load_strict(network, state, model, path)
