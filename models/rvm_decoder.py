"""The recurrent decoder of RobustVideoMatting: features go up to full size, and remember the frames before.

Lin et al. 2021, "Robust High-Resolution Video Matting with Temporal Guidance", arXiv 2108.11515, section 3.2.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.backbones.resnet import Pyramid

PICTURE_CHANNELS = 3
# what the recurrent units remember of the frames before, at 1/2, 1/4, 1/8 and 1/16; None is a memory of nothing
State = tuple[Tensor, Tensor, Tensor, Tensor]
StateBefore = tuple[Tensor | None, Tensor | None, Tensor | None, Tensor | None]


class Aspp(nn.Module):
    """Weigh features by what the whole picture holds (LR-ASPP, Howard et al. 2019, "Searching for MobileNetV3")."""

    def __init__(self, in_channels: int, channels: int) -> None:
        """Make the layers."""
        super().__init__()
        self.aspp1 = nn.Sequential(
            nn.Conv2d(in_channels, channels, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)
        )
        self.aspp2 = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(in_channels, channels, 1, bias=False), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, h, w) to (N, channels, h, w)."""
        out: Tensor = self.aspp1(x) * self.aspp2(x)
        return out


class ConvGru(nn.Module):
    """Remember maps from frame to frame by a gated recurrent unit of 3x3 convolutions (arXiv 1511.06432)."""

    def __init__(self, channels: int) -> None:
        """Make the layers."""
        super().__init__()
        self.channels = channels
        self.ih = nn.Sequential(nn.Conv2d(2 * channels, 2 * channels, 3, padding=1), nn.Sigmoid())
        self.hh = nn.Sequential(nn.Conv2d(2 * channels, channels, 3, padding=1), nn.Tanh())

    def forward(self, x: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """Map x (B, T, channels, h, w) to the same and the state (B, channels, h, w) after the last frame.

        state: that after the frame before, of the same shape; None is zeros.
        """
        hidden = torch.zeros_like(x[:, 0]) if state is None else state
        remembered = []
        for frame in x.unbind(dim=1):
            reset, update = self.ih(torch.cat([frame, hidden], dim=1)).split(self.channels, dim=1)
            candidate = self.hh(torch.cat([frame, reset * hidden], dim=1))
            hidden = (1 - update) * hidden + update * candidate
            remembered.append(hidden)
        return torch.stack(remembered, dim=1), hidden


class BottleneckBlock(nn.Module):
    """Remember the smallest features."""

    def __init__(self, channels: int) -> None:
        """Make the layers."""
        super().__init__()
        self.gru = ConvGru(channels // 2)

    def forward(self, x: Tensor, n_frames: int, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """Map x (B * T, channels, h, w) of T = n_frames to the same and the state (B, channels / 2, h, w)."""
        return _remember(self.gru, x, n_frames, state)


class UpsamplingBlock(nn.Module):
    """Double the size of features, join them with the backbone's and with the picture, and remember."""

    def __init__(self, in_channels: int, skip_channels: int, channels: int) -> None:
        """Make the layers."""
        super().__init__()
        self.conv = nn.Sequential(*_conv_bn_relu(in_channels + skip_channels + PICTURE_CHANNELS, channels))
        self.gru = ConvGru(channels // 2)

    def forward(
        self, x: Tensor, skips: tuple[Tensor, Tensor], n_frames: int, state: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Map x (B * T, in_channels, h, w) to (B * T, channels, H, W) and the state (B, channels / 2, H, W).

        skips: the backbone's features (B * T, skip_channels, H, W) and the pictures (B * T, 3, H, W).
        """
        joined = self.conv(torch.cat([_double(x, skips[0]), *skips], dim=1))
        return _remember(self.gru, joined, n_frames, state)


class OutputBlock(nn.Module):
    """Double the size of features and join them with the picture at full size; no memory."""

    def __init__(self, in_channels: int, channels: int) -> None:
        """Make the layers."""
        super().__init__()
        first = _conv_bn_relu(in_channels + PICTURE_CHANNELS, channels)
        self.conv = nn.Sequential(*first, *_conv_bn_relu(channels, channels))

    def forward(self, x: Tensor, pictures: Tensor) -> Tensor:
        """Map x (N, in_channels, h, w) and pictures (N, 3, H, W) to (N, channels, H, W)."""
        out: Tensor = self.conv(torch.cat([_double(x, pictures), pictures], dim=1))
        return out


class RecurrentDecoder(nn.Module):
    """Bring features from 1/16 to full size in four steps, with a memory at 1/16, 1/8, 1/4 and 1/2."""

    def __init__(
        self, feature_channels: tuple[int, int, int, int], decoder_channels: tuple[int, int, int, int]
    ) -> None:
        """Make the layers.

        feature_channels: at 1/2, 1/4, 1/8, 1/16. decoder_channels: at 1/8, 1/4, 1/2 and full size.
        """
        super().__init__()
        half, quarter, eighth, sixteenth = feature_channels
        at_eighth, at_quarter, at_half, at_full = decoder_channels
        self.decode4 = BottleneckBlock(sixteenth)
        self.decode3 = UpsamplingBlock(sixteenth, eighth, at_eighth)
        self.decode2 = UpsamplingBlock(at_eighth, quarter, at_quarter)
        self.decode1 = UpsamplingBlock(at_quarter, half, at_half)
        self.decode0 = OutputBlock(at_half, at_full)
        self.state_channels = (at_half // 2, at_quarter // 2, at_eighth // 2, sixteenth // 2)

    def forward(self, pictures: Tensor, features: Pyramid, n_frames: int, state: StateBefore) -> tuple[Tensor, State]:
        """Map B streams of T = n_frames pictures to hidden features (B * T, channels, h, w) and the new state.

        pictures: (B * T, 3, h, w), RGB 0..1. features: of the pictures, (B * T, C, h / 2, w / 2) and so on. state: four
        tensors (B, C, h / 2, w / 2) to (B, C, h / 16, w / 16), sizes rounded up, each None before the first frame.
        """
        halves = _halve(pictures)
        quarters = _halve(halves)
        eighths = _halve(quarters)
        x, r4 = self.decode4(features.sixteenth, n_frames, state[3])
        x, r3 = self.decode3(x, (features.eighth, eighths), n_frames, state[2])
        x, r2 = self.decode2(x, (features.quarter, quarters), n_frames, state[1])
        x, r1 = self.decode1(x, (features.half, halves), n_frames, state[0])
        hidden: Tensor = self.decode0(x, pictures)
        return hidden, (r1, r2, r3, r4)


def _remember(gru: ConvGru, x: Tensor, n_frames: int, state: Tensor | None) -> tuple[Tensor, Tensor]:
    """Pass the second half of the channels through a recurrent unit; the first half knows its own frame only."""
    own, shared = x.chunk(2, dim=1)
    # (B * T, C, h, w) -> (B, T, C, h, w)
    shared, state = gru(shared.reshape(-1, n_frames, *shared.shape[1:]), state)
    return torch.cat([own, shared.flatten(0, 1)], dim=1), state


def _halve(pictures: Tensor) -> Tensor:
    """Average 2x2 pixels, at an odd border over what is there."""
    return F.avg_pool2d(pictures, 2, ceil_mode=True, count_include_pad=False)


def _double(x: Tensor, like: Tensor) -> Tensor:
    """Bring (N, C, h, w) to (N, C, H, W) of `like`, where H is 2h or 2h - 1."""
    large = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
    return large[..., : like.shape[-2], : like.shape[-1]]


def _conv_bn_relu(in_channels: int, channels: int) -> tuple[nn.Module, nn.Module, nn.Module]:
    conv = nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)
    return conv, nn.BatchNorm2d(channels), nn.ReLU(inplace=True)
