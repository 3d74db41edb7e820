"""Masks: alpha to uint8 on the device, uint8 to encoded bytes on a thread, and where a mask lies."""

from __future__ import annotations

import importlib

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from manifests.errors import StoreFault

NO_CHROMA = 128


def finish_alpha(alpha: Tensor, visible: Tensor | None) -> Tensor:
    """Return alpha (T, H, W) in any float type as float32 in 0..1, 0 where `visible` (T, H, W) bool is False."""
    alpha = alpha.float().clamp(0, 1)
    return alpha if visible is None else torch.where(visible, alpha, 0.0)


def to_mask(alpha: Tensor) -> Tensor:
    """Round alpha (T, H, W) float 0..1 to uint8 0..255, halves up."""
    return (alpha * 255 + 0.5).to(torch.uint8)


def to_mask_16(alpha: Tensor) -> Tensor:
    """Round alpha (T, H, W) float 0..1 to int32 0..65535, halves up: torch has no arithmetic on uint16."""
    return (alpha * 65535 + 0.5).to(torch.int32)


def to_lowres(alpha: Tensor, size_px: int) -> Tensor:
    """Average alpha (T, H, W) float over the area of each pixel of a (T, size_px, size_px) picture, as uint8.

    Every pixel counts by the area that it shares with the target pixel, so nothing is aliased at any size.
    """
    height, width = alpha.shape[-2:]
    if height % size_px == 0 and width % size_px == 0:
        small = F.avg_pool2d(alpha[:, None], (height // size_px, width // size_px))[:, 0]
    else:
        rows, columns = _area_weights(height, size_px, alpha.device), _area_weights(width, size_px, alpha.device)
        small = rows @ alpha @ columns.T
    return to_mask(small.clamp(0, 1))


def encode_mask(mask: np.ndarray, mask_format: str, quality: int, codec: str = "opencv") -> bytes:
    """Encode a mask (H, W) uint8 or uint16; a jpg has three equal channels, as the readers of the gha layout want.

    mask_format: jpg | png | png16; the two kinds of PNG differ in what they are given. codec: of a jpg, opencv |
    simplejpeg.
    """
    if mask_format == "jpg" and codec == "simplejpeg" and mask.shape[0] % 2 == mask.shape[1] % 2 == 0:
        return _encode_planes(mask, quality)
    if mask_format == "jpg":
        done, data = cv2.imencode(".jpg", cv2.merge([mask, mask, mask]), [cv2.IMWRITE_JPEG_QUALITY, quality])
    else:
        done, data = cv2.imencode(".png", mask, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    if not done:
        raise StoreFault(f"OpenCV could not encode a mask of {mask.shape[1]}x{mask.shape[0]} pixels as {mask_format}.")
    return data.tobytes()


def _encode_planes(mask: np.ndarray, quality: int) -> bytes:
    """Encode a mask as the luma of a JPEG with empty chroma: three equal channels for little more than a gray one.

    Its sides must be even: beyond an odd one the encoder reads what happens to lie in memory.
    """
    encode_planes = importlib.import_module("simplejpeg").encode_jpeg_yuv_planes
    chroma = np.full((mask.shape[0] // 2, mask.shape[1] // 2), NO_CHROMA, dtype=np.uint8)
    encoded: bytes = encode_planes(np.ascontiguousarray(mask), chroma, chroma, quality=quality)
    return encoded


def _area_weights(n_source: int, n_target: int, device: torch.device) -> Tensor:
    """Return (n_target, n_source) float32: the share of each target pixel that each source pixel covers."""
    edges = torch.arange(n_target + 1, dtype=torch.float64, device=device) * (n_source / n_target)
    source = torch.arange(n_source, dtype=torch.float64, device=device)
    upper = torch.minimum(edges[1:, None], source + 1)
    lower = torch.maximum(edges[:-1, None], source)
    return ((upper - lower).clamp(min=0) * (n_target / n_source)).float()
