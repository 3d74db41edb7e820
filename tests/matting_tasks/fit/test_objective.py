"""The objective: what is lowered in each stage, through which parts of a network, at which rates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from matting_tasks.fit.compose import Pairs
from matting_tasks.fit.objective import Objective, set_to_learn, trained
from matting_tasks.fit.stages import BASE_STAGE, RECURRENT_STAGES, REFINE_STAGE, REFINER_STAGE, Clips, Stage
from models.bgmv2 import MattingBase, MattingRefine
from models.losses import Truth, matting_base_loss, matting_refine_loss, rvm_loss
from models.rvm import MattingNetwork

SHORT, LONG, FULL, STILLS = (replace(stage, beside=None) for stage in RECURRENT_STAGES)
HALF = replace(FULL, downsample_ratio=0.5)


def make_pairs(n_frames: int = 1, side: int = 64, n: int = 2) -> Pairs:
    generator = torch.Generator().manual_seed(n_frames)
    frame, foreground = torch.rand(2, n, n_frames, 3, side, side, generator=generator)
    plate, alpha = torch.rand(n, 3, side, side, generator=generator), torch.zeros(n, n_frames, 1, side, side)
    alpha[..., side // 4 : -side // 4, side // 4 : -side // 4] = 1
    return Pairs(frame, plate, alpha, foreground)


def still(make: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    return make().eval()


def parts_with_gradients(network: nn.Module, stage: Stage, pairs: Pairs, is_segmentation: bool = False) -> set[str]:
    network.zero_grad(set_to_none=True)
    trained(network, stage)
    total, _ = Objective(network.train(), stage, torch.float32)(pairs, is_segmentation)
    total.backward()
    return {name.partition(".")[0] for name, one in network.named_parameters() if one.grad is not None}


@pytest.fixture(scope="module")
def recurrent() -> nn.Module:
    return still(MattingNetwork)


def test_the_base_stage_lowers_the_loss_of_the_base_network_alone() -> None:
    network, pairs = still(lambda: MattingRefine("mobilenetv2")), make_pairs()
    total, parts = Objective(network, BASE_STAGE, torch.float32)(pairs, False)
    out = MattingBase.forward(network, pairs.frame[:, 0], pairs.plate)
    wanted = matting_base_loss(out, Truth(pairs.alpha[:, 0], pairs.foreground[:, 0]), BASE_STAGE.weights)
    assert total.detach() == pytest.approx(float(wanted.total.detach()), rel=1e-5) and set(parts) == set(wanted.parts)
    assert parts_with_gradients(network, BASE_STAGE, pairs) == {"backbone", "aspp", "decoder"}


def test_the_refine_stage_lowers_the_loss_of_all() -> None:
    network, pairs = still(lambda: MattingRefine("mobilenetv2", 0.25, "full")), make_pairs(side=128)
    total, parts = Objective(network, REFINE_STAGE, torch.float32)(pairs, False)
    out = network(pairs.frame[:, 0], pairs.plate)
    wanted = matting_refine_loss(out, Truth(pairs.alpha[:, 0], pairs.foreground[:, 0]), REFINE_STAGE.weights)
    assert total.detach() == pytest.approx(float(wanted.total.detach()), rel=1e-5) and "coarse_error" in parts
    assert parts_with_gradients(network, REFINE_STAGE, pairs) == {"backbone", "aspp", "decoder", "refiner"}


def test_a_refiner_alone_that_no_cell_is_given_learns_nothing_and_fails_nowhere() -> None:
    network = still(lambda: MattingRefine("mobilenetv2", 0.25, "thresholding", refine_threshold=1.0))
    (group,) = trained(network, REFINER_STAGE)
    total, _ = Objective(network, REFINER_STAGE, torch.float32)(make_pairs(), False)
    total.backward()
    assert total.isfinite() and all(not one.grad.any() for one in group["params"])


def test_a_refiner_that_learns_alone_changes_nothing_else() -> None:
    network, pairs = still(lambda: MattingRefine("mobilenetv2", 0.25, "full")), make_pairs(side=128)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    optimizer = torch.optim.AdamW(trained(network, REFINER_STAGE), 1e-2)
    assert [group["highest"] for group in optimizer.param_groups] == [REFINER_STAGE.refiner_rate]
    set_to_learn(network, REFINER_STAGE)
    Objective(network, REFINER_STAGE, torch.float32)(pairs, False)[0].backward()
    optimizer.step()
    changed = {key for key, value in network.state_dict().items() if not torch.equal(value, before[key])}
    parameters = {f"refiner.{name}" for name, _ in network.refiner.named_parameters()}
    assert changed and changed <= parameters  # and no statistics, by which it is used as it learned


def test_clips_are_seen_from_an_empty_memory_each(recurrent: nn.Module) -> None:
    pairs, objective = make_pairs(3), Objective(recurrent.eval(), SHORT, torch.float32)
    with torch.no_grad():
        first, parts = objective(pairs, False)
        again, _ = objective(pairs, False)
        foreground, alpha, *_ = recurrent(pairs.frame)
    wanted = rvm_loss(alpha, foreground, Truth(pairs.alpha, pairs.foreground), SHORT.weights)
    assert first == again and first == pytest.approx(float(wanted.total.detach()), rel=1e-5)
    assert {"alpha", "laplacian", "coherence", "foreground", "foreground_coherence"} == set(parts)


@pytest.mark.parametrize(
    ("stage", "n_frames", "is_segmentation", "learns"),
    [
        (SHORT, 3, False, {"project_mat"}),
        (SHORT, 3, True, {"project_seg"}),
        (HALF, 2, False, {"project_mat", "refiner"}),
        (HALF, 2, True, {"project_seg"}),
        (replace(STILLS, downsample_ratio=0.5), 1, False, {"project_mat", "refiner"}),
    ],
)
def test_the_guided_filter_learns_at_full_size_and_the_heads_in_turns(
    recurrent: nn.Module, stage: Stage, n_frames: int, is_segmentation: bool, learns: set[str]
) -> None:
    found = parts_with_gradients(recurrent, stage, make_pairs(n_frames), is_segmentation)
    assert found == {"backbone", "aspp", "decoder"} | learns


def test_long_clips_beside_full_size_ones_are_seen_whole(recurrent: nn.Module) -> None:
    stage = replace(HALF, beside=Clips(4, 32, 64))
    assert "refiner" not in parts_with_gradients(recurrent, stage, make_pairs(4))
    assert "refiner" in parts_with_gradients(recurrent, stage, make_pairs(2))


def test_segmentation_compares_masks_at_the_size_that_is_looked_at(recurrent: nn.Module) -> None:
    pairs = make_pairs(2)
    with torch.no_grad():
        logits: Tensor = recurrent.eval()(pairs.frame, downsample_ratio=0.5, segmentation_pass=True)[0]
        total, parts = Objective(recurrent, HALF, torch.float32)(pairs, True)
    mask = nn.functional.avg_pool2d((pairs.alpha[:, :, 0] > 0.5).float(), 2)[:, :, None]
    wanted = nn.functional.binary_cross_entropy_with_logits(logits, mask)
    assert total == pytest.approx(float(wanted), rel=1e-4) and list(parts) == ["segmentation"]


@pytest.mark.parametrize("stage", [SHORT, HALF])
def test_bfloat16_gives_nearly_the_same_loss_and_finite_gradients(recurrent: nn.Module, stage: Stage) -> None:
    pairs, totals = make_pairs(2), []
    for precision in (torch.float32, torch.bfloat16):
        recurrent.zero_grad()
        total, _ = Objective(recurrent.train(), stage, precision)(pairs, False)
        total.backward()
        assert total.dtype == torch.float32
        totals.append(float(total.detach()))
        assert all(one.grad is None or one.grad.isfinite().all() for one in recurrent.parameters())
    assert totals[1] == pytest.approx(totals[0], rel=0.02)


def test_each_part_has_its_rate(recurrent: nn.Module) -> None:
    names = {id(one): name.partition(".")[0] for name, one in recurrent.named_parameters()}
    rates = {names[id(one)]: group["highest"] for group in trained(recurrent, FULL) for one in group["params"]}
    assert rates["backbone"] == FULL.backbone_rate and rates["refiner"] == FULL.refiner_rate
    assert {rates[part] for part in ("aspp", "decoder", "project_mat", "project_seg")} == {FULL.rate}
    rates = {names[id(one)]: group["highest"] for group in trained(recurrent, SHORT) for one in group["params"]}
    assert rates["refiner"] == SHORT.rate
    assert sum(len(group["params"]) for group in trained(recurrent, FULL)) == len(names)
