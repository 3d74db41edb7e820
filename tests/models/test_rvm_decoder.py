"""What the recurrent units remember, told by gates that are fixed open or shut."""

import pytest
import torch

from models.rvm_decoder import BottleneckBlock, ConvGru, UpsamplingBlock

OPEN, SHUT = 100.0, -100.0


def unit(reset: float, update: float) -> ConvGru:
    torch.manual_seed(0)
    gru = ConvGru(3)
    gru.ih[0].weight.data.zero_()
    gru.ih[0].bias.data.copy_(torch.tensor([reset] * 3 + [update] * 3))
    return gru.requires_grad_(False)


def test_a_shut_update_gate_keeps_the_state():
    state = torch.rand(2, 3, 5, 4)
    out, after = unit(OPEN, SHUT)(torch.rand(2, 2, 3, 5, 4), state)
    assert torch.equal(after, state) and torch.equal(out, torch.stack([state, state], dim=1))


def test_a_shut_reset_gate_forgets_the_state():
    x, state = torch.rand(2, 1, 3, 5, 4), torch.rand(2, 3, 5, 4)
    forgets, remembers = unit(SHUT, OPEN), unit(OPEN, OPEN)
    assert torch.equal(forgets(x, state)[1], forgets(x, None)[1])
    assert not torch.allclose(remembers(x, state)[1], remembers(x, None)[1], atol=1e-3)


def test_no_state_is_a_state_of_zeros():
    x = torch.rand(1, 3, 3, 5, 4)
    gru = ConvGru(3).requires_grad_(False)
    for found, expected in zip(gru(x, None), gru(x, torch.zeros(1, 3, 5, 4)), strict=True):
        assert torch.equal(found, expected)


@torch.no_grad()
def test_only_the_second_half_of_the_channels_is_remembered():
    x = torch.rand(6, 8, 5, 4)
    out, state = BottleneckBlock(8)(x, 3, None)
    assert torch.equal(out[:, :4], x[:, :4]) and not torch.equal(out[:, 4:], x[:, 4:])
    assert state.shape == (2, 4, 5, 4) and torch.equal(out[[2, 5], 4:], state)


@pytest.mark.parametrize("size", [(9, 7), (10, 8), (9, 8)])
@torch.no_grad()
def test_upsampling_fits_odd_sizes(size):
    skips = torch.rand(2, 5, *size), torch.rand(2, 3, *size)
    out, state = UpsamplingBlock(6, 5, 4).eval()(torch.rand(2, 6, 5, 4), skips, 1, None)
    assert out.shape == (2, 4, *size) and state.shape == (2, 2, *size)
