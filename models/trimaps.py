"""Automatic trimap: the band around the soft pixels of a true alpha, and the weights of pixels in and out of it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

BACKGROUND, FOREGROUND = 0.05, 0.95


@torch.no_grad()
def unknown_region(alpha: Tensor, radius_px: int) -> Tensor:
    """Return where a true alpha (N, 1, H, W), 0..1, is not known from its neighbourhood, (N, 1, H, W) bool.

    All above 0.05 dilated, less all from 0.95 eroded, by a square of 2 x radius_px + 1 pixels; outside the picture
    nothing is eroded. Xu et al. 2017, arXiv 1703.03872, section 4.1, dilate alpha to make trimaps for training.
    """
    alpha = alpha.float()
    return _dilate(alpha > BACKGROUND, radius_px) & _dilate(alpha < FOREGROUND, radius_px)


@torch.no_grad()
def known_unknown(alpha: Tensor, radius_px: int, unknown_weight: float = 4.0) -> Tensor:
    """Weigh the unknown region of a true alpha (N, 1, H, W) by unknown_weight and the rest by 1.

    Returns (N, 1, H, W) float32 with mean 1 for each picture, so that a weighted mean stays comparable with a plain
    one. A softer form of the loss of Xu et al. 2017 (arXiv 1703.03872, section 4.1), whose weight is 1 in the unknown
    region and 0 elsewhere. Raises ValueError for a weight that is not above 0.
    """
    if not unknown_weight > 0:
        raise ValueError(f"unknown_weight must be above 0, found {unknown_weight}")
    weight = 1 + (unknown_weight - 1) * unknown_region(alpha, radius_px).float()
    return weight / weight.mean(dim=(-3, -2, -1), keepdim=True)


def _dilate(masks: Tensor, radius_px: int) -> Tensor:
    """Dilate masks (N, 1, H, W) bool by a square of 2 x radius_px + 1 pixels, one direction after the other."""
    return _widen(_widen(masks, radius_px).mT, radius_px).mT


def _widen(masks: Tensor, radius_px: int) -> Tensor:
    """Set all within radius_px along the width of what is set: in doubled steps, quicker than pooling on a CPU."""
    reach, side = 1, 2 * radius_px + 1
    masks = F.pad(masks, (radius_px, radius_px))
    while reach < side:
        step = min(reach, side - reach)
        masks = masks[..., step:] | masks[..., :-step]
        reach += step
    return masks
