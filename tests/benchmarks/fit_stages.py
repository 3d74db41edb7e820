"""Train every stage of a model on a small world, and say whether each lowers its loss.

Run: python tests/benchmarks/fit_stages.py [--model rvm-mobilenetv3] [--steps 330] [--small 96:160] [--large 192:256]
     [--frames 6,10,3] [--examples 2] [--ratio 0.5] [--rate 4] [--held-out 6] [--precision fp32|bf16] [--json FILE]

The steps are those of all stages together, as many for each. These are the stages of `matting_tasks.fit.stages` but
for sizes and rates: `--small` is of the base network and of clips seen whole, `--large` of what goes through a refiner
or a guided filter, `--frames` of short, long and full-size clips. All begins from noise, where the published backbones
know pictures: so the rates of the first stage are `--rate` times as high, the backbone learns as fast as the rest, and
statistics follow within some ten steps. All people are four that come again and again, and all backgrounds are pieces
of two plates, each time placed, lit and disturbed anew. Held-out pairs are the same before and after a stage, and no
stage learns from them.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import cv2
import numpy as np
import torch
from benchmarks.machine import Report, Table, finish
from torch import nn

from matting_tasks.fit.backgrounds import draw_wall
from matting_tasks.fit.compose import Pairs, compose
from matting_tasks.fit.network import make_network
from matting_tasks.fit.objective import Objective
from matting_tasks.fit.people import draw_person
from matting_tasks.fit.pictures import Pictures
from matting_tasks.fit.plan import SCRATCH
from matting_tasks.fit.records import Cutout
from matting_tasks.fit.stages import REFINE, Clips, Stage, stages_of
from matting_tasks.fit.stream import Sources, StreamSettings, make_turn
from matting_tasks.fit.trainer import StepDone, Training, Watch, train
from matting_tasks.fit.validation import stage_size, validate

N_PEOPLE, N_PLATES = 4, 2
SEED = 1_000_003  # of the held-out pairs: not those by which the rates of the stages were chosen
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}
COLUMNS = ("stage", "steps", "loss, first tenth", "last tenth", "held-out loss", "after", "held-out MAD", "after")


@dataclass(frozen=True)
class Sizes:
    """How small all is: sides from least to most px, frames of clips, examples of a step; rate raises the rates."""

    small: tuple[int, int] = (96, 160)
    large: tuple[int, int] = (192, 256)
    n_frames: tuple[int, int, int] = (6, 10, 3)
    n_examples: int = 2
    ratio: float = 0.5
    rate: float = 4.0


@dataclass
class Learned:
    """What became of a stage: its losses step by step, without those of segmentation, and two judgements."""

    stage: str
    losses: list[float] = field(default_factory=list)
    segmentation: list[float] = field(default_factory=list)
    held_losses: list[float] = field(default_factory=list)
    held_mads: list[float] = field(default_factory=list)

    @property
    def n_steps(self) -> int:
        """Return how many steps it had."""
        return len(self.losses) + len(self.segmentation)

    def ends(self) -> tuple[float, float]:
        """Return the mean loss of the first and of the last tenth of the steps."""
        n = max(1, len(self.losses) // 10)
        return statistics.mean(self.losses[:n]), statistics.mean(self.losses[-n:])


def small_stages(model: str, sizes: Sizes) -> Iterator[Stage]:
    """Give the stages of a model at these sizes."""
    short, long, full = sizes.n_frames
    n_frames = {"short clips": short, "long clips": long, "full size": full}
    for number, stage in enumerate(stages_of(model)):
        factor = 1.0 if number else sizes.rate
        is_large = stage.kind == REFINE or stage.downsample_ratio < 1
        least, most = sizes.large if is_large else sizes.small
        yield replace(
            stage,
            share=1.0,
            n_examples=sizes.n_examples,
            n_frames=n_frames.get(stage.name, 1),
            least_px=least,
            most_px=most,
            rate=factor * stage.rate,
            backbone_rate=factor * stage.rate,
            downsample_ratio=sizes.ratio if stage.downsample_ratio < 1 else 1.0,
            beside=None if stage.beside is None else Clips(long, *sizes.small),
        )


def small_world(folder: Path) -> Sources:
    """Make a world with four people and two plates, which are written to the folder."""
    for number in range(N_PLATES):
        wall = draw_wall(np.random.default_rng([5, number]), Pictures([]), (256, 256))
        cv2.imwrite(str(folder / f"plate{number}.png"), cv2.cvtColor(wall, cv2.COLOR_RGB2BGR))
    plates = Pictures([folder / f"plate{number}.png" for number in range(N_PLATES)])

    def find(rng: np.random.Generator, size: tuple[int, int], n_frames: int) -> Cutout:
        who = int(rng.integers(N_PEOPLE))
        return draw_person(np.random.default_rng([6, who]), Pictures([]), size, n_frames)

    return Sources(Pictures([]), plates, find)


def new_network(model: str) -> nn.Module:
    """Make a network of noise whose statistics need no thousand steps to be true."""
    network = make_network(model, {}, SCRATCH, None, seed=0)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 0.1
    return network


class Judge:
    """Judge each stage where it begins and where it ends, and keep its losses."""

    def __init__(self, sources: Sources, n_held_out: int) -> None:
        self.sources, self.n_held_out = sources, n_held_out
        self.learned: dict[str, Learned] = {}
        self.held: dict[str, list[Pairs]] = {}

    def step(self, done: StepDone) -> None:
        """Keep the loss of a step."""
        one = self.learned[done.stage]
        (one.segmentation if "segmentation" in done.losses else one.losses).append(done.losses["total"])

    def validate(self, network: nn.Module, stage: Stage, step: int) -> None:
        """Judge the average of the weights on what is held out."""
        one = self.learned.setdefault(stage.name, Learned(stage.name))
        if stage.name not in self.held:
            self.held[stage.name] = held_out_of(self.sources, stage, self.n_held_out)
        held = self.held[stage.name]
        found = validate(network, held, stage=stage)  # type: ignore[arg-type]
        one.held_losses.append(loss_of(network, stage, held))
        one.held_mads.append(found.whole.mad or 0.0)
        print(
            f"{stage.name}, step {step}: held-out loss {one.held_losses[-1]:.4f}, MAD {one.held_mads[-1]:.1f}",
            flush=True,
        )


def held_out_of(sources: Sources, stage: Stage, n: int) -> list[Pairs]:
    """Make n held-out pairs of the small world, of the size and length of a stage."""
    side = stage_size(stage)
    settings = StreamSettings(SEED, 1, stage.n_frames, side, side, plate_share=1.0, found_share=1.0)
    held = []
    for number in range(n):
        torch.manual_seed(SEED + number)
        held.append(compose(make_turn(settings, sources, number, range(1))[0]))
    return held


@torch.no_grad()
def loss_of(network: nn.Module, stage: Stage, held: Sequence[Pairs]) -> float:
    """Return the mean loss of a stage on held-out pairs, in eval mode."""
    objective = Objective(network, stage, torch.float32).eval()
    return statistics.mean(float(objective(pairs, False)[0]) for pairs in held)


def run_stages(
    network: nn.Module, stages: Sequence[Stage], n_steps: int, precision: torch.dtype, n_held_out: int
) -> list[Learned]:
    """Train a network through these stages, n steps in all, and return what became of each."""
    with tempfile.TemporaryDirectory() as folder:
        sources = small_world(Path(folder))
        judge = Judge(sources, n_held_out)
        training = Training(
            stages=tuple(stages),
            sources=sources,
            seed=0,
            asked="stages",
            folder=Path(folder) / "state",
            n_steps=n_steps,
            precision=precision,
            n_processes=0,
            plate_share=1.0,
            found_share=1.0,
        )
        train(network, training, Watch(judge.step, judge.validate))
    return list(judge.learned.values())


def table_of(model: str, learned: Sequence[Learned]) -> Table:
    """Return the table of a model."""
    rows = [[one.stage, one.n_steps, *one.ends(), *one.held_losses, *one.held_mads] for one in learned]
    note = "Losses of stages are of different terms and sizes, and compare within a stage only. MAD x 1e3."
    return Table(f"{model}: its stages, from noise", COLUMNS, rows, note)


def main() -> None:
    words = _parse()
    sizes = Sizes(words.small, words.large, words.frames, words.examples, words.ratio, words.rate)
    network = new_network(words.model)
    stages = list(small_stages(words.model, sizes))
    learned = run_stages(network, stages, words.steps, PRECISIONS[words.precision], words.held_out)
    table = table_of(words.model, learned)
    finish(Report("fit_stages", vars(words), {one.stage: asdict(one) for one in learned}, (table,)), words.json)


def _parse() -> Any:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    usual = Sizes()
    parser.add_argument("--model", default="rvm-mobilenetv3")
    parser.add_argument("--steps", type=int, default=330)
    parser.add_argument("--small", type=lambda text: _numbers(text, ":"), default=usual.small)
    parser.add_argument("--large", type=lambda text: _numbers(text, ":"), default=usual.large)
    parser.add_argument("--frames", type=lambda text: _numbers(text, ","), default=usual.n_frames)
    parser.add_argument("--examples", type=int, default=usual.n_examples)
    parser.add_argument("--ratio", type=float, default=usual.ratio)
    parser.add_argument("--rate", type=float, default=usual.rate)
    parser.add_argument("--held-out", type=int, default=6)
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def _numbers(text: str, mark: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(mark))


if __name__ == "__main__":
    main()
