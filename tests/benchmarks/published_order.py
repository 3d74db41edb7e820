"""MattingRefine computed in the order of its paper: what scripts in the field run, before anything was left out.

Lin et al. 2020, "Real-Time High-Resolution Background Matting", arXiv 2012.07810, section 3.2: all features and both
pictures are brought to half size and joined there, patches are unfolded out of that, the coarse foreground and alpha
are enlarged to full size and joined, and the refined patches are put back into them.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from models.bgmv2 import ERROR, HIDDEN, MattingRefine, RefineOutput
from models.bgmv2_refiner import Refiner


class PublishedOrder(MattingRefine):
    """The same layers and outputs as MattingRefine (mode sampling), without any of its short cuts."""

    def forward(self, src: Tensor, bgr: Tensor) -> RefineOutput:
        """Matte frames src (N, 3, H, W) with plates bgr (N, 3, H, W), RGB 0..1; H and W multiples of 4."""
        size = (src.shape[2], src.shape[3])
        pictures = _resize(torch.cat([src, bgr], dim=1), (size[0] // 4, size[1] // 4))
        decoded = self._decode(pictures)
        alpha, residual = decoded[:, :1].clamp(0, 1), decoded[:, 1:4]
        error, hidden = decoded[:, ERROR].clamp(0, 1), decoded[:, HIDDEN].relu()
        fgr_sm = (residual + pictures[:, :3]).clamp(0, 1)
        full, chosen = refine(self.refiner, torch.cat([hidden, alpha, residual], dim=1), error, src, bgr)
        pha, fgr = full[:, :1].clamp(0, 1), (full[:, 1:] + src).clamp(0, 1)
        return RefineOutput(pha, fgr, alpha, fgr_sm, error, chosen)


def refine(refiner: Refiner, coarse: Tensor, error: Tensor, src: Tensor, bgr: Tensor) -> tuple[Tensor, Tensor]:
    """Return alpha and residual (N, 4, H, W) refined, and which cells were, (N, 1, H/4, W/4)."""
    height, width = src.shape[-2:]
    half, grid = (height // 2, width // 2), (height // 4, width // 4)
    error = _resize(error, grid)
    chosen = torch.zeros(len(src), grid[0] * grid[1], device=src.device)
    best = error.flatten(1).topk(min(refiner.sample_pixels // 16, chosen.shape[1]), dim=1).indices
    chosen = chosen.scatter_(1, best, 1.0).view(error.shape) * (error > 0)
    place = chosen[:, 0].nonzero(as_tuple=True)
    full = torch.cat([_resize(coarse[:, 32:33], (height, width)), _resize(coarse[:, 33:], (height, width))], dim=1)
    if len(place[0]):
        low = _patches(_resize(coarse, half), place, 2, 3)
        x = torch.cat([low, _patches(_resize(torch.cat([src, bgr], dim=1), half), place, 2, 3)], dim=1)
        x = refiner.relu(refiner.bn1(refiner.conv1(x)))
        x = refiner.relu(refiner.bn2(refiner.conv2(x)))
        x = F.interpolate(x, size=8, mode="nearest")
        x = torch.cat([x, _patches(torch.cat([src, bgr], dim=1), place, 4, 2)], dim=1)
        x = refiner.conv4(refiner.relu(refiner.bn3(refiner.conv3(x))))
        cells = full.view(len(src), 4, grid[0], 4, grid[1], 4).permute(0, 2, 4, 1, 3, 5)
        cells[place] = x
        full = cells.permute(0, 3, 1, 4, 2, 5).reshape(len(src), 4, height, width)
    return full, chosen


def _patches(pictures: Tensor, place: tuple[Tensor, ...], size: int, margin: int) -> Tensor:
    """Unfold pictures (N, C, H, W) into patches of size + 2 * margin each, and pick some: (k, C, n, n)."""
    side = size + 2 * margin
    padded = F.pad(pictures, (margin,) * 4)
    patches = padded.permute(0, 2, 3, 1).unfold(1, side, size).unfold(2, side, size)  # (N, rows, columns, C, n, n)
    return patches[place]


def _resize(pictures: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(pictures, size, mode="bilinear", align_corners=False)
