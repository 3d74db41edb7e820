"""MobileNetV2 at output stride 16, as a feature pyramid for matting.

Sandler et al. 2018, "MobileNetV2: Inverted Residuals and Linear Bottlenecks", table 2, with the state-dict keys of
torchvision and without the last 1x1 layer; the last stages are dilated instead of strided.
"""

from __future__ import annotations

from torch import Tensor, nn

from models.backbones.resnet import Pyramid

# expansion, channels, blocks, stride, dilation of the blocks after the first: the 1/32 stages stay at 1/16
STAGES = (
    (1, 16, 1, 1, 1),
    (6, 24, 2, 2, 1),
    (6, 32, 3, 2, 1),
    (6, 64, 4, 2, 1),
    (6, 96, 3, 1, 1),
    (6, 160, 3, 1, 2),
    (6, 320, 1, 1, 2),
)
FIRST_DILATED_BLOCK = 15


class InvertedResidual(nn.Module):
    """Expand, filter each channel (3x3), project; add the input where shapes allow."""

    def __init__(self, in_channels: int, out_channels: int, expansion: int, stride: int, dilation: int) -> None:
        """Make the layers; the channels between are `expansion` times those of the input."""
        super().__init__()
        hidden = in_channels * expansion
        self.adds_input = stride == 1 and in_channels == out_channels
        expand = [_conv_bn_relu(in_channels, hidden, kernel_size=1)] if expansion != 1 else []
        self.conv = nn.Sequential(
            *expand,
            _conv_bn_relu(hidden, hidden, stride=stride, dilation=dilation, groups=hidden),
            nn.Conv2d(hidden, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, h, w) to (N, out_channels, h / stride, w / stride)."""
        out: Tensor = self.conv(x)
        return x + out if self.adds_input else out


class MobileNetV2(nn.Module):
    """Extract features of 16, 24, 32 and 320 channels at 1/2, 1/4, 1/8 and 1/16."""

    channels = (16, 24, 32, 320)

    def __init__(self, in_channels: int = 3) -> None:
        """Make the layers; a picture has 3 channels, a picture joined with its plate 6."""
        super().__init__()
        blocks: list[nn.Module] = [_conv_bn_relu(in_channels, 32, stride=2)]
        channels = 32
        for expansion, out_channels, depth, first_stride, dilation in STAGES:
            for position in range(depth):
                stride = first_stride if position == 0 else 1
                # block 14 gives up its stride but is not dilated itself
                block_dilation = dilation if len(blocks) >= FIRST_DILATED_BLOCK else 1
                blocks.append(InvertedResidual(channels, out_channels, expansion, stride, block_dilation))
                channels = out_channels
        self.features = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Pyramid:
        """Map pictures (N, in_channels, H, W), any range, to features; odd sizes round up."""
        half: Tensor = self.features[:2](x)
        quarter: Tensor = self.features[2:4](half)
        eighth: Tensor = self.features[4:7](quarter)
        sixteenth: Tensor = self.features[7:](eighth)
        return Pyramid(half, quarter, eighth, sixteenth)


def _conv_bn_relu(
    in_channels: int, out_channels: int, kernel_size: int = 3, stride: int = 1, dilation: int = 1, groups: int = 1
) -> nn.Sequential:
    padding = (kernel_size - 1) // 2 * dilation
    conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(out_channels), nn.ReLU6(inplace=True))
