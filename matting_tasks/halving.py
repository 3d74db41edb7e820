"""Too little memory on the device: the same frames once more, in halves."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from models.base import Matte, MattingModel


def matte_in_halves(
    model: MattingModel, frames: Tensor, plates: Tensor | None, state: Any = None
) -> tuple[Matte, bool]:
    """Matte streams as the model does; return the matte, and whether it took more than one step.

    frames: (B, T, 3, H, W). Where the device's memory runs out, the first half of each stream's frames goes before the
    second, and so on down to one frame a step. Raises torch.OutOfMemoryError where even that is too much.
    """
    try:
        return model.matte(frames, plates, state), False
    except torch.OutOfMemoryError:
        if frames.shape[1] == 1:
            raise
    # behind the handler: the error holds all that the failed step had on the device
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    half = frames.shape[1] // 2
    first, _ = matte_in_halves(model, frames[:, :half], plates, state)
    second, _ = matte_in_halves(model, frames[:, half:], plates, first.state)
    errors = None
    if first.error is not None and second.error is not None:
        errors = torch.cat([first.error, second.error], dim=1)
    return Matte(torch.cat([first.alpha, second.alpha], dim=1), errors, second.state), True
