"""The average: weights that follow the trained ones slowly, and matte better than they do at any moment."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import nn

DECAY = 0.998


class Average:
    """Keep an exponential moving average of a network, its BatchNorm statistics among it."""

    def __init__(self, network: nn.Module, decay: float = DECAY) -> None:
        """Begin with the network as it is."""
        self.network = deepcopy(network).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def follow(self, network: nn.Module, step: int) -> None:
        """Move towards a network after a step, counted from 0: faster in the beginning, when it still learns much."""
        share = 1 - min(self.decay, (1 + step) / (10 + step))
        ours, theirs = self.network.state_dict(), network.state_dict()
        floats = [name for name, tensor in ours.items() if tensor.is_floating_point()]
        torch._foreach_lerp_([ours[name] for name in floats], [theirs[name] for name in floats], share)
        for name in ours.keys() - set(floats):
            ours[name].copy_(theirs[name])
