"""Clamping: the values of a plain clamp, and a gradient that leads back inside."""

from __future__ import annotations

import pytest
import torch

from models.clamping import unit_clamp

X = (-2.0, -0.1, 0.0, 0.3, 1.0, 1.2, 5.0)


def test_values_are_those_of_a_clamp_with_and_without_gradients() -> None:
    x = torch.tensor(X, requires_grad=True)
    assert torch.equal(unit_clamp(x), x.clamp(0, 1))
    with torch.no_grad():
        assert torch.equal(unit_clamp(x), x.clamp(0, 1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_value_outside_learns_only_where_it_is_led_back_inside(dtype: torch.dtype) -> None:
    x = torch.tensor(X, dtype=dtype, requires_grad=True)
    # a step goes against the gradient: this one raises all
    (raised,) = torch.autograd.grad(unit_clamp(x).sum() * -1, x)
    (lowered,) = torch.autograd.grad(unit_clamp(x).sum(), x)
    assert raised.tolist() == [-1, -1, -1, -1, -1, 0, 0]
    assert lowered.tolist() == [0, 0, 1, 1, 1, 1, 1]


def test_a_pixel_once_far_outside_is_brought_to_the_truth() -> None:
    x = torch.tensor([-3.0, 4.0], requires_grad=True)
    optimizer = torch.optim.SGD([x], lr=0.05)
    for _ in range(200):
        optimizer.zero_grad()
        (unit_clamp(x) - torch.tensor([0.6, 0.4])).abs().sum().backward()
        optimizer.step()
    assert torch.allclose(x.detach(), torch.tensor([0.6, 0.4]), atol=0.06)


def test_what_should_stay_outside_does_not_run_away() -> None:
    x = torch.tensor([-0.5, 1.5], requires_grad=True)
    (unit_clamp(x) - torch.tensor([-1.0, 2.0])).abs().sum().backward()
    assert x.grad is not None and x.grad.tolist() == [0, 0]
