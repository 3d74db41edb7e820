"""Weights that anyone can make again: each tensor is drawn from its own random stream, seeded by its key.

They stand in for trained checkpoints in tests: the golden outputs were made with them.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models import registry

HALF_ALPHA = {"project_mat.conv.bias": 3, "refiner.conv4.bias": 0}


def reference_state_dict(model: nn.Module) -> dict[str, Tensor]:
    """Draw a state dict for a network, which may be on the meta device."""
    state = {}
    for key, tensor in model.state_dict().items():
        if key.endswith("num_batches_tracked"):
            state[key] = torch.zeros((), dtype=torch.int64)
            continue
        values = _draw(key, tuple(tensor.shape))
        if key in HALF_ALPHA:
            values[HALF_ALPHA[key]] = 0.5
        state[key] = torch.from_numpy(values)
    return state


def with_reference_weights(network: nn.Module) -> nn.Module:
    """Return a network with its reference weights, in eval mode and without gradients."""
    network.load_state_dict(reference_state_dict(network))
    return network.eval().requires_grad_(False)


def write_reference_checkpoint(registry_name: str, path: Path) -> Path:
    """Write the reference weights of a registry entry as a `.pth` state dict; the same name gives the same weights."""
    with torch.device("meta"):
        model = registry.entry(registry_name).build({})
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(reference_state_dict(model), path)
    return path


def _draw(key: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    stream = np.random.Generator(np.random.PCG64(zlib.crc32(key.encode())))
    x = np.asarray(stream.standard_normal(shape, dtype=np.float32))
    if key.endswith("running_var"):
        return 1 + 0.1 * np.abs(x)
    if key.endswith("running_mean"):
        return 0.1 * x
    if len(shape) > 1:
        return (x * np.sqrt(1 / np.prod(shape[1:]))).astype(np.float32)
    return 0.9 + 0.1 * x if key.endswith(".weight") else 0.1 * x
