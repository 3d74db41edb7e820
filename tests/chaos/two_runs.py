"""Two runs at once on one output root, in real processes: of one recipe, of two, to replace and to retry."""

from __future__ import annotations

import random
import signal
from pathlib import Path

from chaos import situations
from chaos.rounds import Round, Scenario
from chaos.stage import KILLED, Scene, Stage
from chaos.staged import Staged

from manifests.root import read_root
from manifests.storage import LocalFolder

REFUSED = 4


class SameRecipe(Staged):
    """Both may finish; the result is one. In some rounds one of them is killed."""

    name = "two runs, one recipe"
    n_rounds = 60
    standings = (situations.FRESH, situations.CHANGED)

    def play(self, stage: Stage, rng: random.Random, folder: Path, seed: int) -> Round:
        scene = Scene(stage, stage.stand(self.standings[seed % len(self.standings)]), folder)
        codes = let_loose(scene, rng, scene.standing.situation.command, scene.standing.situation.command)
        expect(scene, codes, all(code in (0, KILLED) for code in codes))
        if KILLED in codes:
            scene.complete()
        return self.round(scene, seed, note=f"ended with {codes}")


class BothReplace(SameRecipe):
    """Both replace by the same recipe."""

    name = "two runs, both replace"
    n_rounds = 40
    standings = (situations.REPLACED, situations.HALF_REPLACED)


class BothRetry(SameRecipe):
    """Both retry the frames that failed."""

    name = "two runs, both retry"
    n_rounds = 40
    standings = (situations.RETRIED,)


class TwoRecipes(Staged):
    """The second is refused; the root is the first one's."""

    name = "two runs, two recipes"
    n_rounds = 40

    def play(self, stage: Stage, rng: random.Random, folder: Path, seed: int) -> Round:
        scene = Scene(stage, stage.stand(situations.FRESH), folder)
        codes = let_loose(scene, rng, situations.MATTE, situations.OLDER)
        expect(scene, codes, set(codes) <= {0, REFUSED, KILLED} and codes != (0, 0))
        root = read_root(LocalFolder(scene.out))
        is_older = root is not None and root.recipe.mask_quality == situations.OLDER_QUALITY
        if KILLED in codes:
            scene.complete(situations.OLDER if is_older else situations.MATTE)
        scene.standing = stage.stand(situations.FRESH_OLDER if is_older else situations.FRESH)
        return self.round(scene, seed, note=f"ended with {codes}")


class ReplacedMeanwhile(Staged):
    """One run of the old recipe is at work when another one replaces it: what stands in the end is the new one."""

    name = "two runs, one replaces"
    n_rounds = 60
    half_replaced = situations.HALF_REPLACED
    old, new = situations.OLDER, (*situations.MATTE, "--replace")

    def play(self, stage: Stage, rng: random.Random, folder: Path, seed: int) -> Round:
        scene = Scene(stage, stage.stand(self.half_replaced), folder)
        codes = let_loose(scene, rng, self.old, self.new, 0.01)
        expect(scene, codes, codes[0] in (0, 1, REFUSED, KILLED) and codes[1] in (0, 1, KILLED))
        scene.complete()
        return self.round(scene, seed, note=f"ended with {codes}")


def let_loose(
    scene: Scene, rng: random.Random, first: tuple[str, ...], second: tuple[str, ...], slow: float = 0.0
) -> tuple[int, int]:
    """Start two commands a random time apart, kill one of them in some rounds, and return their exit codes."""
    slow = slow or rng.choice((0.0, 0.01))
    span_s = scene.standing.seconds + slow * scene.standing.n_frames
    children = [scene.start(scene.job(first, seconds_a_frame=slow))]
    children[0].has_ended_within(rng.choice((0.0, rng.uniform(0.0, span_s))))
    children.append(scene.start(scene.job(second, seconds_a_frame=slow)))
    if rng.random() < 0.35:
        victim = rng.choice(children)
        if not victim.has_ended_within(rng.uniform(0.02, span_s)):
            victim.signal(signal.SIGKILL)
    codes = scene.ended(children[0]), scene.ended(children[1])
    return codes


def expect(scene: Scene, codes: tuple[int, int], is_fine: bool) -> None:
    """Raise RuntimeError where two runs have ended as they must not."""
    if not is_fine:
        raise RuntimeError(f"two runs ended with {codes}:\n{scene.said()}")


def scenarios() -> list[Scenario]:
    """Return the scenarios of this module."""
    return [SameRecipe(), BothReplace(), BothRetry(), TwoRecipes(), ReplacedMeanwhile()]
