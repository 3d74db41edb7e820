"""The team: what trainers that work on shares of the same batches say to each other; one alone needs to say nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import distributed, nn


@dataclass(frozen=True, slots=True)
class Team:
    """Name one trainer of `size`, 0 <= rank < size; the one of rank 0 leads: it alone writes and tells."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Tell whether this trainer writes and tells for all."""
        return self.rank == 0

    def check_shares(self, stage: str, n_examples: int) -> None:
        """Raise ValueError where a batch has no equal shares: the mean over the team would be that of no batch."""
        if n_examples % self.size:
            raise ValueError(
                f"stage {stage} has {n_examples} examples a step, which {self.size} workers cannot share equally: "
                f"choose a multiple of {self.size} with --examples"
            )

    def spread(self, objective: nn.Module, leaves_some: bool) -> Any:
        """Return a module whose gradients are the mean over the team; leaves_some: not every step needs all weights.

        All begin with the weights of rank 0. BatchNorm takes the statistics of its own share of a batch; before each
        step the running ones of rank 0 go to all, and it is these that are saved.
        """
        if self.size == 1:
            return objective
        return nn.parallel.DistributedDataParallel(objective, find_unused_parameters=leaves_some)

    def mean(self, numbers: dict[str, float]) -> dict[str, float]:
        """Return the means over the team of numbers of the same names."""
        if self.size == 1:
            return numbers
        values = torch.tensor(list(numbers.values()), dtype=torch.float64)
        distributed.all_reduce(values)
        return dict(zip(numbers, (values / self.size).tolist(), strict=True))

    def longest(self, seconds: float) -> float:
        """Return the largest number of the team, the same for all."""
        if self.size == 1:
            return seconds
        value = torch.tensor([seconds], dtype=torch.float64)
        distributed.all_reduce(value, op=distributed.ReduceOp.MAX)
        return float(value)

    def all_have(self, number: int) -> bool:
        """Tell whether all of the team have the same number, the same answer for all; |number| < 2^53."""
        return self.longest(number) == -self.longest(-number)

    def agrees(self, stop: bool) -> bool:
        """Tell whether anyone of the team wants to stop, the same for all."""
        return self.longest(float(stop)) > 0
