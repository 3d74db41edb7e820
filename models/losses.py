"""Losses: the weighted sums that MattingBase, MattingRefine and RobustVideoMatting are trained to lower.

What is summed, and the papers it comes from, is in `models.loss_terms`; segmentation passes have one term alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from models import loss_terms
from models.loss_terms import segmentation as segmentation
from models.trimaps import known_unknown


@dataclass(frozen=True, slots=True)
class LossWeights:
    """How much each loss counts; one of weight 0 is not computed. The defaults are those of BackgroundMattingV2.

    unknown: of pixels near the edge of the true alpha against 1 elsewhere, in alpha, gradient and laplacian, see
    `known_unknown`; 1 switches it off. unknown_radius_px: how far from the edge, at the size of the true alpha.
    """

    alpha: float = 1.0
    gradient: float = 1.0
    laplacian: float = 0.0
    error: float = 1.0
    foreground: float = 1.0
    composition: float = 0.0
    coherence: float = 0.0
    foreground_coherence: float = 0.0
    unknown: float = 1.0
    unknown_radius_px: int = 8


BGMV2 = LossWeights()  # arXiv 2012.07810, L_base and L_refine
RVM = LossWeights(gradient=0.0, laplacian=1.0, error=0.0, coherence=5.0, foreground_coherence=5.0)  # 2108.11515, L_M


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What a prediction is held against: alpha (..., 1, H, W), foreground (..., 3, H, W), 0..1.

    frame and background (..., 3, H, W) are needed where `composition` has a weight.
    """

    alpha: Tensor
    foreground: Tensor
    frame: Tensor | None = None
    background: Tensor | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Losses:
    """The weighted sum to lower, and each loss by name, without its weight and detached, both scalar tensors."""

    total: Tensor
    parts: dict[str, Tensor]


class BaseMatte(Protocol):
    """What MattingBase returns, 0..1."""

    @property
    def pha(self) -> Tensor:
        """Alpha (N, 1, H, W)."""

    @property
    def fgr(self) -> Tensor:
        """Foreground (N, 3, H, W)."""

    @property
    def err(self) -> Tensor:
        """The error of the alpha as predicted (N, 1, H, W)."""


class RefinedMatte(Protocol):
    """What MattingRefine returns, 0..1: pha and fgr (N, C, H, W), and the coarse ones at a fraction of the size."""

    @property
    def pha(self) -> Tensor:
        """Alpha (N, 1, H, W)."""

    @property
    def fgr(self) -> Tensor:
        """Foreground (N, 3, H, W)."""

    @property
    def pha_sm(self) -> Tensor:
        """Coarse alpha (N, 1, h, w)."""

    @property
    def fgr_sm(self) -> Tensor:
        """Coarse foreground (N, 3, h, w)."""

    @property
    def err_sm(self) -> Tensor:
        """The error of the coarse alpha as predicted (N, 1, h, w)."""


Terms = dict[str, tuple[float, Callable[[], Tensor]]]


def matting_base_loss(pred: BaseMatte, truth: Truth, weights: LossWeights = BGMV2) -> Losses:
    """Add up what MattingBase learns from (Lin et al. 2020, arXiv 2012.07810, L_base; weights 1).

    Parts: alpha, gradient, laplacian, foreground, composition, error. Raises ValueError for shapes that differ, and
    for a weight of `composition` with no frame or background.
    """
    return _add_up(_matte_terms(pred.pha, pred.fgr, truth, weights) | _error_term(pred.err, pred.pha, truth, weights))


def matting_refine_loss(pred: RefinedMatte, truth: Truth, weights: LossWeights = BGMV2) -> Losses:
    """Add up what MattingRefine learns from, its base included (arXiv 2012.07810, L_base and L_refine; weights 1).

    Parts: those of `matting_base_loss` at full size, but for the error, and `coarse_` + each but the composition at the
    coarse size, where the truth is resized by area. Raises ValueError as `matting_base_loss` does.
    """
    small, small_weights = _shrink(truth, pred.pha_sm, weights)
    coarse = _matte_terms(pred.pha_sm, pred.fgr_sm, small, small_weights)
    coarse |= _error_term(pred.err_sm, pred.pha_sm, small, small_weights)
    return _add_up(
        _matte_terms(pred.pha, pred.fgr, truth, weights) | {f"coarse_{name}": term for name, term in coarse.items()}
    )


def rvm_loss(alpha: Tensor, foreground: Tensor, truth: Truth, weights: LossWeights = RVM) -> Losses:
    """Add up what RobustVideoMatting learns from (Lin et al. 2021, arXiv 2108.11515, L_M).

    alpha (B, T, 1, H, W) and foreground (B, T, 3, H, W), 0..1, and the truth with B and T too. Parts: alpha, gradient,
    laplacian, foreground, composition, coherence, foreground_coherence. Raises ValueError as `matting_base_loss` does.
    """
    frames = _each(truth, lambda part: part.flatten(0, 1))  # (B, T, C, H, W) -> (B * T, C, H, W)
    terms = _matte_terms(alpha.flatten(0, 1), foreground.flatten(0, 1), frames, weights)
    terms["coherence"] = weights.coherence, lambda: loss_terms.coherence(alpha, truth.alpha)
    terms["foreground_coherence"] = (
        weights.foreground_coherence,
        lambda: loss_terms.foreground_coherence(foreground, truth.foreground, truth.alpha),
    )
    return _add_up(terms)


def _matte_terms(alpha: Tensor, foreground: Tensor, truth: Truth, weights: LossWeights) -> Terms:
    near_edges = None
    if weights.unknown != 1:
        near_edges = known_unknown(truth.alpha, weights.unknown_radius_px, weights.unknown)
    return {
        "alpha": (weights.alpha, lambda: loss_terms.alpha_l1(alpha, truth.alpha, near_edges)),
        "gradient": (weights.gradient, lambda: loss_terms.gradient(alpha, truth.alpha, near_edges)),
        "laplacian": (weights.laplacian, lambda: loss_terms.laplacian(alpha, truth.alpha, weight=near_edges)),
        "foreground": (
            weights.foreground,
            lambda: loss_terms.foreground_l1(foreground, truth.foreground, truth.alpha),
        ),
        "composition": (weights.composition, lambda: _composition(alpha, foreground, truth)),
    }


def _error_term(error: Tensor, alpha: Tensor, truth: Truth, weights: LossWeights) -> Terms:
    return {"error": (weights.error, lambda: loss_terms.error_map(error, alpha, truth.alpha))}


def _composition(alpha: Tensor, foreground: Tensor, truth: Truth) -> Tensor:
    if truth.frame is None or truth.background is None:
        raise ValueError("a weight for composition needs the frame and the background of the truth: pass both")
    return loss_terms.composition(alpha, foreground, truth.frame, truth.background)


def _shrink(truth: Truth, like: Tensor, weights: LossWeights) -> tuple[Truth, LossWeights]:
    """Bring the truth to the size of a coarse alpha, and the radius of the unknown region with it.

    Composition has no weight there: means of alpha, foreground and background do not make the mean of the frame.
    """
    size = (like.shape[-2], like.shape[-1])
    radius_px = max(round(weights.unknown_radius_px * size[0] / truth.alpha.shape[-2]), 1)
    small = Truth(loss_terms.shrink(truth.alpha, size), loss_terms.shrink(truth.foreground, size))
    return small, replace(weights, unknown_radius_px=radius_px, composition=0.0)


def _each(truth: Truth, change: Callable[[Tensor], Tensor]) -> Truth:
    frame, background = (None if part is None else change(part) for part in (truth.frame, truth.background))
    return Truth(change(truth.alpha), change(truth.foreground), frame, background)


def _add_up(terms: Terms) -> Losses:
    values = {name: (weight, compute()) for name, (weight, compute) in terms.items() if weight != 0}
    if not values:
        raise ValueError(f"no loss has a weight: give one of {', '.join(terms)} a weight above 0")
    total = torch.stack([weight * value for weight, value in values.values()]).sum()
    return Losses(total, {name: value.detach() for name, (_, value) in values.items()})
