"""Terms of losses: how far predicted mattes are from the true ones, to be lowered by training.

Predictions and truths are float tensors of any dtype, 0..1, (N, C, H, W), or (B, T, C, H, W) where said; all is
computed in float32, and each loss is a mean over pixels, channels and pictures, so that neither the size nor the
number of pictures changes its scale. A map `weight` (N, 1, H, W) multiplies the pixels before the mean. Where
prediction and truth differ in shape, ValueError is raised.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from models.pyramid import laplacian_levels


def alpha_l1(pred: Tensor, true: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return mean |p - g| (Lin et al. 2020, arXiv 2012.07810, first half of L_alpha)."""
    return _mean(_difference(pred, true).abs(), weight)


def laplacian(pred: Tensor, true: Tensor, n_levels: int = 5, weight: Tensor | None = None) -> Tensor:
    """Return sum over s = 1.. of 2^(s-1) / n_levels x mean |L_s(p) - L_s(g)|, L the Laplacian pyramid.

    Hou and Liu 2019, arXiv 1909.09725, scaled as L_lap of Lin et al. 2021, arXiv 2108.11515. Variant: the blurred rest
    below the last level is not compared. Small pictures have fewer levels, see `laplacian_levels`.
    """
    # the pyramid is linear: one of the difference is the difference of two, at half the cost
    difference = _difference(pred, true)
    total = difference[:0].sum()
    for s, level in enumerate(laplacian_levels(difference, n_levels)):
        total = total + 2**s / n_levels * _mean(level.abs(), weight)
    return total


def gradient(pred: Tensor, true: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return mean of |dx(p) - dx(g)| + |dy(p) - dy(g)| (Lin et al. 2020, arXiv 2012.07810, second half of L_alpha).

    dx and dy: Sobel / 8, the change of alpha over a pixel, borders repeated. Variant: both directions compared, not
    the gradients' lengths.
    """
    difference = _difference(pred, true)
    return _mean(_slope(difference).abs() + _slope(difference.mT).mT.abs(), weight)


def coherence(pred: Tensor, true: Tensor) -> Tensor:
    """Return mean ((p_t - p_t-1) - (g_t - g_t-1))^2 of clips (B, T, C, H, W); 0 for T = 1.

    L_tc of alpha in Lin et al. 2021, arXiv 2108.11515. Variant: the mean of squares in place of the norm; the factor 5
    of their sum is a weight, not part of it.
    """
    return _mean_or_zero(_change(_difference(pred, true)).square())


def foreground_l1(pred: Tensor, true: Tensor, alpha: Tensor) -> Tensor:
    """Return the L1 of foregrounds (N, 3, H, W) where the true alpha (N, 1, H, W) > 0.

    L_F of Lin et al. 2020, arXiv 2012.07810. Variant: the mean is over the whole picture, with 0 outside of the mask.
    """
    return (_difference(pred, true).abs() * _seen(alpha, pred)).mean()


def foreground_coherence(pred: Tensor, true: Tensor, alpha: Tensor) -> Tensor:
    """Return `coherence` of foregrounds (B, T, 3, H, W) where the true alpha (B, T, 1, H, W) > 0 in both frames.

    L_tc of the foreground in Lin et al. 2021, arXiv 2108.11515. Variant: the mean is over the whole picture; a pixel in
    which the subject has just arrived has no foreground before, so there the change is not compared.
    """
    seen = _seen(alpha, pred)
    return _mean_or_zero(_change(_difference(pred, true)).square() * (seen[:, 1:] & seen[:, :-1]))


def composition(alpha: Tensor, foreground: Tensor, frame: Tensor, background: Tensor) -> Tensor:
    """Return mean |alpha x F + (1 - alpha) x B - I|, I the frame and B the true background, (N, 3, H, W).

    The compositional loss of Xu et al. 2017, arXiv 1703.03872, section 4.1. Variant: the predicted foreground in place
    of the true one, L1.
    """
    alpha, background = alpha.float(), background.float()
    composed = background + alpha * (foreground.float() - background)
    return _difference(composed, frame).abs().mean()


def error_map(pred_error: Tensor, pred_alpha: Tensor, true_alpha: Tensor) -> Tensor:
    """Return mean (e - |p - g|)^2, whose gradient reaches the predicted error e alone.

    L_E of Lin et al. 2020, arXiv 2012.07810. Variant: the mean of squares in place of the norm. Sizes may differ: g is
    resized to p, and |p - g| to e, by area.
    """
    pred_alpha = pred_alpha.detach()
    error = _difference(pred_alpha, shrink(true_alpha, _size(pred_alpha))).abs()
    return _difference(pred_error, shrink(error, _size(pred_error))).square().mean()


def segmentation(logits: Tensor, mask: Tensor) -> Tensor:
    """Return the binary cross entropy of logits against a mask 0..1 of the same shape (arXiv 2108.11515, L_S)."""
    _check_shapes(logits, mask)
    return F.binary_cross_entropy_with_logits(logits.float(), mask.float())


def shrink(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Bring maps (N, C, H, W) to (N, C, *size) by the means of the areas that their pixels cover."""
    return maps if maps.shape[-2:] == size else F.interpolate(maps.float(), size, mode="area")


def _difference(pred: Tensor, true: Tensor) -> Tensor:
    _check_shapes(pred, true)
    return pred.float() - true.float()


def _mean(errors: Tensor, weight: Tensor | None) -> Tensor:
    if weight is None:
        return errors.mean()
    if weight.dim() != 4 or weight.shape[:2] != (len(errors), 1):
        raise ValueError(f"weight must be (N, 1, H, W) for {tuple(errors.shape)}, found {tuple(weight.shape)}")
    return (errors * shrink(weight.float(), _size(errors))).mean()


def _seen(alpha: Tensor, foreground: Tensor) -> Tensor:
    if alpha.shape != foreground[..., :1, :, :].shape:
        raise ValueError(f"alpha of shape {tuple(alpha.shape)} does not fit foreground of {tuple(foreground.shape)}")
    return alpha > 0


def _mean_or_zero(changes: Tensor) -> Tensor:
    """Return the mean, or for no change at all a 0 that gradients still pass."""
    return changes.mean() if changes.numel() else changes.sum()


def _change(clips: Tensor) -> Tensor:
    """Return how each frame of (B, T, C, H, W) differs from the one before, (B, T - 1, C, H, W)."""
    if clips.dim() != 5:
        raise ValueError(f"clips must be (B, T, C, H, W), found {tuple(clips.shape)}")
    return clips[:, 1:] - clips[:, :-1]


def _slope(maps: Tensor) -> Tensor:
    """Return Sobel / 8 along the width: sums of slices, which autocast leaves in float32 and a CPU does quickly."""
    wide = torch.cat([maps[..., :1], maps, maps[..., -1:]], dim=-1)
    slope = (wide[..., 2:] - wide[..., :-2]) / 2
    tall = torch.cat([slope[..., :1, :], slope, slope[..., -1:, :]], dim=-2)
    return (tall[..., :-2, :] + 2 * slope + tall[..., 2:, :]) / 4


def _size(maps: Tensor) -> tuple[int, int]:
    return maps.shape[-2], maps.shape[-1]


def _check_shapes(pred: Tensor, true: Tensor) -> None:
    if pred.shape != true.shape:
        raise ValueError(f"prediction and truth differ in shape: {tuple(pred.shape)} and {tuple(true.shape)}")
