"""The contract of a matting model: frames and plates in, alpha out."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from torch import Tensor
from torch.nn import functional as F


class Matte(NamedTuple):
    """Hold what a model makes of B streams of T frames.

    alpha: (B, T, H, W) float, 0..1. error: (B, T, h, w) float, 0..1, the model's own error map at its own resolution,
    or None. state: the recurrent state of the B streams after their last frame, None for a model without memory.
    foreground: (B, T, 3, H, W) float, RGB 0..1, the person without the wall behind; None where nobody asked for it, and
    from a model that predicts none.
    """

    alpha: Tensor
    error: Tensor | None
    state: Any
    foreground: Tensor | None = None


class MattingModel(Protocol):
    """Matte frames: `uses_plate` says if it needs plates, `temporal` if frames must come in order with a state.

    A model that has `takes_bytes` and sets it takes frames and plates in uint8, 0..255, instead of floats, 0..1.
    """

    uses_plate: bool
    temporal: bool

    def matte(self, frames: Tensor, plates: Tensor | None, state: Any = None, want_foreground: bool = False) -> Matte:
        """Matte B streams of T frames, of any height and width.

        frames: (B, T, 3, H, W) float in the model's dtype and on its device, RGB 0..1. plates: (B, 3, H, W) likewise,
        one a stream; a model that uses none takes None and leaves others alone. state: None, or the state of the Matte
        before. want_foreground: fill in the foreground too, which may cost time; a model without one returns None.
        Raises ValueError where the shapes do not fit.
        """
        ...


def check_frames(frames: Tensor) -> None:
    """Raise ValueError where frames are not (B, T, 3, H, W), or empty."""
    if frames.dim() != 5 or frames.shape[2] != 3 or 0 in frames.shape:
        raise ValueError(f"frames must be (B, T, 3, H, W) and not empty, found {tuple(frames.shape)}")


def check_streams(frames: Tensor, plates: Tensor | None) -> Tensor:
    """Return the plates (B, 3, H, W) of frames (B, T, 3, H, W), or raise ValueError where they do not fit."""
    check_frames(frames)
    if plates is None:
        raise ValueError("this model needs a plate for each stream, found None")
    n_streams, height, width = frames.shape[0], frames.shape[-2], frames.shape[-1]
    if plates.shape != (n_streams, 3, height, width):
        raise ValueError(f"plates must be {(n_streams, 3, height, width)} like the frames, found {tuple(plates.shape)}")
    return plates


def pad_to_multiple(pictures: Tensor, multiple: int, least: int = 1) -> Tensor:
    """Repeat the last row and column of pictures (N, C, H, W) until H and W are multiples, and at least `least`.

    The inverse is `[..., :H, :W]`. Pictures that need nothing are returned as they are.
    """
    height, width = pictures.shape[-2:]
    bottom = -max(height, least) % multiple + max(height, least) - height
    right = -max(width, least) % multiple + max(width, least) - width
    if bottom == 0 and right == 0:
        return pictures
    return F.pad(pictures, (0, right, 0, bottom), mode="replicate")


def takes_bytes(model: MattingModel) -> bool:
    """Tell whether a model wants pictures in uint8."""
    return bool(getattr(model, "takes_bytes", False))
