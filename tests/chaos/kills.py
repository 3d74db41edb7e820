"""Kills: SIGKILL at each step of the protocol, and at random times; then the same command again."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from chaos import situations
from chaos.rounds import AT, Round, Scenario
from chaos.stage import KILLED, Scene, Situation, Stage
from chaos.staged import Staged


class KilledAtFailpoints(Staged):
    """Kill at one step of the protocol, then perhaps at another one of the next try, then complete."""

    name = "killed at a failpoint"
    n_rounds = 500
    known: tuple[Situation, ...] = situations.ALL

    def play(self, stage: Stage, rng: random.Random, folder: Path, seed: int) -> Round:
        points = failpoints(stage, self.known)
        situation, step = points[seed % len(points)]
        standing = stage.stand(situation)
        scene = Scene(stage, standing, folder)
        hit = []
        nth = rng.randint(1, standing.hits[step])
        while step:
            code = scene.ended(scene.start(scene.job(kill_at=step, nth=nth)))
            if code != KILLED:
                break
            hit.append(f"{situation.name}: {step}")
            step = rng.choice(["", *(name for name, _ in standing.steps)]) if rng.random() < 0.4 else ""
            nth = rng.randint(1, standing.hits[step]) if step else 0
        scene.complete()
        return self.round(scene, seed, note=AT + ", ".join(hit) if hit else "")


class KilledAtRandom(Staged):
    """Kill at random times, again and again on the same root, then complete."""

    name = "killed at random"
    n_rounds = 150
    known: tuple[Situation, ...] = situations.ALL

    def play(self, stage: Stage, rng: random.Random, folder: Path, seed: int) -> Round:
        standing = stage.stand(self.known[seed % len(self.known)])
        scene = Scene(stage, standing, folder)
        slow = rng.choice((0.0, 0.005, 0.02))
        longest = standing.seconds + slow * standing.n_frames
        for _ in range(rng.randint(3, 8)):
            child = scene.start(scene.job(seconds_a_frame=slow))
            if not child.has_ended_within(rng.uniform(0.02, longest)):
                child.signal(signal.SIGKILL)
            if scene.ended(child) != KILLED:
                break
        scene.complete()
        return self.round(scene, seed)


class Terminated(Staged):
    """SIGTERM at a random time: the run leaves within ten seconds, nothing half-committed, and is completed."""

    name = "terminated"
    n_rounds = 60
    known: tuple[Situation, ...] = situations.ALL[:5]

    def play(self, stage: Stage, rng: random.Random, folder: Path, seed: int) -> Round:
        standing = stage.stand(self.known[seed % len(self.known)])
        scene = Scene(stage, standing, folder)
        slow = rng.choice((0.0, 0.01, 0.3))
        child = scene.start(scene.job(seconds_a_frame=slow))
        if not child.has_ended_within(rng.uniform(0.02, standing.seconds + slow * 8)):
            child.signal(signal.SIGTERM)
        asked = time.monotonic()
        code = scene.ended(child)
        took_s = time.monotonic() - asked
        if took_s > LEAVES_WITHIN_S:
            raise RuntimeError(f"{took_s:.1f} s after SIGTERM the run is gone, not within {LEAVES_WITHIN_S:.0f}")
        if code not in (0, standing.situation.code, 143, -signal.SIGTERM):
            raise RuntimeError(f"terminated, the run ends with {code}:\n{scene.said()}")
        broken = scene.broken() if code == 143 else ""
        if broken:
            raise RuntimeError(f"terminated, the run leaves {broken}")
        scene.complete()
        return self.round(scene, seed, faults=int(code in (143, -signal.SIGTERM)), note=f"left in {took_s:.1f} s")


class PoliteExit(Staged):
    """The model calls `sys.exit`, with code 0 or not: the run says that it is not done, and is completed."""

    name = "exit in the model"
    n_rounds = 40

    def play(self, stage: Stage, rng: random.Random, folder: Path, seed: int) -> Round:
        standing = stage.stand(situations.ALL[seed % 5])
        scene = Scene(stage, standing, folder)
        exit_code = rng.choice((0, 0, 1, 7))
        job = scene.job(exit_at=rng.randint(1, standing.n_frames), exit_code=exit_code)
        code = scene.ended(scene.start(job))
        note = f"exit {exit_code} in the model ended the run with {code}"
        if code == 0:
            raise RuntimeError(f"{note}, as if it were done:\n{scene.said()}")
        scene.complete()
        return self.round(scene, seed, faults=1, note=note)


LEAVES_WITHIN_S = 10.0


def failpoints(stage: Stage, known: Sequence[Situation]) -> list[tuple[Situation, str]]:
    """Return all steps of the situations, in an order that mixes them and is always the same."""
    points = [(situation, step) for situation in known for step, _ in stage.stand(situation).steps]
    random.Random(11).shuffle(points)
    return points


def scenarios() -> list[Scenario]:
    """Return the scenarios of this module."""
    return [KilledAtFailpoints(), KilledAtRandom(), Terminated(), PoliteExit()]
