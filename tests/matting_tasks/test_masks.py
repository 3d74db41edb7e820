from __future__ import annotations

import cv2
import imageio.v3
import numpy as np
import pytest
import torch
from fakes import draw_picture
from torch import Tensor

from manifests.errors import StoreFault
from matting_tasks.masks import encode_mask, finish_alpha, to_lowres, to_mask


def soft_alpha(height: int, width: int, seed: int = 1) -> Tensor:
    """Return (1, height, width) float32, 0..1, with an edge, a gradient and noise."""
    y, x = np.mgrid[0:height, 0:width]
    noise = np.random.default_rng(seed).uniform(0, 0.3, (height, width))
    values = ((x / width) > 0.3) * (0.4 + 0.6 * y / height) + noise
    return torch.from_numpy(values.clip(0, 1).astype(np.float32))[None]


def average_over_areas(picture: np.ndarray, size_px: int) -> np.ndarray:
    """Average a picture over size_px x size_px equal rectangles, by integrals along each axis."""
    for axis in (0, 1):
        n_source = picture.shape[axis]
        integral = np.insert(np.cumsum(picture.astype(np.float64), axis=axis), 0, 0, axis=axis)
        edges = np.linspace(0, n_source, size_px + 1)
        at_edges = np.apply_along_axis(
            lambda line, e=edges, n=n_source: np.interp(e, np.arange(n + 1), line), axis, integral
        )
        picture = np.diff(at_edges, axis=axis) * size_px / n_source
    return picture


def checkerboard(height: int, width: int) -> Tensor:
    y, x = np.mgrid[0:height, 0:width]
    return torch.from_numpy(((x + y) % 2).astype(np.float32))[None]


def test_masks_are_rounded_not_truncated() -> None:
    alpha = torch.tensor([[[0.0, 0.4 / 255, 0.6 / 255, 0.5, 100.4 / 255, 100.6 / 255, 254.4 / 255, 254.6 / 255, 1.0]]])
    assert to_mask(alpha).tolist() == [[[0, 0, 1, 128, 100, 101, 254, 255, 255]]]


def test_every_step_of_8_bits_comes_back() -> None:
    steps = torch.arange(256, dtype=torch.float32)
    mask = to_mask((steps / 255)[None, None])
    assert mask.dtype == torch.uint8
    assert torch.equal(mask[0, 0], steps.to(torch.uint8))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_alpha_is_brought_into_range_in_float32(dtype: torch.dtype) -> None:
    done = finish_alpha(torch.tensor([[[-0.25, 0.0, 0.5, 1.0, 1.5]]], dtype=dtype), None)
    assert done.dtype == torch.float32
    assert done.tolist() == [[[0.0, 0.0, 0.5, 1.0, 1.0]]]


def test_alpha_is_0_outside_of_what_is_visible() -> None:
    alpha = soft_alpha(20, 30)
    visible = torch.zeros(1, 20, 30, dtype=torch.bool)
    visible[:, 3:17, 5:] = True
    done = finish_alpha(alpha, visible)
    assert (done[~visible] == 0).all()
    assert torch.equal(done[visible], alpha[visible])
    assert (alpha[~visible] > 0).any()


@pytest.mark.parametrize(
    ("height", "width"), [(256, 256), (512, 256), (2048, 2048), (1000, 700), (700, 1000), (300, 512), (257, 1023)]
)
def test_lowres_is_the_average_over_areas_when_it_shrinks(height: int, width: int) -> None:
    alpha = soft_alpha(height, width)
    lowres = to_lowres(alpha, 256)
    assert lowres.dtype == torch.uint8
    assert lowres.shape == (1, 256, 256)
    own = lowres[0].numpy().astype(int)
    assert np.abs(own - 255 * average_over_areas(alpha[0].numpy(), 256)).max() <= 0.51
    of_opencv = cv2.resize(alpha[0].numpy(), (256, 256), interpolation=cv2.INTER_AREA)
    assert np.abs(own - 255 * of_opencv).max() <= 0.51


@pytest.mark.parametrize(("height", "width"), [(100, 150), (64, 64), (1, 1), (96, 1000), (3, 255)])
def test_lowres_is_the_average_over_areas_when_it_grows(height: int, width: int) -> None:
    alpha = soft_alpha(height, width)
    own = to_lowres(alpha, 256)[0].numpy().astype(int)
    assert np.abs(own - 255 * average_over_areas(alpha[0].numpy(), 256)).max() <= 0.51
    assert abs(own.mean() - 255 * float(alpha.mean())) < 0.3


def test_a_checkerboard_becomes_even_gray_in_lowres() -> None:
    assert np.unique(to_lowres(checkerboard(512, 1024), 256)).tolist() == [128]
    for height, width in ((1000, 700), (2200, 1604)):
        lowres = to_lowres(checkerboard(height, width), 256).numpy().astype(int)
        assert lowres.min() >= 115 and lowres.max() <= 140  # sampled at points it would be 0 and 255
        assert abs(lowres.mean() - 127.5) < 1


def test_frames_of_a_batch_get_their_own_lowres() -> None:
    both = torch.cat([soft_alpha(300, 400, 1), soft_alpha(300, 400, 2)])
    together = to_lowres(both, 256)
    assert torch.equal(together[0], to_lowres(both[:1], 256)[0])
    assert torch.equal(together[1], to_lowres(both[1:], 256)[0])
    assert not torch.equal(together[0], together[1])


def test_full_alpha_stays_full_at_any_size() -> None:
    for height, width in ((1000, 700), (333, 777), (31, 4000), (2200, 1604)):
        assert (to_lowres(torch.ones(1, height, width), 256) == 255).all()


def test_a_jpg_mask_has_three_equal_channels_for_the_readers_of_the_layout() -> None:
    mask = draw_picture(3, 70, 90)[:, :, 0]
    decoded = imageio.v3.imread(encode_mask(mask, "jpg", 95))
    assert decoded.dtype == np.uint8
    assert decoded.shape == (70, 90, 3)
    assert (np.ptp(decoded, axis=-1) == 0).all()
    first = decoded[:, :, 0:1] / 255
    assert first.shape == (70, 90, 1)
    assert np.abs(first[..., 0] - mask / 255).mean() < 2 / 255


@pytest.mark.parametrize(("height", "width"), [(64, 48), (33, 47), (1, 1), (256, 256)])
def test_both_codecs_write_the_same_mask(height: int, width: int) -> None:
    mask = to_mask(soft_alpha(height, width))[0].numpy()
    files = [encode_mask(mask, "jpg", 95, codec) for codec in ("opencv", "simplejpeg")]
    pictures = [cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) for data in files]
    assert pictures[1].shape == (height, width, 3) and np.ptp(pictures[1], axis=2).max() == 0
    lost, usually_lost = (np.abs(picture[..., 0].astype(int) - mask).mean() for picture in pictures[::-1])
    assert lost <= 1.15 * usually_lost + 0.1


def test_equal_masks_give_equal_bytes_at_any_size() -> None:
    rng = np.random.default_rng(0)
    for height, width in [(side, other) for side in range(1, 36) for other in (1, 2, 8, 15, 16, 18, 31, 64, 66)]:
        mask = rng.integers(0, 256, (height, width), dtype=np.uint8)
        encoded = set()
        for _ in range(4):
            _ = [np.full(rng.integers(1, 5000), rng.integers(0, 256), np.uint8) for _ in range(20)]  # leaves its traces
            encoded.add(encode_mask(mask.copy(), "jpg", 95, "simplejpeg"))
        assert len(encoded) == 1, (height, width)


def test_empty_and_full_masks_survive_a_jpg() -> None:
    for value in (0, 255):
        decoded = imageio.v3.imread(encode_mask(np.full((33, 65), value, np.uint8), "jpg", 95))
        assert np.unique(decoded).tolist() == [value]


def test_a_lower_quality_gives_a_smaller_jpg() -> None:
    mask = draw_picture(4, 128, 128)[:, :, 1]
    assert len(encode_mask(mask, "jpg", 40)) < len(encode_mask(mask, "jpg", 95))


def test_a_png_mask_is_exact() -> None:
    mask = draw_picture(5, 40, 50)[:, :, 2]
    assert np.array_equal(imageio.v3.imread(encode_mask(mask, "png", 95)), mask)


def test_a_mask_that_jpg_cannot_hold_is_a_fault_that_names_its_size() -> None:
    with pytest.raises(StoreFault, match="70000x2 pixels as jpg"):
        encode_mask(np.zeros((2, 70000), np.uint8), "jpg", 95)
