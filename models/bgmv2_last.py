"""The last layer of BackgroundMattingV2's decoder, in two parts: what decides an alpha, and what the refiner reads.

The layer is a 3x3 convolution over features that are first brought to twice their size and joined with the pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.folding import FoldedConv, fold

TILE = 16
REACH = 2
"""Pixels of the hints around its own that a refined cell looks at."""


class Cells(NamedTuple):
    """Cells of 4x4 pixels in a grid of (rows, columns) cells: those of all frames, and which of them count, (k,)."""

    n: Tensor
    row: Tensor
    column: Tensor
    counts: Tensor
    grid: tuple[int, int]

    def portion(self, start: int, stop: int) -> Cells:
        """Return the cells from start to stop."""
        own = slice(start, stop)
        return Cells(self.n[own], self.row[own], self.column[own], self.counts[own], self.grid)


class LastLayer:
    """A few channels of the last layer, in float32 whatever the features are in."""

    def __init__(self, conv: nn.Conv2d, channels: Sequence[int], n_pictures: int) -> None:
        """Take K channels of a convolution with padding 1, whose last n_pictures inputs are the pictures."""
        chosen = only_channels(conv, channels)
        # (K, C, 3, 3) -> (9 * K, C): the product of each place in the kernel, to be shifted and added
        weight = chosen.weight.permute(2, 3, 0, 1).flatten(0, 2).float()
        self._of_features = weight[:, : weight.shape[1] - n_pictures].contiguous()
        self._of_pictures = weight[:, weight.shape[1] - n_pictures :].contiguous()
        self._bias = weight.new_zeros(len(channels)) if chosen.bias is None else chosen.bias.float()

    def __call__(self, features: Tensor, pictures: Tensor) -> Tensor:
        """Map features (T, C, h, w), to be brought to the size of pictures (T, 6, H, W), to (T, K, H, W) float32.

        Products of matrices and sums: a convolution to so few channels leaves most of a vector unit idle. Mixing
        channels and resizing commute, so the features are mixed while they are small.
        """
        n, _, height, width = pictures.shape
        small = (self._of_features @ features.flatten(2).float()).view(n, -1, *features.shape[2:])
        products = _resize(small, (height, width))
        products.flatten(2).baddbmm_(self._of_pictures.expand(n, -1, -1), pictures.flatten(2).float())
        products = products.view(n, 3, 3, -1, height, width)
        out = products[:, 1, 1] + self._bias[:, None, None]
        for dy, dx in ((y, x) for y in range(3) for x in range(3) if (y, x) != (1, 1)):
            (to_y, from_y), (to_x, from_x) = _overlap(dy - 1, height), _overlap(dx - 1, width)
            out[..., to_y, to_x] += products[:, dy, dx, :, from_y, from_x]
        return out


class HintLayer:
    """The channels of the last layer that the refiner reads: hidden, alpha and residual, (T, h, w, K)."""

    def __init__(self, conv: nn.Conv2d, channels: Sequence[int], n_hidden: int, dtype: torch.dtype) -> None:
        """Take K channels of a convolution with padding 1: n_hidden with a ReLU, then the alpha, then others."""
        chosen = only_channels(conv, channels)
        self._dense = fold(FoldedConv(chosen), dtype)
        chosen.padding = (0, 0)
        self._tiled = fold(FoldedConv(chosen), dtype)
        self._n_hidden, self._n_channels = n_hidden, len(channels)

    def __call__(self, features: Tensor, pictures: Tensor, cells: Cells) -> Tensor:
        """Return the hints at the size of pictures (T, 6, H, W) of features (T, C, h, w).

        On a CPU only tiles that a cell looks at are computed, where that is possible, and the others hold anything.
        """
        half = pictures.shape[-2] == 2 * features.shape[-2] and pictures.shape[-1] == 2 * features.shape[-1]
        if pictures.device.type == "cpu" and half and pictures.shape[-2:] == cells.grid:
            return self._of_tiles(features, pictures, cells)
        dense: Tensor = self._dense(join([_resize(features, (pictures.shape[-2], pictures.shape[-1])), pictures]))
        return self._finish(dense.permute(0, 2, 3, 1))

    def _of_tiles(self, features: Tensor, pictures: Tensor, cells: Cells) -> Tensor:
        height, width = cells.grid
        n_down, n_across = -(-height // TILE), -(-width // TILE)
        wanted = torch.zeros((len(pictures), n_down, n_across), dtype=torch.bool)
        for y in (cells.row - REACH, cells.row + REACH):
            for x in (cells.column - REACH, cells.column + REACH):
                wanted[cells.n, y.clamp(0, height - 1) // TILE, x.clamp(0, width - 1) // TILE] = True
        n, down, across = wanted.nonzero(as_tuple=True)
        crops = self._crop(features, pictures, (n, down, across))
        hints = self._finish(self._tiled(crops.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))
        out = hints.new_empty((len(pictures), n_down, TILE, n_across, TILE, self._n_channels))
        out[n, down, :, across] = hints
        return out.view(len(pictures), n_down * TILE, n_across * TILE, self._n_channels)[:, :height, :width]

    def _crop(self, features: Tensor, pictures: Tensor, tiles: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """Cut tiles with a margin of 1 out of features brought to twice their size and pictures: (k, 18, 18, C + 6)."""
        n, down, across = tiles
        y, x = (tile[:, None] * TILE + torch.arange(-1, TILE + 1) for tile in (down, across))
        low_y, low_x = (tile[:, None] * (TILE // 2) + torch.arange(-1, TILE // 2 + 1) for tile in (down, across))
        low = gather(features, n, low_y, low_x).permute(0, 3, 1, 2)
        # the pixel at either end has lost a neighbour, and is cut off
        up = F.interpolate(low, scale_factor=2.0, mode="bilinear", align_corners=False)[..., 1:-1, 1:-1]
        crops = torch.cat([up.permute(0, 2, 3, 1), gather(pictures, n, y, x)], dim=3)
        height, width = pictures.shape[-2:]
        inside = ((y >= 0) & (y < height))[:, :, None] & ((x >= 0) & (x < width))[:, None]
        return crops.mul_(inside[..., None])

    def _finish(self, hints: Tensor) -> Tensor:
        hints[..., : self._n_hidden].relu_()
        hints[..., self._n_hidden].clamp_(0, 1)
        return hints


def gather(maps: Tensor, n: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """Cut crops out of maps (T, C, h, w), channels last: (k, a, b, C) of n (k,), y (k, a) and x (k, b).

    Positions outside take the nearest pixel.
    """
    height, width = maps.shape[-2:]
    index = (n[:, None] * height + y.clamp(0, height - 1))[:, :, None] * width + x.clamp(0, width - 1)[:, None]
    pixels = maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1]).index_select(0, index.flatten())
    return pixels.view(*index.shape, maps.shape[1])


def join(maps: Sequence[Tensor]) -> Tensor:
    """Join maps (T, C, h, w) over channels, channels last; torch.cat would take the layout of the first."""
    return torch.cat([one.permute(0, 2, 3, 1) for one in maps], dim=3).permute(0, 3, 1, 2)


def only_channels(conv: nn.Conv2d, channels: Sequence[int]) -> nn.Conv2d:
    """Return a convolution that computes only these channels of another."""
    only = nn.Conv2d(conv.in_channels, len(channels), 3, padding=1, bias=conv.bias is not None)
    only.weight = nn.Parameter(conv.weight.detach()[list(channels)], requires_grad=False)
    if conv.bias is not None:
        only.bias = nn.Parameter(conv.bias.detach()[list(channels)], requires_grad=False)
    return only.eval()


def _overlap(shift: int, length: int) -> tuple[slice, slice]:
    """Return where to and where from values are added when each sees its neighbour at `shift`, -1, 0 or 1."""
    return slice(max(0, -shift), length - max(0, shift)), slice(max(0, shift), length - max(0, -shift))


def _resize(maps: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(maps, size, mode="bilinear", align_corners=False)
