"""Teams of trainers on this machine, each in a process of its own, that speak by gloo."""

from __future__ import annotations

import contextlib
import hashlib
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed, nn

from matting_tasks.fit.compose import Pairs
from matting_tasks.fit.network import make_network
from matting_tasks.fit.objective import Objective, trained
from matting_tasks.fit.pictures import Pictures
from matting_tasks.fit.stages import Stage, resized, stages_of
from matting_tasks.fit.stream import Sources
from matting_tasks.fit.team import Team
from matting_tasks.fit.trainer import Training, Watch, train


def run_team(folder: Path, size: int, function: Callable[..., Any], *words: Any) -> list[Any]:
    """Return what function(team, *words) answers to each of a team."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(size, mp_context=spawn) as pool:
        asked = [pool.submit(_as_one, str(folder / "met"), Team(rank, size), function, words) for rank in range(size)]
        return [one.result() for one in asked]


def _as_one(met: str, team: Team, function: Callable[..., Any], words: tuple[Any, ...]) -> Any:
    torch.set_num_threads(1)
    place = {"init_method": f"file://{met}", "rank": team.rank, "world_size": team.size}
    distributed.init_process_group("gloo", timeout=timedelta(seconds=120), **place)  # type: ignore[arg-type]
    try:
        return function(team, *words)
    finally:
        distributed.destroy_process_group()


def stage_of(model: str, number: int = 0, **changes: Any) -> Stage:
    """Return a stage of a model, of 4 small examples."""
    stage = resized(stages_of(model)[number], 64, 64, 4)
    return type(stage)(**{name: getattr(stage, name) for name in stage.__slots__} | changes)


def random_pairs(n_examples: int, n_frames: int = 1, side: int = 64) -> Pairs:
    """Return pairs of noise, always the same."""
    drawn = torch.Generator().manual_seed(7)

    def noise(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=drawn)

    clip = (n_examples, n_frames)
    return Pairs(
        noise(*clip, 3, side, side),
        noise(n_examples, 3, side, side),
        noise(*clip, 1, side, side).round(),
        noise(*clip, 3, side, side),
    )


def gradients(team: Team, model: str, stage: Stage, pairs: Pairs) -> dict[str, Tensor]:
    """Return the gradients of one step on this trainer's share of pairs; BatchNorm takes what it knew before."""
    network = make_network(model, {}, "scratch", None, 0).eval()
    trained(network, stage)
    objective = team.spread(Objective(network, stage, torch.float32), False)
    own = Pairs(*(part[team.rank :: team.size] for part in pairs))
    objective(own, False)[0].backward()
    return {name: one.grad for name, one in network.named_parameters() if one.grad is not None}


def agreements(team: Team) -> dict[str, object]:
    """Return what a team says to each other, each of its own rank."""
    rank = float(team.rank)
    return {
        "mean": team.mean({"rank": rank, "twice": 2 * rank}),
        "longest": team.longest(rank),
        "one wants to stop": team.agrees(team.rank == 1),
        "none wants to stop": team.agrees(False),
        "same": team.all_have(5),
        "other": team.all_have(team.rank),
    }


def learned(team: Team, model: str, stages: tuple[Stage, ...], folder: Path, n_steps: int) -> dict[str, Any]:
    """Return what a trainer has after a training: a hash of its weights, and the names of losses that it was told."""
    network = make_network(model, {}, "scratch", None, 0)
    training = Training(stages, Sources(Pictures([]), Pictures([])), 0, "", folder, n_steps=n_steps, n_processes=0)
    told: list[dict[str, float]] = []
    ended = train(network, training, Watch(step=lambda done: told.append(done.losses)), team)
    return {"ended": ended, "weights": weights_hash(network), "told": told}


def refused(team: Team, stages: tuple[Stage, ...], folder: Path) -> str:
    """Return why a training is not begun by a team of which each has a folder of its own."""
    own = folder / str(team.rank)
    if team.leads:
        learned(Team(), "mattingbase-mobilenetv2", stages, own, 1)
    with contextlib.suppress(TypeError):
        distributed.barrier()
    try:
        learned(team, "mattingbase-mobilenetv2", stages, own, 1)
    except Exception as err:
        return f"{type(err).__name__}: {err}"
    return ""


def weights_hash(network: nn.Module) -> str:
    """Return a hash of all that learns in a network, without the statistics of BatchNorm."""
    parts = [one.detach().contiguous().numpy().tobytes() for _, one in sorted(network.named_parameters())]
    return hashlib.sha256(b"".join(parts)).hexdigest()
