"""Clamping to 0..1 that can be trained through."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _UnitClamp(torch.autograd.Function):
    """Clamp to 0..1; a value outside still learns, where the gradient leads it back inside.

    The gradient of a plain clamp is 0 outside: a pixel once far below 0 stays there, whatever the truth is.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(0, 1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (x,), grad = ctx.saved_tensors, grads[0]
        # a step goes against the gradient: a negative one raises x
        leads_out = ((x < 0) & (grad > 0)) | ((x > 1) & (grad < 0))
        return grad.masked_fill(leads_out, 0)


def unit_clamp(x: Tensor) -> Tensor:
    """Return x clamped to 0..1, of any shape; see `_UnitClamp` for its gradient."""
    if not torch.is_grad_enabled():
        return x.clamp(0, 1)
    clamped: Tensor = _UnitClamp.apply(x)  # type: ignore[no-untyped-call]
    return clamped
