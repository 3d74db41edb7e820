"""The Laplacian pyramid against the one that OpenCV builds, at sizes even, odd and small."""

import cv2
import numpy as np
import pytest
import torch

from models.pyramid import laplacian_levels


def draw(height, width, n=1):
    return torch.rand(n, 1, height, width, generator=torch.Generator().manual_seed(height * 1000 + width))


@pytest.mark.parametrize("size", [(32, 32), (64, 96), (2, 16), (160, 32)])
def test_levels_are_those_of_opencv_when_sides_stay_even(size):
    pictures = draw(*size, n=2)
    n_levels = min(5, int(np.log2(min(size))))
    levels = laplacian_levels(pictures, n_levels)
    assert len(levels) == n_levels
    for i in range(2):
        rest = pictures[i, 0].numpy()
        for level in levels:
            smaller = cv2.pyrDown(rest)
            np.testing.assert_allclose(level[i, 0].numpy(), rest - cv2.pyrUp(smaller), atol=1e-6)
            rest = smaller


def test_odd_sides_are_made_even_by_their_last_line():
    picture = draw(33, 47)
    even = torch.from_numpy(np.pad(picture[0, 0].numpy(), ((0, 1), (0, 1)), mode="edge"))[None, None]
    (level,), (expected,) = laplacian_levels(picture, 1), laplacian_levels(even, 1)
    assert level.shape == (1, 1, 33, 47)
    torch.testing.assert_close(level, expected[..., :33, :47])


@pytest.mark.parametrize(("size", "n_levels"), [((17, 17), 5), ((16, 16), 4), ((31, 3), 2), ((2, 2), 1), ((1, 64), 0)])
def test_pictures_too_small_have_fewer_levels(size, n_levels):
    levels = laplacian_levels(draw(*size), 5)
    expected = [(-(-size[0] // 2**s), -(-size[1] // 2**s)) for s in range(n_levels)]
    assert [tuple(level.shape[-2:]) for level in levels] == expected


def test_a_flat_picture_has_no_details():
    for level in laplacian_levels(torch.full((1, 1, 37, 50), 0.7), 5):
        torch.testing.assert_close(level, torch.zeros_like(level), atol=1e-6, rtol=0)


def test_gradient_is_that_of_finite_differences():
    picture = draw(7, 6).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: tuple(laplacian_levels(x, 3)), (picture,))
