"""Guided filters: bring a coarse matte to full size along the edges of the frame.

Within a small window the matte is taken for a linear function of the frame, alpha = A * frame + b; A and b are found
at the coarse size, resized, and applied to the full frame. He et al. 2015, "Fast Guided Filter", arXiv 1505.00996, and
Wu et al. 2018, "Fast End-to-End Trainable Guided Filter", arXiv 1803.05619, where A is learned.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

N_CHANNELS = 4  # of a matte: foreground residual (3) and alpha; of its guide: RGB and their mean
ALL, ALPHA = slice(0, N_CHANNELS), slice(N_CHANNELS - 1, N_CHANNELS)
FLAT_VARIANCE = 1e-5


class GuidedFilter(nn.Module):
    """Filter with the A that a subclass finds."""

    def forward(self, full: Tensor, small: Tensor, coarse: Tensor, hidden: Tensor, channels: slice = ALL) -> Tensor:
        """Return the given channels of a matte at full size: (N, 4 or fewer, H, W), not clamped.

        full: (N, 3, H, W) and small: (N, 3, h, w), a frame and the same frame downsampled, RGB 0..1. coarse:
        (N, 4, h, w), foreground residual and alpha. hidden: (N, C, h, w), the features they were made of. channels:
        ALL or ALPHA; what is returned is the same in both.
        """
        guide = torch.cat([small, small.mean(dim=1, keepdim=True)], dim=1)
        mean_guide, mean_matte = self._box(guide), self._box(coarse)
        covariance = self._box(guide * coarse) - mean_guide * mean_matte
        variance = self._box(guide * guide) - mean_guide * mean_guide
        slope = self._slope(covariance, variance, hidden)
        offset = mean_matte - slope * mean_guide
        size = (full.shape[-2], full.shape[-1])
        slope, offset = (_resize(part[:, channels], size) for part in (slope, offset))
        mean = full.mean(dim=1, keepdim=True)
        return slope.mul_(mean if channels == ALPHA else torch.cat([full, mean], dim=1)).add_(offset)

    def _box(self, maps: Tensor) -> Tensor:
        """Average (N, 4, h, w) over windows."""
        raise NotImplementedError

    def _slope(self, covariance: Tensor, variance: Tensor, hidden: Tensor) -> Tensor:
        """Return A (N, 4, h, w)."""
        raise NotImplementedError


class FastGuidedFilter(GuidedFilter):
    """Find A by least squares, from plain means over 3x3 pixels."""

    def _box(self, maps: Tensor) -> Tensor:
        # zeros outside of the picture count: a window has 9 pixels everywhere
        return F.avg_pool2d(maps, 3, stride=1, padding=1)

    def _slope(self, covariance: Tensor, variance: Tensor, hidden: Tensor) -> Tensor:
        return covariance / (variance + FLAT_VARIANCE)


class DeepGuidedFilter(GuidedFilter):
    """Find A with learned 1x1 convolutions, from learned means over 3x3 pixels and the hidden features."""

    def __init__(self, hidden_channels: int = 16) -> None:
        """Make the layers."""
        super().__init__()
        self.box_filter = nn.Conv2d(N_CHANNELS, N_CHANNELS, 3, padding=1, bias=False, groups=N_CHANNELS)
        # begins with plain means, as published: then a new filter enlarges a matte instead of spoiling it
        nn.init.constant_(self.box_filter.weight, 1 / 9)
        self.conv = nn.Sequential(
            nn.Conv2d(2 * N_CHANNELS + hidden_channels, hidden_channels, 1, bias=False),
            nn.BatchNorm2d(hidden_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden_channels, hidden_channels, 1, bias=False),
            nn.BatchNorm2d(hidden_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden_channels, N_CHANNELS, 1),
        )

    def _box(self, maps: Tensor) -> Tensor:
        means: Tensor = self.box_filter(maps)
        return means

    def _slope(self, covariance: Tensor, variance: Tensor, hidden: Tensor) -> Tensor:
        slope: Tensor = self.conv(torch.cat([covariance, variance, hidden], dim=1))
        return slope


def _resize(maps: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(maps, size, mode="bilinear", align_corners=False)
