"""Padding and the checks of shapes that all models share."""

import pytest
import torch

from models.base import check_frames, check_streams, pad_to_multiple


@pytest.mark.parametrize(
    ("size", "least", "padded"), [((5, 8), 1, (8, 8)), ((4, 4), 10, (12, 12)), ((1, 1), 1, (4, 4))]
)
def test_padding_repeats_the_border_and_is_undone_by_a_crop(size, least, padded):
    pictures = torch.rand(2, 3, *size)
    wide = pad_to_multiple(pictures, 4, least)
    assert wide.shape[-2:] == padded
    assert torch.equal(wide[..., : size[0], : size[1]], pictures)
    assert torch.equal(wide[..., -1, -1], pictures[..., -1, -1])


@pytest.mark.parametrize(
    ("frames", "plates", "found"),
    [
        ((1, 2, 3, 8, 8), (2, 3, 8, 8), r"\(2, 3, 8, 8\)"),
        ((1, 2, 3, 8, 8), (1, 3, 8, 4), r"\(1, 3, 8, 4\)"),
        ((1, 2, 3, 8, 8), None, "None"),
        ((2, 3, 8, 8), (2, 3, 8, 8), "frames must be"),
        ((1, 0, 3, 8, 8), (1, 3, 8, 8), "not empty"),
    ],
)
def test_streams_that_do_not_fit_are_refused(frames, plates, found):
    with pytest.raises(ValueError, match=found):
        check_streams(torch.zeros(frames), None if plates is None else torch.zeros(plates))


@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (1, 2, 4, 8, 8), (1, 2, 3, 0, 8)])
def test_frames_alone_that_do_not_fit_are_refused(shape):
    with pytest.raises(ValueError, match="frames must be"):
        check_frames(torch.zeros(shape))
