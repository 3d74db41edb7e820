"""The traces of lossy compression, made on the device: 8x8 blocks, their cosine transform, and coarse steps of it.

For JPEG with the tables of its standard (ITU-T T.81, annex K) scaled by the quality as the IJG library does, chroma at
half size; for a video with one step for all frequencies, as H.264 without a scaling matrix has it, and with the borders
of blocks smoothed. No bits are made: a picture goes in and comes out as a decoder would give it.
"""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor
from torch.nn import functional as F

SIDE = 8
LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
CHROMA_CORNER = ((17, 18, 24, 47), (18, 21, 26, 66), (24, 26, 56, 99), (47, 66, 99, 99))
CHROMA_REST = 99
VIDEO_STEP = 40.0  # of quality 50, in units of 1/255 times 8
TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136, -0.714136), (1.0, 1.772, 0.0))


def compress(pictures: Tensor, quality: Tensor, is_video: Tensor) -> Tensor:
    """Return pictures (N, 3, H, W) float, RGB 0..1, as they are after compression at a quality (N,), 1..100.

    is_video: (N,) bool. The quality means the same for both kinds only roughly.
    """
    height, width = pictures.shape[-2:]
    padded = F.pad(pictures, (0, -width % 16, 0, -height % 16), mode="replicate")
    ycc = torch.einsum("ij,njhw->nihw", _constant(TO_YCC, pictures), padded) * 255
    scale = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality)[:, None, None] / 100
    tables = _tables(pictures)
    steps = [torch.where(is_video[:, None, None], VIDEO_STEP, table) * scale for table in tables]
    luma = _through(ycc[:, :1] - 128, steps[0].clamp_min(1))
    chroma = _through(F.avg_pool2d(ycc[:, 1:], 2), steps[1].clamp_min(1))
    chroma = F.interpolate(chroma, scale_factor=2.0, mode="bilinear", align_corners=False)
    rgb = torch.einsum("ij,njhw->nihw", _constant(TO_RGB, pictures), torch.cat([luma + 128, chroma], dim=1)) / 255
    rgb = rgb[..., :height, :width].clamp(0, 1)
    return torch.where(is_video[:, None, None, None], _deblocked(rgb), rgb)


def _through(planes: Tensor, steps: Tensor) -> Tensor:
    """Bring planes (N, C, h, w) to frequencies, round them to steps (N, 8, 8), and bring them back."""
    n, channels, height, width = planes.shape
    basis = _basis(planes.device)
    # (N, C, h, w) -> (N, C, h/8, w/8, 8, 8)
    blocks = planes.view(n, channels, height // SIDE, SIDE, width // SIDE, SIDE).transpose(3, 4)
    spectrum = basis @ blocks @ basis.T
    steps = steps[:, None, None, None]
    spectrum = torch.round(spectrum / steps) * steps
    blocks = basis.T @ spectrum @ basis
    return blocks.transpose(3, 4).reshape(n, channels, height, width)


def _deblocked(pictures: Tensor) -> Tensor:
    """Smooth the two pixels on either side of each border between blocks."""
    soft = F.avg_pool2d(F.pad(pictures, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    height, width = pictures.shape[-2:]
    rows, columns = (torch.arange(side, device=pictures.device) % SIDE for side in (height, width))
    near = ((rows == 0) | (rows == SIDE - 1))[:, None] | ((columns == 0) | (columns == SIDE - 1))[None, :]
    return torch.where(near, soft, pictures)


@functools.cache
def _basis(device: torch.device) -> Tensor:
    """Return the orthonormal cosine transform (8, 8), a row a frequency."""
    rows = [
        [math.sqrt((1 if k == 0 else 2) / SIDE) * math.cos(math.pi * (2 * x + 1) * k / (2 * SIDE)) for x in range(SIDE)]
        for k in range(SIDE)
    ]
    return torch.tensor(rows, device=device)


def _tables(like: Tensor) -> tuple[Tensor, Tensor]:
    chroma = torch.full((SIDE, SIDE), float(CHROMA_REST), device=like.device)
    chroma[:4, :4] = _constant(CHROMA_CORNER, like)
    return _constant(LUMA, like), chroma


def _constant(rows: tuple[tuple[float, ...], ...], like: Tensor) -> Tensor:
    return torch.tensor(rows, dtype=torch.float32, device=like.device)
