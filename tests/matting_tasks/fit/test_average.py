"""The average: it follows the trained weights, quickly at first, and counts what is counted."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from matting_tasks.fit.average import Average


def network(value: float) -> nn.Module:
    made = nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1))
    for tensor in made.state_dict().values():
        tensor.fill_(value)
    return made


def test_it_begins_as_the_network_is_and_leaves_it_alone() -> None:
    trained = network(3)
    average = Average(trained)
    average.follow(network(5), step=0)
    assert all(float(tensor.flatten()[0]) == 3 for tensor in trained.state_dict().values())
    assert not average.network.training and not any(one.requires_grad for one in average.network.parameters())
    assert trained.training and all(one.requires_grad for one in trained.parameters())


def test_it_moves_by_its_share_with_statistics_and_takes_counts_as_they_are() -> None:
    average = Average(network(0), decay=0.9)
    average.follow(network(10), step=10**6)
    state = average.network.state_dict()
    for name in ("0.weight", "1.weight", "1.running_mean", "1.running_var"):
        assert float(state[name].flatten()[0]) == pytest.approx(1.0), name
    assert int(state["1.num_batches_tracked"]) == 10


def test_it_follows_faster_in_the_beginning() -> None:
    moved = []
    for step in (0, 20, 200, 10_000):
        average = Average(network(0))
        average.follow(network(1), step)
        moved.append(float(average.network.state_dict()["0.bias"]))
    assert moved == sorted(moved, reverse=True) and moved[0] > 0.5 and moved[-1] < 0.01


def test_what_stands_still_is_reached() -> None:
    average = Average(network(0))
    for step in range(200):
        average.follow(network(1), step)
    assert torch.allclose(average.network.state_dict()["0.weight"], torch.ones(()), atol=1e-3)
