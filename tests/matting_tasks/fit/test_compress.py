"""Compression on the device: as far from the picture as a JPEG of that quality is, and near to that JPEG."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from matting_tasks.fit.compress import compress


def picture(height: int = 96, width: int = 128, seed: int = 0) -> np.ndarray:
    """Make a picture with soft shades, edges and some grain, (H, W, 3) uint8."""
    rng = np.random.default_rng(seed)
    shade = cv2.resize(rng.random((5, 6, 3), dtype=np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(6):
        at = tuple(int(value) for value in rng.integers(0, (width, height)))
        cv2.circle(shade, at, int(rng.integers(6, 25)), rng.random(3).tolist(), -1, cv2.LINE_AA)
    grain = rng.normal(0, 0.02, shade.shape)
    return np.rint(np.clip(shade + grain, 0, 1) * 255).astype(np.uint8)


def ours(pixels: np.ndarray, quality: float, is_video: bool = False) -> np.ndarray:
    batch = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
    out = compress(batch, torch.tensor([quality]), torch.tensor([is_video]))
    return out[0].permute(1, 2, 0).numpy() * 255


def jpeg(pixels: np.ndarray, quality: int) -> np.ndarray:
    _, data = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB).astype(np.float64)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(np.float64) - b) ** 2)))


@pytest.mark.parametrize("quality", [25, 30, 50, 75, 95])
def test_a_picture_suffers_as_a_jpeg_of_that_quality_does(quality: int) -> None:
    pixels = picture()
    found, real = ours(pixels, quality), jpeg(pixels, quality)
    assert psnr(found, pixels) == pytest.approx(psnr(real, pixels), abs=0.5)
    # not only as bad: bad in the same places
    assert psnr(found, real) > psnr(real, pixels) + 6


def test_high_quality_is_near_the_picture_and_low_is_worse() -> None:
    pixels = picture()
    for is_video in (False, True):
        scores = [psnr(ours(pixels, quality, is_video), pixels) for quality in (25, 40, 60, 80, 97)]
        assert scores == sorted(scores) and scores[0] < 30
    # the chroma of coloured edges is halved at any quality; a gray picture keeps all
    gray = np.repeat(pixels[..., :1], 3, axis=2)
    assert psnr(ours(gray, 95), gray) > 38


@pytest.mark.parametrize("size", [(17, 50), (8, 8), (33, 16)])
def test_sizes_that_are_no_multiple_of_a_block_are_kept(size: tuple[int, int]) -> None:
    pixels = picture(*size)
    found = ours(pixels, 60)
    assert found.shape == pixels.shape and psnr(found, pixels) == pytest.approx(psnr(jpeg(pixels, 60), pixels), abs=1.5)


def test_each_picture_of_a_batch_has_its_own_quality_and_kind() -> None:
    batch = torch.stack([torch.from_numpy(picture(seed=seed)).permute(2, 0, 1) / 255 for seed in range(3)])
    qualities, kinds = torch.tensor([30.0, 60.0, 90.0]), torch.tensor([True, False, True])
    together = compress(batch, qualities, kinds)
    for number in range(3):
        one = slice(number, number + 1)
        assert torch.allclose(together[one], compress(batch[one], qualities[one], kinds[one]), atol=1e-5)
    assert torch.equal(together, compress(batch, qualities, kinds))


def test_a_video_has_softer_borders_of_blocks_than_a_jpeg() -> None:
    pixels = picture(seed=2)

    def blockiness(shown: np.ndarray) -> float:
        steps = np.abs(np.diff(shown, axis=1)).mean(axis=(0, 2))
        at_borders = np.arange(len(steps)) % 8 == 7
        return float(steps[at_borders].mean() / steps[~at_borders].mean())

    assert blockiness(ours(pixels, 25)) > 1.2 > blockiness(ours(pixels, 25, is_video=True))


def test_flat_pictures_stay_flat_and_all_stays_in_range() -> None:
    gray = torch.full((1, 3, 32, 32), 100 / 255)
    assert (compress(gray, torch.tensor([30.0]), torch.tensor([False])) - gray).abs().max() < 0.02
    noise: Tensor = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)).round()
    shown = compress(noise, torch.tensor([25.0, 25.0]), torch.tensor([False, True]))
    assert shown.min() >= 0 and shown.max() <= 1
