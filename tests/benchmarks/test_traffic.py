from __future__ import annotations

import pytest
import torch
from benchmarks.traffic import count_traffic, limits_of, shares
from torch.nn import functional as F


def test_a_convolution_counts_two_for_a_multiply_add() -> None:
    pictures, kernel = torch.zeros(1, 3, 8, 8), torch.zeros(5, 3, 3, 3)
    with count_traffic() as traffic:
        F.conv2d(pictures, kernel, padding=1)
    assert traffic.flops == 2 * 8 * 8 * 5 * 3 * 9
    assert traffic.bytes == 4 * (3 * 64 + 5 * 27 + 5 * 64)


def test_an_addition_reads_two_and_writes_one() -> None:
    one = torch.zeros(100, dtype=torch.bfloat16)
    with count_traffic() as traffic:
        _ = one + one
    assert traffic.bytes == 2 * 300
    assert traffic.flops == 0


def test_views_and_repeated_elements_cost_nothing() -> None:
    one = torch.zeros(4, 100)
    with count_traffic() as traffic:
        one.view(400).reshape(100, 4).permute(1, 0)
    assert traffic.bytes == 0
    wide = torch.zeros(1, 100).expand(4, 100)
    with count_traffic() as traffic:
        _ = one + wide
    assert traffic.bytes == 4 * (400 + 100 + 400)


def test_what_changes_in_place_is_read_and_written() -> None:
    one = torch.zeros(100)
    with count_traffic() as traffic:
        one.clamp_(0, 1)
    assert traffic.bytes == 800


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="no oneDNN")
def test_fused_convolutions_of_onednn_count_as_plain_ones_do() -> None:
    pictures, kernel = torch.zeros(1, 4, 8, 8), torch.zeros(6, 2, 3, 3)
    geometry = [1, 1], [1, 1], [1, 1], 2
    packed = torch.ops.mkldnn._reorder_convolution_weight(kernel, *geometry, list(pictures.shape))
    with count_traffic() as plain:
        F.conv2d(pictures, kernel, padding=1, groups=2)
    with count_traffic() as fused:
        torch.ops.mkldnn._convolution_pointwise(pictures, packed, None, *geometry, "relu", [], "")
    assert fused.flops == plain.flops > 0
    assert fused.bytes == plain.bytes


def test_shares_of_the_chip_are_told_where_its_limits_are_known() -> None:
    found = {"precision": "bf16", "tflops": 2.0, "gbs": 10.0}
    assert shares(found, limits_of(None, None, None)) == {"share_flops": None, "share_bytes": None}
    assert shares(found, limits_of(None, 8.0, 40.0)) == {"share_flops": 0.25, "share_bytes": 0.25}
    assert limits_of("NVIDIA H200", None, 40.0) == {"bf16": 989.0, "fp16": 989.0, "fp32": 67.0, "gbs": 40.0}
