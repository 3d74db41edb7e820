"""ONNX files whose BatchNorms were folded into the convolutions, read as state dicts.

Importing this imports neither torch nor onnx.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.errors import WeightsUnreadable

if TYPE_CHECKING:
    from torch import Tensor, nn

# part of a network that the exported files do not hold, being for training and for another output
NOT_EXPORTED = "project_seg."


@dataclass(frozen=True, slots=True)
class Convolution:
    """Hold one convolution of a file: weight (out, in / groups, h, w) float32, bias (out,) float32 or None."""

    name: str
    weight: Tensor
    bias: Tensor | None


@dataclass(frozen=True, slots=True)
class _Slot:
    """Where a convolution belongs in a network: the keys' prefix, and those of the BatchNorm behind it, if any."""

    prefix: str
    module: nn.Conv2d
    norm_prefix: str
    norm: nn.BatchNorm2d | None


def read_folded(path: Path, networks: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """Read a float32 ONNX file as the state dict of that one of the networks (by name) whose convolutions it holds.

    A folded bias becomes the bias of a BatchNorm that does nothing else: mean 0, variance 1, weight sqrt(1 + eps).
    The segmentation head is not in such files: its keys, project_seg.*, are filled with zeros, and a segmentation
    pass is of no use with them. Raises WeightsUnreadable, with what differs from each network; nothing is read in part.
    """
    convolutions = read_convolutions(path)
    differences = []
    for name, network in networks.items():
        slots = list(_slots(network))
        difference = _difference(convolutions, slots)
        if difference is None:
            return _state_dict(convolutions, slots, network)
        differences.append(f"it is not {name}: {difference}")
    raise WeightsUnreadable.at(path, f"an ONNX file of another network ({'; '.join(differences)})")


def read_convolutions(path: Path) -> list[Convolution]:
    """Read the convolutions of an ONNX file in execution order; one that is used several times in a row counts once.

    Raises WeightsUnreadable where the file is damaged, not float32, or its BatchNorms are not folded, and where the
    package onnx is not installed.
    """
    graph = _read_graph(path)
    stored = {tensor.name: tensor for tensor in graph.initializer}
    convolutions: list[Convolution] = []
    for node in graph.node:
        if node.op_type == "BatchNormalization":
            raise WeightsUnreadable.at(path, "its BatchNorms are not folded into the convolutions")
        if node.op_type != "Conv" or (convolutions and convolutions[-1].name == node.input[1]):
            continue
        tensors = [_tensor(path, stored.get(name), name) for name in node.input[1:] if name]
        convolutions.append(Convolution(node.input[1], tensors[0], tensors[1] if len(tensors) > 1 else None))
    if not convolutions:
        raise WeightsUnreadable.at(path, "as an ONNX file it is damaged, or has no convolutions")
    return convolutions


def _read_graph(path: Path) -> Any:
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError as err:
        raise WeightsUnreadable.without(path, "onnx") from err
    try:
        return onnx.load(path, format="protobuf", load_external_data=False).graph
    except DecodeError as err:
        raise WeightsUnreadable.at(path, "as an ONNX file it is damaged") from err


def _tensor(path: Path, stored: Any, name: str) -> Tensor:
    import torch
    from onnx import TensorProto, numpy_helper

    if stored is None or stored.data_location == TensorProto.EXTERNAL:
        raise WeightsUnreadable.at(path, f"the ONNX file does not hold the tensor {name!r} itself")
    if stored.data_type != TensorProto.FLOAT:
        kind = TensorProto.DataType.Name(stored.data_type).lower()
        raise WeightsUnreadable.at(path, f"an ONNX file of {kind} weights, where the float32 one (fp32) is expected")
    return torch.from_numpy(numpy_helper.to_array(stored).copy())


def _slots(network: nn.Module) -> Iterator[_Slot]:
    """Walk the convolutions in the order of their keys, which is that of their execution."""
    from torch import nn

    leaves = [(name, module) for name, module in network.named_modules() if not any(module.children())]
    for (name, module), (norm_name, norm) in zip(leaves, [*leaves[1:], ("", None)], strict=True):
        if isinstance(module, nn.Conv2d) and not name.startswith(NOT_EXPORTED):
            has_norm = isinstance(norm, nn.BatchNorm2d)
            yield _Slot(f"{name}.", module, f"{norm_name}.", norm if has_norm else None)


def _difference(convolutions: list[Convolution], slots: list[_Slot]) -> str | None:
    """Say how the convolutions of a file differ from those of a network; None where they are the same."""
    if len(convolutions) != len(slots):
        return f"{len(convolutions)} distinct convolutions, expected {len(slots)}"
    for found, slot in zip(convolutions, slots, strict=True):
        key = f"{slot.prefix}weight"
        if found.weight.shape != slot.module.weight.shape:
            return f"{key} is {list(found.weight.shape)}, expected {list(slot.module.weight.shape)}"
        if slot.norm is None and found.name != key:
            return f"{found.name!r} where {key} is expected"
        if (found.bias is None) != (slot.norm is None and slot.module.bias is None):
            return f"{key} {'lacks its' if found.bias is None else 'has a'} bias"
        if found.bias is not None and found.bias.shape != found.weight.shape[:1]:
            return f"the bias beside {key} is {list(found.bias.shape)}"
    return None


def _state_dict(convolutions: list[Convolution], slots: list[_Slot], network: nn.Module) -> dict[str, Tensor]:
    import torch

    state: dict[str, Tensor] = {}
    for found, slot in zip(convolutions, slots, strict=True):
        state[f"{slot.prefix}weight"] = found.weight
        if found.bias is not None:
            state[f"{slot.norm_prefix if slot.norm else slot.prefix}bias"] = found.bias
        if slot.norm is not None:
            ones = torch.ones(slot.norm.num_features)
            state[f"{slot.norm_prefix}weight"] = ones * math.sqrt(1 + slot.norm.eps)
            state[f"{slot.norm_prefix}running_mean"] = torch.zeros_like(ones)
            state[f"{slot.norm_prefix}running_var"] = ones
            state[f"{slot.norm_prefix}num_batches_tracked"] = torch.zeros((), dtype=torch.int64)
    for key, tensor in network.state_dict().items():
        if key.startswith(NOT_EXPORTED):
            state[key] = torch.zeros(tensor.shape)
    # in the order of the network's keys; one that is in neither is left for the strict loader to name
    return {key: state[key] for key in network.state_dict() if key in state}
