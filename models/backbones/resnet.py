"""ResNet-50 and ResNet-101 at output stride 16, as feature pyramids for matting.

He et al. 2015, "Deep Residual Learning for Image Recognition", with the strides in the 3x3 convolutions and the
state-dict keys of torchvision; the last stage is dilated instead of strided (Chen et al. 2017, DeepLabV3).
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

DEPTHS: dict[str, tuple[int, int, int, int]] = {"resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3)}
EXPANSION = 4


class Pyramid(NamedTuple):
    """Hold features at 1/2, 1/4, 1/8 and 1/16 of the input's size."""

    half: Tensor
    quarter: Tensor
    eighth: Tensor
    sixteenth: Tensor


class Bottleneck(nn.Module):
    """Reduce, filter (3x3, with stride and dilation), expand, and add the input."""

    def __init__(self, in_channels: int, channels: int, stride: int, dilation: int) -> None:
        """Make the layers; a fourth of the output's channels is filtered."""
        super().__init__()
        out_channels = channels * EXPANSION
        self.conv1 = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, padding=dilation, dilation=dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if stride != 1 or in_channels != out_channels:
            projection = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)
            self.downsample = nn.Sequential(projection, nn.BatchNorm2d(out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, h, w) to (N, 4 * channels, h / stride, w / stride)."""
        residual = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        x = self.bn3(self.conv3(x))
        x += residual
        out: Tensor = self.relu(x)
        return out


class ResNet(nn.Module):
    """Extract features of 64, 256, 512 and 2048 channels at 1/2, 1/4, 1/8 and 1/16."""

    channels = (64, 256, 512, 2048)

    def __init__(self, variant: str, in_channels: int = 3) -> None:
        """Make the layers of resnet50 or resnet101. Raises ValueError for another variant."""
        super().__init__()
        if variant not in DEPTHS:
            raise ValueError(f"a ResNet variant must be one of {', '.join(DEPTHS)}, found {variant!r}")
        depths = DEPTHS[variant]
        self.conv1 = nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = _stage(64, 64, depths[0])
        self.layer2 = _stage(256, 128, depths[1], stride=2)
        self.layer3 = _stage(512, 256, depths[2], stride=2)
        self.layer4 = _stage(1024, 512, depths[3], dilation=2)

    def forward(self, x: Tensor) -> Pyramid:
        """Map pictures (N, in_channels, H, W), any range, to features; odd sizes round up."""
        half = self.relu(self.bn1(self.conv1(x)))
        quarter = self.layer1(self.maxpool(half))
        eighth = self.layer2(quarter)
        return Pyramid(half, quarter, eighth, self.layer4(self.layer3(eighth)))


def _stage(in_channels: int, channels: int, depth: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    # a dilated stage keeps dilation 1 in its first block, as torchvision does
    first = Bottleneck(in_channels, channels, stride, dilation=1)
    others = [Bottleneck(channels * EXPANSION, channels, 1, dilation) for _ in range(depth - 1)]
    return nn.Sequential(first, *others)
