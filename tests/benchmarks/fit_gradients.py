"""Compare the gradients of a network in a reduced precision with those in float32, stage by stage, layer by layer.

Run: python tests/benchmarks/fit_gradients.py [--model mattingrefine-mobilenetv2] [--weights FILE] [--precision bf16]
     [--stages refine] [--side PX] [--lines 5] [--json FILE]

One batch of each stage, at the largest sides that it has: there a kernel once computed gradients of nothing, and
smaller ones showed nothing. Of each layer's weights: the cosine of its two gradients, the ratio of their norms, and
whether the gradient is the same when it is computed again after memory was filled with rubbish. Where the cosine is far
below that of its neighbours, or the second gradient another one, do not train before you know why.

What rounding alone does depends on where the network is. From noise with a BatchNorm that learns, weights changed by
2^-9 leave in float32 itself a median cosine of 0.2: compare base and clips with `--weights`. A layer that has learned
has small sums of large parts for a gradient: compare refine and refiner from noise too, where its cosines are 0.98.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from benchmarks.machine import Report, Table, finish
from torch import Tensor, nn

from matting_tasks.device import DTYPES, keep_memory
from matting_tasks.fit.compose import Batch, compose
from matting_tasks.fit.network import make_network
from matting_tasks.fit.objective import Objective, set_to_learn, trained
from matting_tasks.fit.pictures import Pictures
from matting_tasks.fit.plan import SCRATCH
from matting_tasks.fit.stages import Stage, choose, resized, stages_of
from matting_tasks.fit.stream import Sources, StreamSettings, make_turn

RUBBISH = 1e30
RUBBISH_SIZES = (960 * 9, 10**4, 10**5, 10**6)  # numbers: small enough for the allocator to give them out again


@dataclass(frozen=True)
class Layer:
    """Say how a layer's gradient in a reduced precision compares with that in float32."""

    name: str
    cosine: float
    norm_ratio: float
    is_same_again: bool


def compare(network: nn.Module, stage: Stage, precision: torch.dtype) -> list[Layer]:
    """Return the layers that learn in a stage, by the gradients of their weights, the least alike first."""
    settings = StreamSettings(0, 2, stage.n_frames, stage.most_px, stage.most_px)
    (batch,) = make_turn(settings, Sources(Pictures([]), Pictures([])), 0, range(2), 1)
    trained(network, stage)
    true = dict(gradients(network, stage, torch.float32, batch))
    fill_memory()
    found = dict(gradients(network, stage, precision, batch))
    fill_memory()
    again = dict(gradients(network, stage, precision, batch))
    layers = []
    for name, gradient in true.items():
        norm, found_norm = gradient.norm(), found[name].norm()
        # those of biases before a BatchNorm are 0 but for rounding
        if gradient.ndim > 1 and norm > 0:
            cosine = float((gradient / norm * (found[name] / found_norm)).sum())
            is_same_again = torch.equal(found[name], again[name])
            layers.append(Layer(name, cosine, float(found_norm / norm), is_same_again))
    return sorted(layers, key=lambda layer: (layer.is_same_again, layer.cosine))


def gradients(network: nn.Module, stage: Stage, precision: torch.dtype, batch: Batch) -> Iterator[tuple[str, Tensor]]:
    """Give the gradient of each parameter that has one; the network's statistics stay as they are."""
    network.zero_grad(set_to_none=True)
    torch.manual_seed(0)
    pairs = compose(batch)
    set_to_learn(network, stage)
    statistics = [buffer.clone() for buffer in network.buffers()]
    total, _ = Objective(network, stage, precision)(pairs, False)
    total.backward()
    for buffer, before in zip(network.buffers(), statistics, strict=True):
        buffer.copy_(before)
    for name, parameter in network.named_parameters():
        if parameter.grad is not None:
            yield name, parameter.grad.clone()


def fill_memory() -> None:
    """Leave rubbish in what the allocator will give out next."""
    for _ in range(20):
        kept = [torch.full((size,), RUBBISH) for size in RUBBISH_SIZES]
        del kept


def table_of(stage: Stage, layers: list[Layer], n_lines: int) -> Table:
    """Return the layers that are the least alike."""
    rows = [(one.name, one.cosine, one.norm_ratio, "yes" if one.is_same_again else "NO") for one in layers[:n_lines]]
    middle = sorted(one.cosine for one in layers)[len(layers) // 2]
    title = f"Stage {stage.name}, sides of {stage.most_px} px: {len(layers)} layers, median cosine {middle:.3f}"
    return Table(title, ("least alike", "cosine", "norm / float32's", "same again"), rows)


def main() -> None:
    words = _parse()
    keep_memory()
    parameters: dict[str, Any] = {"backbone_scale": "auto"} if words.model.startswith("mattingrefine") else {}
    tables, results = [], {}
    for stage in choose(stages_of(words.model), tuple(words.stages)):
        network = make_network(words.model, parameters, words.weights or SCRATCH, None, 0)
        sized = resized(stage, words.side, words.side, None)
        # two clips of a few frames tell as much as two long ones
        layers = compare(network, replace(sized, n_frames=min(sized.n_frames, 3)), DTYPES[words.precision])
        tables.append(table_of(sized, layers, words.lines))
        results[stage.name] = [vars(layer) for layer in layers]
    finish(Report("fit_gradients", vars(words), results, tables), words.json)


def _parse() -> Any:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mattingrefine-mobilenetv2")
    parser.add_argument("--weights", help="a checkpoint; noise without")
    parser.add_argument("--precision", choices=("bf16", "fp16"), default="bf16")
    parser.add_argument("--stages", nargs="*", default=())
    parser.add_argument("--side", type=int, help="of pictures, px; the largest of each stage without")
    parser.add_argument("--lines", type=int, default=5)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
