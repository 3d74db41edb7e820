"""RobustVideoMatting: matting of a person without a plate, with a memory of the frames before.

Lin et al. 2021, "Robust High-Resolution Video Matting with Temporal Guidance", arXiv 2108.11515. Constructor names,
outputs and state-dict keys are the published ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.backbones.mobilenetv3 import MobileNetV3
from models.backbones.resnet import ResNet
from models.base import Matte, check_frames, pad_to_multiple
from models.clamping import unit_clamp
from models.guided_filter import ALL, ALPHA, DeepGuidedFilter, FastGuidedFilter, GuidedFilter
from models.rvm_decoder import Aspp, RecurrentDecoder, State, StateBefore

AUTO = "auto"
AUTO_SIDE = 512  # px that the longer side is brought to, as the authors' inference script does
HIDDEN_CHANNELS = 16
REFINERS: dict[str, Callable[[], GuidedFilter]] = {
    "deep_guided_filter": lambda: DeepGuidedFilter(HIDDEN_CHANNELS),
    "fast_guided_filter": FastGuidedFilter,
}
BACKBONES: dict[str, Callable[[], MobileNetV3 | ResNet]] = {
    "mobilenetv3": MobileNetV3,
    "resnet50": lambda: ResNet("resnet50"),
}
ASPP_CHANNELS = {"mobilenetv3": 128, "resnet50": 256}
DECODER_CHANNELS = {"mobilenetv3": (80, 40, 32, HIDDEN_CHANNELS), "resnet50": (128, 64, 32, HIDDEN_CHANNELS)}


class Projection(nn.Module):
    """Mix the channels of each pixel."""

    def __init__(self, in_channels: int, channels: int) -> None:
        """Make the layer."""
        super().__init__()
        self.conv = nn.Conv2d(in_channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, h, w) to (N, channels, h, w)."""
        out: Tensor = self.conv(x)
        return out


class MattingNetwork(nn.Module):
    """Predict alpha and foreground of clips, at a fraction of their size and then along their edges at full size."""

    uses_plate = False
    temporal = True

    def __init__(
        self,
        variant: str = "mobilenetv3",
        refiner: str = "deep_guided_filter",
        *,
        downsample_ratio: float | str = AUTO,
    ) -> None:
        """Make the layers with mobilenetv3 or resnet50, and a deep_guided_filter or a fast_guided_filter.

        downsample_ratio: at which `matte` looks at frames, above 0 and at most 1, or "auto": the ratio that brings the
        longer side to 512 px, and 1 for smaller frames. Raises ValueError for other values.
        """
        super().__init__()
        for name, given, known in (("variant", variant, BACKBONES), ("refiner", refiner, REFINERS)):
            if given not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, found {given!r}")
        if downsample_ratio != AUTO:
            _check_ratio(downsample_ratio)
        self.downsample_ratio = downsample_ratio
        self.backbone = BACKBONES[variant]()
        half, quarter, eighth, sixteenth = self.backbone.channels
        aspp_channels = ASPP_CHANNELS[variant]
        self.aspp = Aspp(sixteenth, aspp_channels)
        self.decoder = RecurrentDecoder((half, quarter, eighth, aspp_channels), DECODER_CHANNELS[variant])
        self.project_mat = Projection(HIDDEN_CHANNELS, 4)
        self.project_seg = Projection(HIDDEN_CHANNELS, 1)
        self.refiner = REFINERS[refiner]()

    def forward(
        self,
        src: Tensor,
        r1: Tensor | None = None,
        r2: Tensor | None = None,
        r3: Tensor | None = None,
        r4: Tensor | None = None,
        downsample_ratio: float = 1.0,
        segmentation_pass: bool = False,
    ) -> list[Tensor]:
        """Return [fgr, pha, r1, r2, r3, r4] of clips, or [seg, r1, r2, r3, r4] in a segmentation pass.

        src: (B, T, 3, H, W), RGB 0..1, T frames in order; or (B, 3, H, W), one frame, where the outputs have no T
        either. fgr: (B, T, 3, H, W) and pha: (B, T, 1, H, W), 0..1. seg: (B, T, 1, h, w), logits at the downsampled
        size h = floor(H * downsample_ratio). r1 to r4: the state, (B, C, h / 2, w / 2) to (B, C, h / 16, w / 16), sizes
        rounded up; None is zeros. Raises ValueError for other shapes, and for a ratio not above 0 and at most 1.
        """
        _check_ratio(downsample_ratio)
        clips = src[:, None] if src.dim() == 4 else src
        if clips.dim() != 5 or clips.shape[2] != 3 or 0 in clips.shape:
            raise ValueError(f"src must be (B, 3, H, W) or (B, T, 3, H, W) and not empty, found {tuple(src.shape)}")
        frames = clips.flatten(0, 1)
        small = _downsample(frames, downsample_ratio)
        hidden, state = self._decode(small, clips.shape[1], (r1, r2, r3, r4))
        if segmentation_pass:
            outputs = [self.project_seg(hidden)]
        else:
            decoded = self._refine(frames, small, hidden, ALL)
            outputs = [unit_clamp(decoded[:, :3] + frames), unit_clamp(decoded[:, 3:])]
        # (B * T, C, H, W) -> (B, T, C, H, W), or as they are for T = 1
        return [*(out.reshape(*src.shape[:-3], *out.shape[1:]) for out in outputs), *state]

    @torch.no_grad()
    def matte(self, frames: Tensor, plates: Tensor | None, state: Any = None, want_foreground: bool = False) -> Matte:
        """Matte streams as MattingModel says; plates are not used, there is no error map.

        state: None, or the tuple (r1, r2, r3, r4) of the Matte before. Raises ValueError where it does not fit.
        """
        check_frames(frames)
        size = (frames.shape[-2], frames.shape[-1])
        ratio = min(AUTO_SIDE / max(size), 1.0) if self.downsample_ratio == AUTO else float(self.downsample_ratio)
        padded = pad_to_multiple(frames.flatten(0, 1), 1, _least_side(ratio))
        small = _downsample(padded, ratio)
        hidden, after = self._decode(small, frames.shape[1], _four(state))
        decoded = self._refine(padded, small, hidden, ALL if want_foreground else ALPHA)[..., : size[0], : size[1]]
        # (B * T, C, H, W) -> (B, T, C, H, W)
        decoded = decoded.reshape(*frames.shape[:2], *decoded.shape[1:])
        foreground = (decoded[:, :, :3] + frames).clamp_(0, 1) if want_foreground else None
        return Matte(decoded[:, :, -1].clamp(0, 1), None, after, foreground)

    def _decode(self, small: Tensor, n_frames: int, state: StateBefore) -> tuple[Tensor, State]:
        """Map B streams of T = n_frames frames (B * T, 3, h, w) to features (B * T, 16, h, w) and the new state."""
        self._check_state(state, small, len(small) // n_frames)
        features = self.backbone(small)
        features = features._replace(sixteenth=self.aspp(features.sixteenth))
        hidden, after = self.decoder(small, features, n_frames, state)
        return hidden, after

    def _refine(self, frames: Tensor, small: Tensor, hidden: Tensor, channels: slice) -> Tensor:
        """Return foreground residual and alpha, (N, 4, H, W), or the channels of it asked for, before any clamp."""
        coarse: Tensor = self.project_mat(hidden)
        if small is frames:
            return coarse[:, channels]
        refined: Tensor = self.refiner(frames, small, coarse, hidden, channels)
        return refined

    def _check_state(self, state: StateBefore, small: Tensor, n_streams: int) -> None:
        for level, (given, channels) in enumerate(zip(state, self.decoder.state_channels, strict=True), start=1):
            expected = (n_streams, channels, *(math.ceil(side / 2**level) for side in small.shape[-2:]))
            if given is not None and (tuple(given.shape) != expected or given.dtype != small.dtype):
                raise ValueError(
                    f"r{level} of the state must be {expected} in {small.dtype} to fit the frames, found "
                    f"{tuple(given.shape)} in {given.dtype}: pass None for other streams, sizes and ratios"
                )


def _downsample(frames: Tensor, ratio: float) -> Tensor:
    """Bring frames (N, 3, H, W) to (N, 3, floor(H * ratio), floor(W * ratio)); at ratio 1 they stay the same tensor."""
    if ratio == 1:
        return frames
    if math.floor(min(frames.shape[-2:]) * ratio) < 1:
        raise ValueError(f"frames of {tuple(frames.shape[-2:])} are too small for downsample_ratio {ratio}")
    # each channel as a picture of its own: a CPU would else bring full frames to another layout first, which is slow
    planes = frames.reshape(-1, 1, *frames.shape[2:])
    small = F.interpolate(
        planes, scale_factor=ratio, mode="bilinear", align_corners=False, recompute_scale_factor=False
    )
    return small.view(*frames.shape[:2], *small.shape[2:])


def _least_side(ratio: float) -> int:
    """Return the fewest pixels of a side of which a ratio leaves one."""
    least = math.ceil(1 / ratio)
    return least if math.floor(least * ratio) >= 1 else least + 1


def _four(state: Any) -> StateBefore:
    if state is None:
        return (None, None, None, None)
    if not isinstance(state, tuple | list) or len(state) != 4 or not all(isinstance(r, Tensor) for r in state):
        raise ValueError(f"state must be None or the four tensors of the Matte before, found a {type(state).__name__}")
    r1, r2, r3, r4 = state
    return (r1, r2, r3, r4)


def _check_ratio(ratio: float | str) -> None:
    if isinstance(ratio, str) or not 0 < ratio <= 1:
        raise ValueError(f'downsample_ratio must be "auto", or a number above 0 and at most 1, found {ratio!r}')
