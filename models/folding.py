"""Fold batch norms into convolutions, and run those by the fastest primitives of the device: for inference only."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from models.backbones.resnet import Bottleneck, ResNet

_ONEDNN = torch.ops.mkldnn


class FoldedConv(nn.Module):
    """A convolution with its batch norm, perhaps a sum with a residual, and perhaps a ReLU, in one step."""

    weight: Tensor
    bias: Tensor | None

    def __init__(self, conv: nn.Conv2d, norm: nn.Module | None = None, relu: bool = False) -> None:
        """Fold a batch norm (or none) into a copy of a convolution; both in eval mode and on the CPU or a GPU."""
        super().__init__()
        folded = fuse_conv_bn_eval(conv, norm) if isinstance(norm, nn.BatchNorm2d) else conv
        self.weight = nn.Parameter(folded.weight.detach().clone(), requires_grad=False)
        self.bias = None if folded.bias is None else nn.Parameter(folded.bias.detach().clone(), requires_grad=False)
        self.relu = relu
        self.geometry = (list(_pair(conv.padding)), list(conv.stride), list(conv.dilation), conv.groups)
        self._packed: Tensor | None = None

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """Map (N, C, H, W); a residual (N, C', H', W) is added before the ReLU, and its memory may be used again."""
        padding, stride, dilation, groups = self.geometry
        if has_fused_primitives(x):
            # one pass over memory, and the weights lie as the primitive wants them: a tenth of a ResNet's time
            x = x.contiguous(memory_format=torch.channels_last)
            if self._packed is None:
                self._packed = _ONEDNN._reorder_convolution_weight(
                    self.weight, padding, stride, dilation, groups, list(x.shape)
                )
            unary = "relu" if self.relu else "none"
            known = (self._packed, self.bias, padding, stride, dilation, groups)
            if residual is not None:
                residual = residual.contiguous(memory_format=torch.channels_last)
                fused = _ONEDNN._convolution_pointwise_.binary
                return fused(residual, x, *known, "add", 1.0, unary if self.relu else None, [], None)  # type: ignore[no-any-return]
            return _ONEDNN._convolution_pointwise(x, *known, unary, [], "")  # type: ignore[no-any-return]
        out = F.conv2d(x, self.weight, self.bias, stride, padding, dilation, groups)
        if residual is not None:
            out += residual
        return out.relu_() if self.relu else out


class FoldedBottleneck(nn.Module):
    """A Bottleneck of three folded convolutions."""

    def __init__(self, block: Bottleneck) -> None:
        """Fold the layers of a block."""
        super().__init__()
        self.reduce = FoldedConv(block.conv1, block.bn1, relu=True)
        self.filter = FoldedConv(block.conv2, block.bn2, relu=True)
        self.expand = FoldedConv(block.conv3, block.bn3, relu=True)
        projection = block.downsample
        self.project: nn.Module | None = None
        if isinstance(projection, nn.Sequential):
            self.project = _fold_row(list(projection))[0]

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, h, w) as the block does, and write over x where that is the residual."""
        residual = x if self.project is None else self.project(x)
        out: Tensor = self.expand(self.filter(self.reduce(x)), residual)
        return out


def fold(network: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Return a copy of a backbone or a part of a network for inference: batch norms folded, channels last, in `dtype`.

    Folds what stands in a row in an nn.Sequential, and ResNet's blocks and stem. Weights are folded in float32.
    """
    folded = _fold(copy.deepcopy(network).float().eval())
    for module in folded.modules():
        if isinstance(module, FoldedConv):
            module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last)
    return folded.to(dtype).requires_grad_(False)


def _fold(module: nn.Module) -> nn.Module:
    if isinstance(module, Bottleneck):
        return FoldedBottleneck(module)
    if isinstance(module, ResNet):
        module.conv1 = FoldedConv(module.conv1, module.bn1, relu=True)  # type: ignore[assignment]
        module.bn1 = nn.Identity()  # type: ignore[assignment]
        module.relu = nn.Identity()  # type: ignore[assignment]
    if isinstance(module, nn.Sequential):
        return nn.Sequential(*_fold_row(list(module)))
    for name, child in module.named_children():
        setattr(module, name, _fold(child))
    return module


def _fold_row(layers: list[nn.Module]) -> list[nn.Module]:
    """Fold [conv, norm, relu] and [conv, norm] in a row of layers; an identity keeps the place of what is gone."""
    folded: list[nn.Module] = []
    while layers:
        layer = layers.pop(0)
        if not isinstance(layer, nn.Conv2d):
            folded.append(_fold(layer))
            continue
        norm = layers.pop(0) if layers and isinstance(layers[0], nn.BatchNorm2d) else None
        relu = layers.pop(0) if layers and type(layers[0]) is nn.ReLU else None
        folded.append(FoldedConv(layer, norm, relu is not None))
        folded.extend(nn.Identity() for gone in (norm, relu) if gone is not None)
    return folded


def has_fused_primitives(x: Tensor) -> bool:
    """Tell whether oneDNN convolves, adds and clips this in one step: on a CPU, in float32 or in a bf16 it has."""
    if x.device.type != "cpu" or not hasattr(_ONEDNN, "_convolution_pointwise"):
        return False
    return x.dtype == torch.float32 or (x.dtype == torch.bfloat16 and _ONEDNN._is_mkldnn_bf16_supported())


def _pair(padding: object) -> tuple[int, int]:
    if isinstance(padding, tuple):
        return padding
    raise ValueError(f"padding must be given in numbers, found {padding!r}")
