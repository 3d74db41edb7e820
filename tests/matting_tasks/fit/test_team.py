from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from fit_teams import agreements, gradients, learned, random_pairs, refused, run_team, stage_of

from matting_tasks.fit.loader import Share
from matting_tasks.fit.network import make_network
from matting_tasks.fit.objective import trained
from matting_tasks.fit.team import Team

BASE, REFINE, RVM = "mattingbase-mobilenetv2", "mattingrefine-mobilenetv2", "rvm-mobilenetv3"


@pytest.mark.parametrize("n_examples", [2, 4, 6])
def test_shares_of_a_batch_are_equal_and_are_all_of_it(n_examples: int) -> None:
    shares = [list(Share(rank, 2).own(n_examples)) for rank in range(2)]
    assert sorted(shares[0] + shares[1]) == list(range(n_examples))
    assert len(shares[0]) == len(shares[1])


def test_a_batch_that_cannot_be_shared_equally_is_refused() -> None:
    Team(0, 2).check_shares("base", 8)
    with pytest.raises(ValueError, match="stage base has 9 examples a step, which 2 workers cannot share equally"):
        Team(0, 2).check_shares("base", 9)


def test_one_alone_agrees_with_itself() -> None:
    alone = Team()
    assert alone.mean({"loss": 3.0}) == {"loss": 3.0} and alone.agrees(True) and not alone.agrees(False)
    assert alone.all_have(3)


def _talk(team: Team, folder: Path) -> dict[str, Any]:
    """Do all that needs two processes in one start of them."""
    base = stage_of(BASE)
    two_stages = stage_of(REFINE), stage_of(REFINE, 1)
    clips = (stage_of(RVM, n_frames=2, n_examples=2, segmentation_every=2),)
    return {
        "said": agreements(team),
        "gradients": gradients(team, BASE, base, random_pairs(4)),
        "refine": learned(team, REFINE, two_stages, folder / "refine", 4),
        "clips": learned(team, RVM, clips, folder / "clips", 3),
        "refused": refused(team, (base,), folder / "own"),
    }


@pytest.fixture(scope="module")
def talked(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("team")
    return run_team(folder, 2, _talk, folder)


def test_two_say_the_same(talked: list[dict[str, Any]]) -> None:
    assert talked[0]["said"] == talked[1]["said"]
    assert talked[0]["said"] == {
        "mean": {"rank": 0.5, "twice": 1.0},
        "longest": 1.0,
        "one wants to stop": True,
        "none wants to stop": False,
        "same": True,
        "other": False,
    }


def test_gradients_of_two_are_those_of_one(talked: list[dict[str, Any]]) -> None:
    alone = gradients(Team(), BASE, stage_of(BASE), random_pairs(4))
    assert any(one.abs().max() > 1e-4 for one in alone.values())
    for found in (talked[0]["gradients"], talked[1]["gradients"]):
        assert found.keys() == alone.keys()
        for name, expected in alone.items():
            torch.testing.assert_close(found[name], expected, rtol=1e-3, atol=1e-5, msg=name)


@pytest.mark.parametrize("number", [0, 1])
def test_all_weights_that_learn_have_a_gradient_in_each_step(number: int) -> None:
    """A team waits for all of them."""
    stage = stage_of("mattingrefine-resnet50", number)
    found = gradients(Team(), "mattingrefine-resnet50", stage, random_pairs(1, side=128))
    network = make_network("mattingrefine-resnet50", {}, "scratch", None, 0)
    trained(network, stage)
    assert found.keys() == {name for name, one in network.named_parameters() if one.requires_grad}


@pytest.mark.parametrize("what", ["refine", "clips"])
def test_two_have_the_same_weights_after_each_stage(talked: list[dict[str, Any]], what: str) -> None:
    first, second = talked[0][what], talked[1][what]
    assert first["ended"] and second["ended"]
    assert first["weights"] == second["weights"]
    assert len(first["told"]) == {"refine": 4, "clips": 3}[what] and not second["told"]  # the first tells for all


def test_a_folder_that_is_not_shared_is_refused(talked: list[dict[str, Any]]) -> None:
    for one in talked:
        assert one["refused"].startswith("UsageError") and "is not the same for all workers" in one["refused"]
