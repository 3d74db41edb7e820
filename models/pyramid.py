"""Laplacian pyramid: a picture taken apart into details of ever coarser scale.

Burt and Adelson 1983, "The Laplacian Pyramid as a Compact Image Code", with the 5x5 binomial kernel for the gaussian.
Written with sums of slices in place of convolutions: with one channel these are several times faster on a CPU, stay
in float32 under autocast, and give the same gradient each time on a GPU.
"""

from __future__ import annotations

import torch
from torch import Tensor


def laplacian_levels(pictures: Tensor, n_levels: int) -> list[Tensor]:
    """Return the details of pictures (N, C, H, W) float, finest first, without the blurred rest.

    Level s is (N, C, ceil(H / 2^s), ceil(W / 2^s)) for s = 0, 1, ... A level is made only where both sides have two
    pixels or more, so pictures with a side under 2^(n_levels - 1) + 1 have fewer of them. Borders are reflected, odd
    sides made even by repeating the last line, which the level then leaves out.
    """
    levels: list[Tensor] = []
    rest = pictures
    while len(levels) < n_levels and min(rest.shape[-2:]) > 1:
        smaller = _halve(_halve(rest).mT).mT
        height, width = rest.shape[-2:]
        levels.append(rest - _double(_double(smaller.mT, height).mT, width))
        rest = smaller
    return levels


def _halve(lines: Tensor) -> Tensor:
    """Blur lines (..., n), n >= 2, by (1 4 6 4 1) / 16 and keep every second pixel: (..., ceil(n / 2))."""
    if lines.shape[-1] % 2:
        lines = torch.cat([lines, lines[..., -1:]], dim=-1)
    n = lines.shape[-1]
    second = 2 if n > 2 else 0  # two pixels are reflected twice
    lines = torch.cat([_pixel(lines, second), _pixel(lines, 1), lines, _pixel(lines, n - 2)], dim=-1)
    even, odd = lines[..., 0::2], lines[..., 1::2]
    return (even[..., :-2] + even[..., 2:] + 4 * (odd[..., :-1] + odd[..., 1:]) + 6 * even[..., 1:-1]) / 16


def _double(lines: Tensor, n: int) -> Tensor:
    """Undo the size of `_halve` for lines (..., ceil(n / 2)): zeros between the pixels, then the blur twice as strong.

    A pixel with zeros to both sides takes (1 6 1) / 8 of the pixels, a zero (1 1) / 2; the line of pixels and zeros is
    reflected, so the last pixel is its own neighbour.
    """
    m = lines.shape[-1]
    lines = torch.cat([_pixel(lines, min(1, m - 1)), lines, _pixel(lines, m - 1)], dim=-1)
    here, after = lines[..., 1:-1], lines[..., 2:]
    even = (lines[..., :-2] + 6 * here + after) / 8
    # (..., m), (..., m) -> (..., 2 m), one from each in turn
    return torch.stack([even, (here + after) / 2], dim=-1).flatten(-2)[..., :n]


def _pixel(lines: Tensor, place: int) -> Tensor:
    return lines[..., place : place + 1]
