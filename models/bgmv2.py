"""BackgroundMattingV2: matting of a frame with the plate of its camera.

Lin et al. 2020, "Real-Time High-Resolution Background Matting", arXiv 2012.07810. Constructor names, outputs and
state-dict keys are the published ones, where a plate is called `bgr` and a frame `src`.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.backbones.mobilenetv2 import MobileNetV2
from models.backbones.resnet import Pyramid, ResNet
from models.base import Matte, check_streams, pad_to_multiple
from models.bgmv2_refiner import CELL, Refiner
from models.clamping import unit_clamp
from models.parameters import AUTO

LONGER_PX = 512
"""The longer side of what the base network sees at backbone_scale AUTO."""
BACKBONES = ("resnet101", "resnet50", "mobilenetv2")
N_HIDDEN = 32
ALPHA, RESIDUAL, ERROR, HIDDEN = slice(0, 1), slice(1, 4), slice(4, 5), slice(5, 5 + N_HIDDEN)


class BaseOutput(NamedTuple):
    """Hold alpha (N, 1, H, W), foreground (N, 3, H, W), error (N, 1, H, W), all 0..1, hidden (N, 32, H, W) >= 0."""

    pha: Tensor
    fgr: Tensor
    err: Tensor
    hid: Tensor


class CoarseOutput(NamedTuple):
    """Hold alpha (N, 1, H, W), foreground (N, 3, H, W) and error (N, 1, H, W), all 0..1."""

    pha: Tensor
    fgr: Tensor
    err: Tensor


class RefineOutput(NamedTuple):
    """Hold the full-size alpha and foreground, the coarse ones, the coarse error, and which 4x4 cells were refined.

    pha (N, 1, H, W), fgr (N, 3, H, W), pha_sm (N, 1, h, w), fgr_sm (N, 3, h, w), err_sm (N, 1, h, w), all 0..1;
    ref_sm (N, 1, H/4, W/4), 0 or 1.
    """

    pha: Tensor
    fgr: Tensor
    pha_sm: Tensor
    fgr_sm: Tensor
    err_sm: Tensor
    ref_sm: Tensor


class Aspp(nn.Module):
    """Look at features in five fields of view (Chen et al. 2017, DeepLabV3, section 3.3)."""

    def __init__(self, in_channels: int, channels: int = 256, dilations: tuple[int, ...] = (3, 6, 9)) -> None:
        """Make the layers: one 1x1, one 3x3 a dilation, and one that sees the whole picture."""
        super().__init__()
        pooled = nn.Sequential(nn.AdaptiveAvgPool2d(1), *_conv_bn_relu(in_channels, channels))
        self.convs = nn.ModuleList(
            [
                _conv_bn_relu(in_channels, channels),
                *(_conv_bn_relu(in_channels, channels, dilation) for dilation in dilations),
                pooled,
            ]
        )
        self.project = nn.Sequential(*_conv_bn_relu(channels * len(self.convs), channels), nn.Dropout(0.5))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, h, w) to (N, 256, h, w)."""
        views = [conv(x) for conv in self.convs]
        views[-1] = views[-1].expand_as(views[0])  # resizing one pixel bilinearly repeats it
        out: Tensor = self.project(torch.cat(views, dim=1))
        return out


class Decoder(nn.Module):
    """Bring features from 1/16 to full size in four steps, joined with what the backbone saw at each size."""

    def __init__(self, in_channels: int, skip_channels: tuple[int, int, int, int]) -> None:
        """Make the layers; skip_channels: of the backbone's features at 1/8, 1/4, 1/2, and of the pictures."""
        super().__init__()
        eighth, quarter, half, full = skip_channels
        self.conv1 = nn.Conv2d(in_channels + eighth, 128, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(128)
        self.conv2 = nn.Conv2d(128 + quarter, 64, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(64)
        self.conv3 = nn.Conv2d(64 + half, 48, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(48)
        self.conv4 = nn.Conv2d(48 + full, 1 + 3 + 1 + N_HIDDEN, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor, skips: Pyramid, pictures: Tensor, only: list[int] | None = None) -> Tensor:
        """Decode x (N, 256, h, w) with pictures (N, 6, H, W) to (N, 37, H, W), or to the channels of `only`."""
        x = self.relu(self.bn1(self.conv1(_join(x, skips.eighth))))
        x = self.relu(self.bn2(self.conv2(_join(x, skips.quarter))))
        x = self.relu(self.bn3(self.conv3(_join(x, skips.half))))
        # few channels and many pixels: faster on a CPU where the channels of a pixel lie together, as the refiner wants
        x = x.contiguous(memory_format=torch.channels_last)
        x = _join(x, pictures.contiguous(memory_format=torch.channels_last))
        if only is None or self.conv4.bias is None:
            decoded: Tensor = self.conv4(x)
            return decoded
        return F.conv2d(x, self.conv4.weight[only], self.conv4.bias[only], padding=1)


class MattingBase(nn.Module):
    """Predict alpha, foreground and the alpha's error at one resolution."""

    uses_plate = True
    temporal = False

    def __init__(self, backbone: str) -> None:
        """Make the layers with resnet101, resnet50 or mobilenetv2. Raises ValueError for another backbone."""
        super().__init__()
        if backbone not in BACKBONES:
            raise ValueError(f"backbone must be one of {', '.join(BACKBONES)}, found {backbone!r}")
        self.backbone = MobileNetV2(in_channels=6) if backbone == "mobilenetv2" else ResNet(backbone, in_channels=6)
        half, quarter, eighth, sixteenth = self.backbone.channels
        self.aspp = Aspp(sixteenth)
        self.decoder = Decoder(256, (eighth, quarter, half, 6))

    def forward(self, src: Tensor, bgr: Tensor) -> BaseOutput | RefineOutput:
        """Matte frames src (N, 3, H, W) with plates bgr (N, 3, H, W), RGB 0..1; H and W multiples of 4."""
        _check_pair(src, bgr)
        decoded = self._decode(torch.cat([src, bgr], dim=1))
        fgr = unit_clamp(decoded[:, RESIDUAL] + src)
        alpha, error = unit_clamp(decoded[:, ALPHA]), unit_clamp(decoded[:, ERROR])
        return BaseOutput(alpha, fgr, error, decoded[:, HIDDEN].relu())

    def forward_base(self, src: Tensor, bgr: Tensor) -> CoarseOutput:
        """Matte as `forward` of the base network does, without the hidden channels, which only a refiner reads."""
        _check_pair(src, bgr)
        decoded = self._decode(torch.cat([src, bgr], dim=1), only=list(range(HIDDEN.start)))
        alpha, error = unit_clamp(decoded[:, ALPHA]), unit_clamp(decoded[:, ERROR])
        return CoarseOutput(alpha, unit_clamp(decoded[:, RESIDUAL] + src), error)

    @torch.no_grad()
    def matte(self, frames: Tensor, plates: Tensor | None, state: Any = None, want_foreground: bool = False) -> Matte:
        """Matte streams as MattingModel says; the error has the size of the frames."""
        src, bgr = _flatten_streams(frames, check_streams(frames, plates), least=1)
        pictures = torch.cat([src, _repeat(bgr, len(src))], dim=1)
        # the foreground is computed only where it is wanted
        wanted = [
            ALPHA.start,
            ERROR.start,
            *range(RESIDUAL.start, RESIDUAL.stop if want_foreground else RESIDUAL.start),
        ]
        decoded = self._decode(pictures, only=wanted)[..., : frames.shape[-2], : frames.shape[-1]]
        foreground = (_streams(decoded[:, 2:], frames) + frames).clamp_(0, 1) if want_foreground else None
        decoded = decoded[:, :2].clamp_(0, 1)
        return Matte(_streams(decoded[:, 0], frames), _streams(decoded[:, 1], frames), None, foreground)

    def _decode(self, pictures: Tensor, only: list[int] | None = None) -> Tensor:
        """Map frames and plates, joined, (N, 6, H, W), any size, to the decoder's channels before any clamp."""
        skips = self.backbone(pictures)
        decoded: Tensor = self.decoder(self.aspp(skips.sixteenth), skips, pictures, only)
        return decoded


class MattingRefine(MattingBase):
    """Predict at a fraction of the resolution, then refine at full size where the predicted error is large."""

    def __init__(
        self,
        backbone: str,
        backbone_scale: float | str = 0.25,
        refine_mode: str = "sampling",
        refine_sample_pixels: int = 80_000,
        refine_threshold: float = 0.1,
        refine_kernel_size: int = 3,
    ) -> None:
        """Make the layers of MattingBase(backbone), run at backbone_scale, and of the Refiner.

        backbone_scale: above 0 and at most 0.5, or "auto": what brings the longer side to LONGER_PX, at most 0.5. The
        other arguments are those of Refiner. Raises ValueError for values out of range.
        """
        super().__init__(backbone)
        if backbone_scale != AUTO and (isinstance(backbone_scale, str) or not 0 < backbone_scale <= 0.5):
            raise ValueError(f'backbone_scale must be "auto", or above 0 and at most 0.5, found {backbone_scale!r}')
        self.backbone_scale = backbone_scale
        self.refiner = Refiner(refine_mode, refine_sample_pixels, refine_threshold, refine_kernel_size)

    def forward(self, src: Tensor, bgr: Tensor) -> RefineOutput:
        """Matte frames src (N, 3, H, W) with plates bgr (N, 3, H, W), RGB 0..1; H and W multiples of 4."""
        _check_pair(src, bgr)
        decoded, coarse, err_sm = self._coarse(src, bgr)
        canvas = _resize(coarse[:, N_HIDDEN:], _size(src)).contiguous()
        ref_sm = self.refiner(canvas, coarse, err_sm, src, bgr)
        fgr = unit_clamp(canvas[:, RESIDUAL] + src)
        fgr_sm = unit_clamp(decoded[:, RESIDUAL] + self._shrink(src))
        pha_sm = coarse[:, N_HIDDEN : N_HIDDEN + 1]
        return RefineOutput(unit_clamp(canvas[:, ALPHA]), fgr, pha_sm, fgr_sm, err_sm, ref_sm)

    @torch.no_grad()
    def matte(self, frames: Tensor, plates: Tensor | None, state: Any = None, want_foreground: bool = False) -> Matte:
        """Matte streams as MattingModel says; the error has the size of the coarse result (of the padded frames)."""
        src, bgr = _flatten_streams(frames, check_streams(frames, plates), self.least_side)
        _, coarse, err_sm = self._coarse(src, bgr)
        # where the foreground is not wanted: one channel at full size instead of four
        wanted = coarse[:, N_HIDDEN:] if want_foreground else coarse[:, N_HIDDEN : N_HIDDEN + 1]
        canvas = _resize(wanted.contiguous(), _size(src)).contiguous()
        self.refiner(canvas, coarse, err_sm, src, bgr)
        canvas = canvas[..., : frames.shape[-2], : frames.shape[-1]]
        foreground = (_streams(canvas[:, RESIDUAL], frames) + frames).clamp_(0, 1) if want_foreground else None
        return Matte(_streams(canvas[:, 0].clamp_(0, 1), frames), _streams(err_sm[:, 0], frames), None, foreground)

    @property
    def least_side(self) -> int:
        """Return the least side, in pixels, of pictures that the base network sees anything of."""
        return math.ceil(2 if isinstance(self.backbone_scale, str) else 1 / self.backbone_scale)

    def small_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of what the base network sees. Raises ValueError where that is nothing."""
        scale = self.backbone_scale
        if isinstance(scale, str):
            longer = max(height, width, 2 * LONGER_PX)
            return max(1, height * LONGER_PX // longer), max(1, width * LONGER_PX // longer)
        small = math.floor(height * scale), math.floor(width * scale)
        if min(small) < 1:
            raise ValueError(f"pictures of {height} x {width} are too small for backbone_scale {scale}")
        return small

    def _coarse(self, src: Tensor, bgr: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the decoder's channels, what the refiner reads of them (N, 36, h, w), and the error (N, 1, h, w)."""
        src_sm, bgr_sm = self._shrink(src), self._shrink(bgr)
        decoded = self._decode(torch.cat([src_sm, _repeat(bgr_sm, len(src_sm))], dim=1))
        alpha, error = unit_clamp(decoded[:, ALPHA]), unit_clamp(decoded[:, ERROR])
        return decoded, torch.cat([decoded[:, HIDDEN].relu(), alpha, decoded[:, RESIDUAL]], dim=1), error

    def _shrink(self, pictures: Tensor) -> Tensor:
        return _resize(pictures, self.small_size(*_size(pictures)))


def _flatten_streams(frames: Tensor, plates: Tensor, least: int) -> tuple[Tensor, Tensor]:
    """Bring frames (B, T, 3, H, W) to (B * T, 3, H', W') and plates to (B, 3, H', W'), padded to multiples of 4."""
    return pad_to_multiple(frames.flatten(0, 1), CELL, least), pad_to_multiple(plates, CELL, least)


def _streams(maps: Tensor, frames: Tensor) -> Tensor:
    """Bring maps (B * T, ..., h, w) back to (B, T, ..., h, w)."""
    return maps.reshape(*frames.shape[:2], *maps.shape[1:])


def _repeat(plates: Tensor, n_frames: int) -> Tensor:
    """Repeat plates (B, ...) so that each of n_frames = B * T frames, stream by stream, has its own."""
    return plates if len(plates) == n_frames else plates.repeat_interleave(n_frames // len(plates), dim=0)


def _join(x: Tensor, skip: Tensor) -> Tensor:
    return torch.cat([_resize(x, _size(skip)), skip], dim=1)


def _resize(pictures: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(pictures, size, mode="bilinear", align_corners=False)


def _size(pictures: Tensor) -> tuple[int, int]:
    return pictures.shape[-2], pictures.shape[-1]


def _check_pair(src: Tensor, bgr: Tensor) -> None:
    if src.dim() != 4 or src.shape[1] != 3 or src.shape != bgr.shape:
        raise ValueError(f"src and bgr must both be (N, 3, H, W), found {tuple(src.shape)} and {tuple(bgr.shape)}")
    height, width = _size(src)
    if height % CELL or width % CELL:
        raise ValueError(f"height and width must be multiples of {CELL}, found {height} x {width}: pad, or use matte()")


def _conv_bn_relu(in_channels: int, channels: int, dilation: int | None = None) -> nn.Sequential:
    kernel_size, padding = (1, 0) if dilation is None else (3, dilation)
    conv = nn.Conv2d(in_channels, channels, kernel_size, padding=padding, dilation=dilation or 1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(channels), nn.ReLU(inplace=True))
