"""Plate difference: a classical matting model without weights, as a sanity baseline.

A frame differs from its plate where the person is. The difference is measured against the noise of the pair itself,
cleaned at a coarse scale and brought to full size by a guided filter (He et al. 2013, "Guided Image Filtering",
section 3.4, and its fast form, arXiv 1505.00996). It needs no trained weights and no GPU; a trained network is better
wherever clothes have the colour of the wall, in shadows, and in hair.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from models.base import Matte, check_streams

COARSE_SIDE = 512  # the shorter side, px, at which everything but the last step is done
MAX_GAIN = 1.25  # exposure drift that is taken for drift, not for the picture's content
# luminance counts less than colour: shadows change mostly luminance
YUV = ((0.25, 0.5, 0.09), (-0.22, -0.43, 0.65), (0.92, -0.77, -0.15))
QUIET_QUANTILE = 0.25  # at least this share of a picture is taken to be background
LEAST_NOISE = 1.5 / 255  # quantisation and compression
EDGE_NOISE = 0.06  # share of the plate's local contrast that misregistration turns into difference
UNSURE, SURE = 3.0, 10.0  # in units of noise: below is background, above is person
TEXTURE_RADIUS = 4  # px, coarse
UNLIKE = (0.3, 0.7)  # 1 - correlation of frame and plate
TEXTURED = (0.02, 0.05)  # standard deviation in a window
CLEAN_SIDE = 128  # the shorter side, px, at which holes and specks are looked for
CLOSING_RADIUS, OPENING_RADIUS, HAIR_RADIUS, WIDE_HOLE_RADIUS = 4, 4, 3, 6  # px, at that size
N_STEPS = 32  # of growth between two looks at whether it has ended
GUIDE_RADIUS = 4  # px, coarse
SMOOTHNESS = 1e-4  # of the guided filter, the variance of RGB 0..1 that counts as flat
STRETCH = (0.05, 0.95)  # the filter rounds the ends of alpha off


class Pair(NamedTuple):
    """Hold a frame and its plate, each (1, 3, h, w) float32, RGB 0..1, the plate brought to the frame's exposure."""

    frame: Tensor
    plate: Tensor


class PlateDifference:
    """Matte by the difference of frame and plate; deterministic, each frame for itself, float32 inside."""

    uses_plate = True
    temporal = False

    @torch.no_grad()
    def matte(self, frames: Tensor, plates: Tensor | None, state: Any = None, want_foreground: bool = False) -> Matte:
        """Matte streams as MattingModel says; there is no error map, no state and no foreground."""
        plates = check_streams(frames, plates)
        alphas = [
            _matte_one(frame[None].float(), plate[None].float())
            for stream, plate in zip(frames, plates, strict=True)
            for frame in stream
        ]
        n_streams, n_frames, _, height, width = frames.shape
        alpha = torch.stack(alphas).view(n_streams, n_frames, height, width)
        return Matte(alpha.to(frames.dtype), None, None)


def _matte_one(frame: Tensor, plate: Tensor) -> Tensor:
    """Matte a frame (1, 3, H, W) with its plate: (H, W)."""
    factor = max(1, min(frame.shape[-2:]) // COARSE_SIDE)
    coarse = _equalised(_shrink(frame, factor), _shrink(plate, factor))
    score = torch.maximum(_colour_score(coarse), _texture_score(coarse))
    return _guided(coarse.frame, _clean(score), frame)[0, 0]


def _shrink(picture: Tensor, factor: int) -> Tensor:
    return F.avg_pool2d(picture, factor, ceil_mode=True, count_include_pad=False) if factor > 1 else picture


def _equalised(frame: Tensor, plate: Tensor) -> Pair:
    """Scale the plate's channels to the frame's exposure, judged where the two differ least."""
    for _ in range(2):
        distance = (frame - plate).abs().sum(dim=1).flatten()
        quiet = distance <= _quantile(distance, 2 * QUIET_QUANTILE)
        ratios = (frame / plate.clamp_min(8 / 255)).flatten(2)[0, :, quiet]  # (3, n)
        gain = ratios.sort(dim=1).values[:, ratios.shape[1] // 2].clamp(1 / MAX_GAIN, MAX_GAIN)
        plate = plate * gain[:, None, None]
    return Pair(frame, plate)


def _colour_score(pair: Pair) -> Tensor:
    """Judge each pixel by its difference over the noise: (1, 1, h, w), 0 is background, 1 is person."""
    frame, plate = _to_yuv(pair.frame), _to_yuv(pair.plate)
    height, width = frame.shape[-2:]
    around = F.pad(plate, (1, 1, 1, 1), mode="replicate")
    # a plate that is off by a pixel still has the right colour next door
    shifted = [around[..., y : y + height, x : x + width] for y in range(3) for x in range(3)]
    distance = torch.stack([_length(frame - other) for other in shifted]).amin(dim=0)
    contrast = _length(_dilate(plate, 2) - _erode(plate, 2))
    noise = _quantile(distance.flatten(), QUIET_QUANTILE).clamp_min(LEAST_NOISE) + EDGE_NOISE * contrast
    return _step(distance / noise, UNSURE, SURE)


def _to_yuv(picture: Tensor) -> Tensor:
    weights = torch.tensor(YUV, device=picture.device)[:, :, None, None]
    # not a convolution: a GPU may compute one in less than float32
    return (weights * picture).sum(dim=1)[None]


def _texture_score(pair: Pair) -> Tensor:
    """Judge by structure: where the plate has texture that the frame does not repeat, something stands before it."""
    frame, plate = pair.frame.mean(dim=1, keepdim=True), pair.plate.mean(dim=1, keepdim=True)
    mean_f, mean_p = _box(frame, TEXTURE_RADIUS), _box(plate, TEXTURE_RADIUS)
    var_f = (_box(frame * frame, TEXTURE_RADIUS) - mean_f * mean_f).clamp_min(0)
    var_p = (_box(plate * plate, TEXTURE_RADIUS) - mean_p * mean_p).clamp_min(0)
    covariance = _box(frame * plate, TEXTURE_RADIUS) - mean_f * mean_p
    correlation = covariance / (var_f * var_p + LEAST_NOISE**4).sqrt()
    unlike = _step(1 - correlation, *UNLIKE) * _step(torch.maximum(var_f, var_p).sqrt(), *TEXTURED)
    # a window half over the person is already unlike
    return _erode(unlike, TEXTURE_RADIUS)


def _clean(score: Tensor) -> Tensor:
    """Fill holes and remove specks and thin strips: (1, 1, h, w) -> the same, 0..1."""
    small = _shrink(score, max(1, min(score.shape[-2:]) // CLEAN_SIDE))
    person = (small > 0.5).float()
    person = _erode(_dilate(person, CLOSING_RADIUS), CLOSING_RADIUS)
    person = _spread(_erode(person, OPENING_RADIUS), person)
    person = person + _small_holes(person)
    # (1, 2, h', w') -> (1, 2, h, w)
    limits = torch.cat([_erode(person, 1), _dilate(person, HAIR_RADIUS)], dim=1)
    limits = F.interpolate(limits, score.shape[-2:], mode="bilinear", align_corners=False)
    return torch.maximum(score, limits[:, :1]) * limits[:, 1:]


def _small_holes(person: Tensor) -> Tensor:
    """Find holes (1, 1, h, w) of 0 and 1, except wide ones: background may show between an arm and the body."""
    outside = 1 - person
    border = torch.zeros_like(outside)
    # not the bottom, where bodies leave the picture
    border[..., 0, :] = border[..., :, 0] = border[..., :, -1] = 1
    holes = outside - _spread(border * outside, outside)
    return holes - _spread(_erode(holes, WIDE_HOLE_RADIUS), holes)


def _spread(seeds: Tensor, inside: Tensor) -> Tensor:
    """Grow seeds inside of a mask to all that is connected to them; (1, 1, h, w) of 0 and 1."""
    while True:
        before = seeds
        for _ in range(N_STEPS):
            seeds = F.max_pool2d(seeds, 3, 1, 1) * inside
        if torch.equal(before, seeds):
            return seeds


def _guided(guide: Tensor, alpha: Tensor, full: Tensor) -> Tensor:
    """Bring a coarse alpha (1, 1, h, w) to full size along the edges of the frame: (1, 1, H, W), 0..1."""
    mean_i, mean_a = _box(guide, GUIDE_RADIUS), _box(alpha, GUIDE_RADIUS)
    covariance = _box(guide * alpha, GUIDE_RADIUS) - mean_i * mean_a  # (1, 3, h, w)
    rows, columns = (0, 0, 0, 1, 1, 2), (0, 1, 2, 1, 2, 2)
    products = _box(guide[:, rows] * guide[:, columns], GUIDE_RADIUS) - mean_i[:, rows] * mean_i[:, columns]
    slope = _solve(products, covariance)
    offset = mean_a - (slope * mean_i).sum(dim=1, keepdim=True)
    line = _box(torch.cat([slope, offset], dim=1), GUIDE_RADIUS)
    line = F.interpolate(line, full.shape[-2:], mode="bilinear", align_corners=False)
    refined = line[:, 3:].clone()
    for channel in range(3):
        refined.addcmul_(line[:, channel : channel + 1], full[:, channel : channel + 1])
    return _step(refined, *STRETCH)


def _solve(products: Tensor, right: Tensor) -> Tensor:
    """Solve (covariance + e) x = right for each pixel by cofactors; products (1, 6, h, w) as xx xy xz yy yz zz."""
    xx, xy, xz, yy, yz, zz = products.unbind(dim=1)
    xx, yy, zz = xx + SMOOTHNESS, yy + SMOOTHNESS, zz + SMOOTHNESS
    c00, c01, c02 = yy * zz - yz * yz, xz * yz - xy * zz, xy * yz - xz * yy
    c11, c12, c22 = xx * zz - xz * xz, xy * xz - xx * yz, xx * yy - xy * xy
    determinant = xx * c00 + xy * c01 + xz * c02
    x, y, z = right.unbind(dim=1)
    solution = (c00 * x + c01 * y + c02 * z, c01 * x + c11 * y + c12 * z, c02 * x + c12 * y + c22 * z)
    return torch.stack(solution, dim=1) / determinant[:, None]


def _box(picture: Tensor, radius: int) -> Tensor:
    """Average over squares of 2 * radius + 1 pixels, at the border over what is there."""
    side = 2 * radius + 1
    rows = F.avg_pool2d(picture, (1, side), 1, (0, radius), count_include_pad=False)
    return F.avg_pool2d(rows, (side, 1), 1, (radius, 0), count_include_pad=False)


def _dilate(picture: Tensor, radius: int) -> Tensor:
    side = 2 * radius + 1
    return F.max_pool2d(F.max_pool2d(picture, (1, side), 1, (0, radius)), (side, 1), 1, (radius, 0))


def _erode(picture: Tensor, radius: int) -> Tensor:
    return -_dilate(-picture, radius)


def _length(picture: Tensor) -> Tensor:
    return picture.square().sum(dim=1, keepdim=True).sqrt()


def _step(x: Tensor, low: float, high: float) -> Tensor:
    """Rise smoothly from 0 at low to 1 at high."""
    x = ((x - low) / (high - low)).clamp(0, 1)
    return x * x * (3 - 2 * x)


def _quantile(values: Tensor, share: float) -> Tensor:
    return values.sort().values[int(share * (len(values) - 1))]
