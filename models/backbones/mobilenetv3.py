"""MobileNetV3-Large at output stride 16, as a feature pyramid for matting.

Howard et al. 2019, "Searching for MobileNetV3", table 1, with the state-dict keys of torchvision and without the
classifier; the last stage is dilated instead of strided.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from models.backbones.resnet import Pyramid

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of RGB 0..1 over ImageNet
NORM_EPSILON = 1e-3  # as torchvision sets it for this network alone
SQUEEZE = 4


class Shape(NamedTuple):
    """Describe a block: its kernel, the channels in between and after, and how it filters."""

    kernel_size: int
    hidden: int
    channels: int
    squeezes: bool
    hard_swish: bool
    stride: int = 1
    dilation: int = 1


BLOCKS = (
    Shape(3, 16, 16, False, False),
    Shape(3, 64, 24, False, False, stride=2),
    Shape(3, 72, 24, False, False),
    Shape(5, 72, 40, True, False, stride=2),
    Shape(5, 120, 40, True, False),
    Shape(5, 120, 40, True, False),
    Shape(3, 240, 80, False, True, stride=2),
    Shape(3, 200, 80, False, True),
    Shape(3, 184, 80, False, True),
    Shape(3, 184, 80, False, True),
    Shape(3, 480, 112, True, True),
    Shape(3, 672, 112, True, True),
    Shape(5, 672, 160, True, True, dilation=2),
    Shape(5, 960, 160, True, True, dilation=2),
    Shape(5, 960, 160, True, True, dilation=2),
)
LAST_CHANNELS = 960


class SqueezeExcitation(nn.Module):
    """Weigh channels by what the whole picture holds (Hu et al. 2017, arXiv 1709.01507)."""

    def __init__(self, channels: int) -> None:
        """Make the layers; a fourth of the channels, as a multiple of 8, is between."""
        super().__init__()
        squeezed = _multiple_of_8(channels / SQUEEZE)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)
        self.activation = nn.ReLU(inplace=True)
        self.scale_activation = nn.Hardsigmoid(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, h, w) to the same."""
        scale: Tensor = self.scale_activation(self.fc2(self.activation(self.fc1(self.avgpool(x)))))
        return x * scale


class InvertedResidual(nn.Module):
    """Expand, filter each channel, weigh the channels, project; add the input where shapes allow."""

    def __init__(self, in_channels: int, shape: Shape) -> None:
        """Make the layers."""
        super().__init__()
        self.adds_input = shape.stride == 1 and in_channels == shape.channels
        activation = nn.Hardswish if shape.hard_swish else nn.ReLU
        hidden = shape.hidden
        layers: list[nn.Module] = []
        if hidden != in_channels:
            layers.append(_conv_bn(in_channels, hidden, activation=activation))
        filters = _conv_bn(
            hidden, hidden, shape.kernel_size, shape.stride, shape.dilation, groups=hidden, activation=activation
        )
        layers.append(filters)
        if shape.squeezes:
            layers.append(SqueezeExcitation(hidden))
        layers.append(_conv_bn(hidden, shape.channels))
        self.block = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, h, w) to (N, channels, h / stride, w / stride)."""
        out: Tensor = self.block(x)
        return out.add_(x) if self.adds_input else out


class MobileNetV3(nn.Module):
    """Extract features of 16, 24, 40 and 960 channels at 1/2, 1/4, 1/8 and 1/16."""

    channels = (16, 24, 40, 960)

    def __init__(self) -> None:
        """Make the layers."""
        super().__init__()
        blocks: list[nn.Module] = [_conv_bn(3, 16, 3, stride=2, activation=nn.Hardswish)]
        channels = 16
        for shape in BLOCKS:
            blocks.append(InvertedResidual(channels, shape))
            channels = shape.channels
        blocks.append(_conv_bn(channels, LAST_CHANNELS, activation=nn.Hardswish))
        self.features = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Pyramid:
        """Map pictures (N, 3, H, W), RGB 0..1, to features; odd sizes round up."""
        mean, deviation = (x.new_tensor(values).view(3, 1, 1) for values in (MEAN, DEVIATION))
        half: Tensor = self.features[:2]((x - mean) / deviation)
        quarter: Tensor = self.features[2:4](half)
        eighth: Tensor = self.features[4:7](quarter)
        sixteenth: Tensor = self.features[7:](eighth)
        return Pyramid(half, quarter, eighth, sixteenth)


def _multiple_of_8(channels: float) -> int:
    """Round to a multiple of 8, at least 8, and never down by more than a tenth."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * channels else rounded + 8


def _conv_bn(
    in_channels: int,
    out_channels: int,
    kernel_size: int = 1,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    activation: type[nn.ReLU] | type[nn.Hardswish] | None = None,
) -> nn.Sequential:
    padding = (kernel_size - 1) // 2 * dilation
    conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias=False)
    norm = nn.BatchNorm2d(out_channels, eps=NORM_EPSILON, momentum=0.01)
    return nn.Sequential(conv, norm, *([activation(inplace=True)] if activation else []))
