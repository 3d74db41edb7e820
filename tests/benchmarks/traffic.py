"""Traffic: the arithmetic that a call does, and the bytes that its operations read and write."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode


@dataclass
class Traffic:
    """FLOPs (two for a multiply-add, of convolutions and products) and bytes of all operations."""

    flops: int = 0
    bytes: int = 0


@contextmanager
def count_traffic() -> Iterator[Traffic]:
    """Count what is computed inside; the bytes are an estimate, as if no operation found anything in a cache.

    Views are free. What a compiled or captured network does inside is not seen.
    """
    traffic = Traffic()
    with FlopCounterMode(display=False) as flops, _Watch(traffic):
        yield traffic
    traffic.flops += flops.get_total_flops()


class _Watch(TorchDispatchMode):
    """Counts the bytes of every operation, and the FLOPs of oneDNN's fused convolutions, which torch leaves out."""

    def __init__(self, traffic: Traffic) -> None:
        super().__init__()
        self.traffic = traffic

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        read, written = _tensors((args, kwargs)), _tensors(made)
        places = {_place(tensor) for tensor in read}
        is_view = written and all(_place(tensor) in places for tensor in written)
        if not (is_view and not func._schema.is_mutable):
            self.traffic.bytes += sum(map(_size, read)) + sum(map(_size, written))
        if "_convolution_pointwise" in func._schema.name:
            weight = args[[argument.name for argument in func._schema.arguments].index("W")]
            self.traffic.flops += 2 * made.numel() * math.prod(weight.shape[1:])
        return made


def _tensors(tree: Any) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


def _place(tensor: torch.Tensor) -> int:
    """Return where a tensor lies; weights packed for oneDNN do not tell, and have no views."""
    return id(tensor) if tensor.is_mkldnn else tensor.untyped_storage().data_ptr()


def _size(tensor: torch.Tensor) -> int:
    """Return the bytes of a tensor's own elements; one that is expanded counts once."""
    if tensor.is_mkldnn:
        return tensor.numel() * tensor.element_size()
    n_elements = 1
    for length, stride in zip(tensor.shape, tensor.stride(), strict=True):
        n_elements *= length if stride else min(length, 1)
    return n_elements * tensor.element_size()


LIMITS = {"H200": {"bf16": 989.0, "fp16": 989.0, "fp32": 67.0, "gbs": 4800.0}}
"""From data sheets: dense TFLOP/s by precision (float32 without TF32), and GB/s of memory."""


def limits_of(chip: str | None, peak_tflops: float | None, peak_gbs: float | None) -> dict[str, float]:
    """Return a chip's limits: those that are named, else those of its data sheet where it is known."""
    known = next((dict(limits) for name, limits in LIMITS.items() if chip is not None and name in chip), {})
    if peak_tflops:
        known |= dict.fromkeys(("fp32", "bf16", "fp16"), peak_tflops)
    return known | ({"gbs": peak_gbs} if peak_gbs else {})


def shares(found: dict[str, Any], limits: dict[str, float]) -> dict[str, float | None]:
    """Return the shares of the chip's limits that a measured case reaches."""
    flops, traffic = limits.get(found["precision"]), limits.get("gbs")
    return {
        "share_flops": found["tflops"] / flops if flops else None,
        "share_bytes": found["gbs"] / traffic if traffic else None,
    }
