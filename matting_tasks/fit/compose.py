"""Compose: layers and disturbances become frames, plates and exact truth, on the device that trains."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from matting_tasks.fit.compress import compress
from matting_tasks.fit.disturb import Disturbance, stack
from matting_tasks.fit.records import Layers

BLUR_RADIUS = 4  # px: the widest blurs, of sigma 2.8, end before their tails do


class Pairs(NamedTuple):
    """Hold B streams of T frames with their truth, all float, 0..1, RGB.

    frame: (B, T, 3, H, W). plate: (B, 3, H, W). alpha: (B, T, 1, H, W). foreground: (B, T, 3, H, W), the colour of the
    person as the camera sees it, without noise.
    """

    frame: Tensor
    plate: Tensor
    alpha: Tensor
    foreground: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Hold B examples on the way to the device.

    foreground: (B, T, H, W, 3), alpha: (B, T, H, W), background: (B, H, W, 3), all uint8. numbers: their disturbances
    by name, (B, ...) float32.
    """

    foreground: Tensor
    alpha: Tensor
    background: Tensor
    numbers: dict[str, Tensor]

    def to(self, device: str | torch.device) -> Batch:
        """Bring all to a device."""
        if str(device) == "cpu":
            return self
        return Batch(
            self.foreground.to(device, non_blocking=True),
            self.alpha.to(device, non_blocking=True),
            self.background.to(device, non_blocking=True),
            {name: values.to(device, non_blocking=True) for name, values in self.numbers.items()},
        )


def collate(layers: list[Layers], drawn: list[Disturbance]) -> Batch:
    """Stack examples of one size and length."""
    stacked = stack(drawn)
    return Batch(
        torch.from_numpy(np.stack([one.foreground for one in layers])),
        torch.from_numpy(np.stack([one.alpha for one in layers])),
        torch.from_numpy(np.stack([one.background for one in layers])),
        {field.name: torch.from_numpy(getattr(stacked, field.name)) for field in fields(Disturbance)},
    )


@torch.no_grad()
def compose(batch: Batch) -> Pairs:
    """Make pairs of a batch; noise comes from torch's random numbers of the device."""
    numbers, n_frames = batch.numbers, batch.alpha.shape[1]
    foreground = _to_unit(batch.foreground.flatten(0, 1).permute(0, 3, 1, 2))
    alpha = _to_unit(batch.alpha.flatten(0, 1)[:, None])
    background = _to_unit(batch.background.permute(0, 3, 1, 2))
    per_frame = {name: values.repeat_interleave(n_frames, dim=0) for name, values in numbers.items()}
    foreground = _coloured(foreground, per_frame["relight"]).clamp_(0, 1)

    plate = _warped(background, numbers["plate_affine"])
    plate = plate * numbers["plate_gain"][:, :, None, None] + numbers["plate_offset"][:, :, None, None]
    plate = _seen(plate, numbers)
    plate = _blurred(plate, numbers["blur"][:, 1])
    plate = _worn(plate, numbers["noise"][:, 1], numbers["quality"][:, 1], numbers["is_video"][:, 0])

    shadow = F.interpolate(numbers["shadow"][:, None], background.shape[-2:], mode="bicubic", align_corners=False)
    behind = _seen(background * shadow, numbers).repeat_interleave(n_frames, dim=0)
    foreground = _seen(foreground, per_frame)
    # blurred before they are joined: so the blurred alpha is the exact truth
    sigma = per_frame["blur"][:, 0]
    foreground, alpha, behind = (_blurred(part, sigma) for part in (foreground, alpha, behind))
    frame = alpha * foreground + (1 - alpha) * behind
    frame = _worn(frame, per_frame["noise"][:, 0], per_frame["quality"][:, 0], per_frame["is_video"][:, 0])
    # (B * T, C, H, W) -> (B, T, C, H, W)
    frame, alpha, foreground = (part.reshape(-1, n_frames, *part.shape[1:]) for part in (frame, alpha, foreground))
    return Pairs(frame, plate, alpha, foreground)


def _to_unit(pixels: Tensor) -> Tensor:
    return pixels.float().div_(255).contiguous()


def _coloured(pictures: Tensor, matrix: Tensor) -> Tensor:
    """Apply colour matrices with offset (N, 3, 4) to pictures (N, 3, H, W)."""
    # (N, 3, H, W) -> (N, 3, H * W)
    flat = torch.baddbmm(matrix[:, :, 3:], matrix[:, :, :3], pictures.flatten(2))
    return flat.view_as(pictures)


def _seen(pictures: Tensor, numbers: dict[str, Tensor]) -> Tensor:
    """Show pictures to the camera: its colours and its gamma."""
    seen = _coloured(pictures, numbers["look"]).clamp_(1e-4, 1)
    return seen.log_().mul_(numbers["gamma"][:, :, None, None]).exp_()


def _warped(pictures: Tensor, affine: Tensor) -> Tensor:
    height, width = pictures.shape[-2:]
    # both sides run from -1 to 1: without their ratio a rotation would be a shear
    sides = affine.new_tensor([[1, height / width, 1], [width / height, 1, 1]])
    grid = F.affine_grid(affine * sides, list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def _blurred(pictures: Tensor, sigma: Tensor) -> Tensor:
    """Blur pictures (N, C, H, W) by gaussians of sigma (N,), px; those of 0 stay as they are."""
    chosen = (sigma > 0.2).nonzero()[:, 0]
    if not len(chosen):
        return pictures
    at = torch.arange(-BLUR_RADIUS, BLUR_RADIUS + 1, device=pictures.device, dtype=torch.float32)
    kernels = torch.exp(-(at**2) / (2 * sigma[chosen, None] ** 2))
    kernels = (kernels / kernels.sum(dim=1, keepdim=True))[:, :, None, None, None]
    some = F.pad(pictures[chosen], (BLUR_RADIUS,) * 4, mode="reflect")
    # sums of shifted pictures: faster on a CPU than as many groups of a convolution
    for side in (3, 2):
        length = some.shape[side] - 2 * BLUR_RADIUS
        shifted = [some.narrow(side, k, length) for k in range(kernels.shape[1])]
        some = kernels[:, 0] * shifted[0]
        for k in range(1, len(shifted)):
            some.addcmul_(kernels[:, k], shifted[k])
    return pictures.index_copy(0, chosen, some)


def _worn(pictures: Tensor, noise: Tensor, quality: Tensor, is_video: Tensor) -> Tensor:
    """Add a sensor's noise, in part in blotches of two pixels, 0.88 of sigma in all, and the traces of compression."""
    fine = torch.randn_like(pictures)
    height, width = pictures.shape[-2:]
    coarse = torch.randn_like(pictures[..., : (height + 1) // 2, : (width + 1) // 2])
    coarse = F.interpolate(coarse, size=(height, width), mode="bilinear", align_corners=False)
    pictures = (pictures + noise[:, None, None, None] * (0.8 * fine + 0.6 * coarse)).clamp(0, 1)
    chosen = (quality > 0).nonzero()[:, 0]
    if not len(chosen):
        return pictures
    return pictures.index_copy(0, chosen, compress(pictures[chosen], quality[chosen], is_video[chosen] > 0))
