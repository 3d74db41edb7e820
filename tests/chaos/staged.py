"""Staged: what the scenarios on a local disk have in common."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from functools import cache
from pathlib import Path

from chaos.rounds import Round
from chaos.stage import Scene, Stage


class Staged(ABC):
    """A scenario whose rounds are played on one stage, which it shares with others in the same scratch folder."""

    name: str
    n_rounds: int

    def run(self, seed: int, folder: Path) -> Round:
        """Play a round."""
        return self.play(stage_in(folder.parents[1]), random.Random(f"{self.name} {seed}"), folder, seed)

    @abstractmethod
    def play(self, stage: Stage, rng: random.Random, folder: Path, seed: int) -> Round:
        """Disturb a run, complete it and check it."""

    def round(self, scene: Scene, seed: int, faults: int = 0, note: str = "") -> Round:
        """Check what a scene has left and return its round."""
        found = scene.check()
        texts = "; ".join(filter(None, (note, *found.texts)))
        counts = found.lost, found.corrupt, found.duplicates, scene.recomputed
        return Round(self.name, seed, scene.kills, faults, *counts, scene.seconds, texts)


@cache
def stage_in(scratch: Path) -> Stage:
    """Return the stage in a scratch folder."""
    return Stage(scratch / "stage")
