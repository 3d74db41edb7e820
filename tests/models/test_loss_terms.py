"""Each term against slow loops, 0 for the truth, and with a gradient that brings a prediction to the truth."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from models import loss_terms
from models.loss_terms import (
    alpha_l1,
    coherence,
    composition,
    error_map,
    foreground_coherence,
    foreground_l1,
    gradient,
    laplacian,
    segmentation,
)
from models.pyramid import laplacian_levels

PICTURE_TERMS = [alpha_l1, laplacian, gradient]


def draw(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def pair(*shape):
    return draw(*shape, seed=1), draw(*shape, seed=2)


def test_alpha_l1_is_the_mean_difference_and_a_weight_counts_pixels():
    pred, true = torch.tensor([[[[0.5, 1.0]]]]), torch.tensor([[[[0.0, 0.75]]]])
    assert alpha_l1(pred, true).item() == pytest.approx(0.375)
    assert alpha_l1(pred, true, torch.tensor([[[[2.0, 0.0]]]])).item() == pytest.approx(0.5)


def test_laplacian_doubles_with_each_level():
    pred, true = pair(2, 1, 40, 33)
    levels = zip(laplacian_levels(pred, 5), laplacian_levels(true, 5), strict=True)
    expected = sum(2**s / 5 * (p - g).abs().mean().item() for s, (p, g) in enumerate(levels))
    assert laplacian(pred, true).item() == pytest.approx(expected, rel=1e-4)


def test_laplacian_weight_is_brought_to_each_level():
    pred, true = pair(1, 1, 32, 32)
    left = torch.zeros(1, 1, 32, 32)
    left[..., :16] = 2
    differs_right = torch.cat([true[..., :28], pred[..., 28:]], dim=-1)
    assert laplacian(differs_right, true, n_levels=1, weight=left).item() == 0
    assert laplacian(differs_right, true, n_levels=1).item() > 0
    assert laplacian(pred, true, weight=torch.full_like(left, 3.0)).item() == pytest.approx(
        3 * laplacian(pred, true).item(), rel=1e-5
    )


def sobel_by_loops(picture):
    """Return both Sobel derivatives / 8 of a picture (H, W), borders repeated."""
    wide = np.pad(picture, 1, mode="edge")
    dx, dy = np.zeros_like(picture), np.zeros_like(picture)
    kernel = np.outer([1, 2, 1], [-1, 0, 1]) / 8
    for y in range(picture.shape[0]):
        for x in range(picture.shape[1]):
            window = wide[y : y + 3, x : x + 3]
            dx[y, x], dy[y, x] = (window * kernel).sum(), (window * kernel.T).sum()
    return dx, dy


@pytest.mark.parametrize("size", [(9, 12), (1, 1), (2, 5)])
def test_gradient_compares_both_sobel_derivatives(size):
    pred, true = pair(1, 1, *size)
    dx_p, dy_p = sobel_by_loops(pred[0, 0].double().numpy())
    dx_g, dy_g = sobel_by_loops(true[0, 0].double().numpy())
    expected = (np.abs(dx_p - dx_g) + np.abs(dy_p - dy_g)).mean()
    assert gradient(pred, true).item() == pytest.approx(expected, abs=1e-6)


def test_gradient_of_a_ramp_is_its_slope():
    ramp = (0.02 * torch.arange(30)).expand(1, 1, 20, 30)
    inside = torch.zeros(1, 1, 20, 30)
    inside[..., 1:-1] = 30 / 28
    assert gradient(ramp, torch.zeros_like(ramp), inside).item() == pytest.approx(0.02)


def test_coherence_compares_the_changes_of_clips():
    pred, true = pair(2, 3, 1, 4, 5)
    total = 0.0
    for b in range(2):
        for t in (1, 2):
            total += float((((pred[b, t] - pred[b, t - 1]) - (true[b, t] - true[b, t - 1])) ** 2).sum())
    assert coherence(pred, true).item() == pytest.approx(total / (2 * 2 * 4 * 5), rel=1e-5)
    assert coherence(true + 0.2, true).item() == pytest.approx(0, abs=1e-12)


def test_a_clip_of_one_frame_has_coherence_zero_that_gradients_pass():
    pred, true = pair(2, 1, 3, 4, 5)
    pred.requires_grad_()
    loss = coherence(pred, true) + foreground_coherence(pred, true, draw(2, 1, 1, 4, 5))
    loss.backward()
    assert loss.item() == 0
    assert not pred.grad.any()


def test_foreground_counts_only_where_there_is_alpha():
    true, alpha = torch.zeros(1, 3, 2, 2), torch.tensor([[[[0.0, 0.01], [1.0, 0.0]]]])
    pred = torch.tensor([[0.9, 0.4], [0.2, 0.7]]).expand(1, 3, 2, 2)
    assert foreground_l1(pred, true, alpha).item() == pytest.approx((0.4 + 0.2) / 4)


def test_foreground_change_counts_only_where_there_was_alpha_before():
    alpha = torch.tensor([[1.0, 0.0, 1.0], [1.0, 1.0, 0.0]]).reshape(1, 2, 1, 1, 3)
    pred = torch.tensor([[0.1, 0.5, 0.2], [0.4, 0.0, 0.9]]).reshape(1, 2, 1, 1, 3).expand(1, 2, 3, 1, 3)
    assert foreground_coherence(pred, torch.zeros_like(pred), alpha).item() == pytest.approx(0.3**2 / 3)


def test_composition_is_zero_for_the_layers_of_the_frame():
    alpha, foreground, background = draw(2, 1, 6, 7), draw(2, 3, 6, 7, seed=3), draw(2, 3, 6, 7, seed=4)
    frame = alpha * foreground + (1 - alpha) * background
    assert composition(alpha, foreground, frame, background).item() == pytest.approx(0, abs=1e-7)
    black, white = torch.zeros_like(frame), torch.ones_like(frame)
    assert composition(alpha, white, black, black).item() == pytest.approx(alpha.mean().item())


def test_error_map_learns_the_error_and_leaves_the_alpha():
    error, pred, true = draw(1, 1, 4, 4), draw(1, 1, 4, 4, seed=5), draw(1, 1, 4, 4, seed=6)
    error.requires_grad_()
    pred.requires_grad_()
    loss = error_map(error, pred, true)
    assert loss.item() == pytest.approx(((error - (pred - true).abs()) ** 2).mean().item())
    loss.backward()
    assert error.grad.any()
    assert pred.grad is None
    assert error_map((pred - true).abs(), pred, true).item() == 0


def test_error_map_resizes_the_truth_by_area():
    true = torch.tensor([[[[0.0, 1.0], [1.0, 1.0]]]])
    pred, error = torch.full((1, 1, 1, 1), 0.25), torch.tensor([[[[0.5, 0.0], [0.5, 1.0]]]])
    # the truth is 0.75 in one pixel, so the error 0.5
    assert error_map(error, pred, true).item() == pytest.approx((0 + 0.25 + 0 + 0.25) / 4)


def test_segmentation_is_the_cross_entropy():
    logits, mask = torch.tensor([0.0, 2.0, -1.0]), torch.tensor([1.0, 1.0, 0.0])
    expected = -np.log([0.5, 1 / (1 + np.exp(-2)), 1 - 1 / (1 + np.exp(1))]).mean()
    assert segmentation(logits, mask).item() == pytest.approx(expected)


def every_term():
    """Name each term with a function of one prediction, the truth of it, and the step that lowers it."""
    alpha, clips, layers = draw(1, 1, 40, 36), draw(1, 3, 3, 8, 8), draw(1, 3, 40, 36)
    background = draw(1, 3, 40, 36, seed=7)
    frame = alpha * layers + (1 - alpha) * background
    return {
        "alpha_l1": (lambda p: alpha_l1(p, alpha), alpha),
        "laplacian": (lambda p: laplacian(p, alpha), alpha),
        "gradient": (lambda p: gradient(p, alpha), alpha),
        "coherence": (lambda p: coherence(p, clips), clips),
        "foreground_l1": (lambda p: foreground_l1(p, layers, alpha), layers),
        "foreground_coherence": (lambda p: foreground_coherence(p, clips, clips[:, :, :1]), clips),
        "composition of alpha": (lambda p: composition(p, layers, frame, background), alpha),
        "composition of foreground": (lambda p: composition(alpha, p, frame, background), layers),
        "error_map": (lambda p: error_map(p, torch.zeros_like(alpha), alpha), alpha),
    }


@pytest.mark.parametrize("name", every_term())
def test_the_gradient_brings_a_prediction_to_the_truth(name):
    term, true = every_term()[name]
    assert term(true).item() == pytest.approx(0, abs=1e-6)
    pred = (true + 0.4 * (draw(*true.shape, seed=8) - 0.5)).requires_grad_()
    first, distance = term(pred).item(), (pred - true).norm().item()
    optimizer = torch.optim.Adam([pred], lr=0.01)
    for _ in range(40):
        optimizer.zero_grad()
        term(pred).backward()
        optimizer.step()
    assert term(pred).item() < 0.5 * first
    assert (pred - true).norm().item() < distance


@pytest.mark.parametrize("term", PICTURE_TERMS)
@pytest.mark.parametrize("size", [(33, 47), (1, 1), (5, 2), (31, 64)])
def test_any_size_gives_a_number_and_a_gradient(term, size):
    pred, true = pair(2, 1, *size)
    pred.requires_grad_()
    loss = term(pred, true)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(pred.grad).all()


@pytest.mark.parametrize("term", PICTURE_TERMS)
def test_halves_are_computed_in_full_under_autocast(term):
    pred, true = (part.bfloat16() for part in pair(2, 1, 40, 40))
    expected = term(pred.float(), true.float())
    with torch.autocast("cpu", torch.bfloat16):
        found = term(pred, true)
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)


def test_what_was_computed_in_inference_mode_does_not_stop_a_later_gradient():
    pred, true = pair(1, 1, 32, 32)
    with torch.inference_mode():
        laplacian(pred, true)
    laplacian(pred.requires_grad_(), true).backward()
    assert pred.grad.any()


@pytest.mark.parametrize("term", PICTURE_TERMS)
def test_the_mean_does_not_depend_on_the_number_of_pictures(term):
    pred, true = pair(1, 1, 32, 40)
    twice = term(pred.repeat(2, 1, 1, 1), true.repeat(2, 1, 1, 1))
    torch.testing.assert_close(twice, term(pred, true))


def test_shapes_that_would_spread_in_silence_are_refused():
    alpha, foreground = draw(2, 1, 8, 8), draw(2, 3, 8, 8)
    with pytest.raises(ValueError, match=r"\(2, 1, 8, 8\) and \(2, 8, 8\)"):
        alpha_l1(alpha, alpha[:, 0])
    with pytest.raises(ValueError, match=r"weight must be \(N, 1, H, W\)"):
        gradient(alpha, alpha, alpha[:1])
    with pytest.raises(ValueError, match="does not fit"):
        foreground_l1(foreground, foreground, alpha[:, 0])
    with pytest.raises(ValueError, match=r"\(B, T, C, H, W\)"):
        coherence(alpha, alpha)
    with pytest.raises(ValueError, match="differ in shape"):
        segmentation(alpha, alpha[..., 1:])


def test_shrinking_keeps_the_mean():
    picture = draw(1, 1, 12, 18)
    small = loss_terms.shrink(picture, (4, 6))
    torch.testing.assert_close(small, F.avg_pool2d(picture, 3))
