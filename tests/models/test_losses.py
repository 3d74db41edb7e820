"""What networks are trained to lower: the sum of its terms, and lower after some steps on one example."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from models import loss_terms
from models.bgmv2 import MattingBase, MattingRefine
from models.losses import BGMV2, RVM, LossWeights, Truth, matting_base_loss, matting_refine_loss, rvm_loss
from models.rvm import MattingNetwork
from models.trimaps import known_unknown

ALL = LossWeights(1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0)


def draw(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def layers(*lead, height=64, width=80):
    """Return a truth with its frame and background, (*lead, C, H, W)."""
    alpha, background = torch.zeros(*lead, 1, height, width), draw(*lead, 3, height, width, seed=1)
    alpha[..., 20:50, 24:60] = 1
    alpha[..., 50:54, 24:60] = 0.5
    foreground = draw(*lead, 3, height, width, seed=2)
    return Truth(alpha, foreground, alpha * foreground + (1 - alpha) * background, background)


def weighted(losses, weights):
    return sum(getattr(weights, name.removeprefix("coarse_")) * value.item() for name, value in losses.parts.items())


def test_base_loss_is_the_weighted_sum_of_its_parts():
    truth = layers(2)
    pred = SimpleNamespace(pha=draw(2, 1, 64, 80), fgr=draw(2, 3, 64, 80, seed=3), err=draw(2, 1, 64, 80, seed=4))
    losses = matting_base_loss(pred, truth, ALL)
    assert losses.total.item() == pytest.approx(weighted(losses, ALL), rel=1e-5)
    assert set(losses.parts) == {"alpha", "gradient", "laplacian", "foreground", "composition", "error"}
    assert losses.parts["gradient"].item() == pytest.approx(loss_terms.gradient(pred.pha, truth.alpha).item())
    assert losses.parts["error"].item() == loss_terms.error_map(pred.err, pred.pha, truth.alpha).item()
    assert losses.parts["foreground"].item() == loss_terms.foreground_l1(pred.fgr, truth.foreground, truth.alpha).item()


def test_published_weights_leave_out_what_the_papers_do_not_have():
    truth = layers(1)
    pred = SimpleNamespace(pha=truth.alpha, fgr=truth.foreground, err=torch.zeros_like(truth.alpha))
    assert set(matting_base_loss(pred, truth, BGMV2).parts) == {"alpha", "gradient", "foreground", "error"}
    clips = layers(1, 3)
    found = rvm_loss(clips.alpha, clips.foreground, clips, RVM)
    assert set(found.parts) == {"alpha", "laplacian", "foreground", "coherence", "foreground_coherence"}


def test_the_truth_has_no_loss():
    truth = layers(2)
    pred = SimpleNamespace(pha=truth.alpha, fgr=truth.foreground, err=torch.zeros_like(truth.alpha))
    assert matting_base_loss(pred, truth, ALL).total.item() == pytest.approx(0, abs=1e-6)
    clips = layers(2, 3)
    assert rvm_loss(clips.alpha, clips.foreground, clips, ALL).total.item() == pytest.approx(0, abs=1e-6)
    small = {f"{name}_sm": loss_terms.shrink(part, (16, 20)) for name, part in vars(pred).items()}
    refined = SimpleNamespace(**vars(pred), **small)
    assert matting_refine_loss(refined, truth, ALL).total.item() == pytest.approx(0, abs=1e-6)


def test_refine_loss_holds_the_coarse_result_against_the_truth_at_its_size():
    truth = layers(1)
    pred = SimpleNamespace(
        pha=draw(1, 1, 64, 80),
        fgr=draw(1, 3, 64, 80, seed=3),
        pha_sm=draw(1, 1, 16, 20, seed=4),
        fgr_sm=draw(1, 3, 16, 20, seed=5),
        err_sm=draw(1, 1, 16, 20, seed=6),
    )
    losses = matting_refine_loss(pred, truth, ALL)
    assert losses.total.item() == pytest.approx(weighted(losses, ALL), rel=1e-5)
    small = loss_terms.shrink(truth.alpha, (16, 20))
    assert losses.parts["coarse_alpha"].item() == pytest.approx((pred.pha_sm - small).abs().mean().item())
    assert losses.parts["coarse_error"].item() == loss_terms.error_map(pred.err_sm, pred.pha_sm, small).item()
    assert losses.parts["alpha"].item() == pytest.approx((pred.pha - truth.alpha).abs().mean().item())


def test_rvm_loss_counts_the_change_five_times():
    clips, still = layers(2, 3), replace(RVM, coherence=0.0, foreground_coherence=0.0)
    alpha, foreground = draw(2, 3, 1, 64, 80), draw(2, 3, 3, 64, 80, seed=3)
    change = loss_terms.coherence(alpha, clips.alpha)
    change = change + loss_terms.foreground_coherence(foreground, clips.foreground, clips.alpha)
    difference = rvm_loss(alpha, foreground, clips).total - rvm_loss(alpha, foreground, clips, still).total
    assert difference.item() == pytest.approx(5 * change.item(), rel=1e-4)


def test_errors_near_the_edge_weigh_more_when_asked():
    truth = layers(1)
    near, far = truth.alpha.clone(), truth.alpha.clone()
    near[..., 18, 30:40] = 1
    far[..., 2, 30:40] = 1
    weights = LossWeights(unknown=4.0, unknown_radius_px=4, gradient=0.0, foreground=0.0, error=0.0)

    def lost(alpha):
        pred = SimpleNamespace(pha=alpha, fgr=truth.foreground, err=torch.zeros_like(alpha))
        return matting_base_loss(pred, truth, weights).total.item()

    assert lost(near) == pytest.approx(4 * lost(far), rel=1e-5)
    weight = known_unknown(truth.alpha, 4, 4.0)
    assert lost(near) == pytest.approx(loss_terms.alpha_l1(near, truth.alpha, weight).item())


def test_composition_without_its_layers_is_refused():
    truth = layers(1)
    bare = replace(truth, frame=None)
    pred = SimpleNamespace(pha=truth.alpha, fgr=truth.foreground, err=truth.alpha)
    with pytest.raises(ValueError, match="needs the frame and the background"):
        matting_base_loss(pred, bare, ALL)


def test_weights_that_are_all_zero_are_refused():
    truth = layers(1)
    pred = SimpleNamespace(pha=truth.alpha, fgr=truth.foreground, err=truth.alpha)
    with pytest.raises(ValueError, match="no loss has a weight"):
        matting_base_loss(pred, truth, LossWeights(alpha=0, gradient=0, error=0, foreground=0))


def lowered(network, compute, n_steps=6):
    """Return the first and the last loss of some steps on one example."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    values = []
    for _ in range(n_steps):
        optimizer.zero_grad()
        loss = compute().total
        loss.backward()
        optimizer.step()
        values.append(loss.item())
    return values[0], values[-1]


@pytest.mark.parametrize(
    ("network", "compute_loss"), [(MattingBase, matting_base_loss), (MattingRefine, matting_refine_loss)]
)
def test_a_network_with_plate_learns_one_example(network, compute_loss):
    torch.manual_seed(0)
    network, truth = network("mobilenetv2").train(), layers(2)
    weights = replace(BGMV2, laplacian=0.5, unknown=2.0)
    first, last = lowered(network, lambda: compute_loss(network(truth.frame, truth.background), truth, weights))
    assert last < 0.9 * first


def test_a_recurrent_network_learns_one_clip():
    torch.manual_seed(0)
    network, clips = MattingNetwork("mobilenetv3").train(), layers(1, 3)

    def compute():
        foreground, alpha, *_ = network(clips.frame)
        return rvm_loss(alpha, foreground, clips)

    first, last = lowered(network, compute)
    assert last < 0.9 * first
