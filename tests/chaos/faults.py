"""Faults: a disk full from a random byte on, folders that refuse, files that may not grow; then it is mended."""

from __future__ import annotations

import random
from pathlib import Path

from chaos import situations
from chaos.rounds import Round, Scenario
from chaos.stage import Scene, Situation, Stage
from chaos.staged import Staged


class FullDisk(Staged):
    """The disk is full from a random byte on: the run says so and fails; after room is made it is completed."""

    name = "disk full at a random byte"
    n_rounds = 60
    known: tuple[Situation, ...] = situations.ALL

    def play(self, stage: Stage, rng: random.Random, folder: Path, seed: int) -> Round:
        standing = stage.stand(self.known[seed % len(self.known)])
        scene = Scene(stage, standing, folder)
        n_written = max(1, standing.n_bytes if standing.n_frames else standing.n_bytes // 20)
        code = scene.ended(scene.start(scene.job(full_after=rng.randrange(n_written))))
        said = scene.said()
        is_full = "No space left" in said
        if is_full and code in (0, 3):
            raise RuntimeError(f"the disk was full, and the run ended with {code}:\n{said}")
        if not is_full and code != standing.situation.code:
            raise RuntimeError(f"the run ended with {code}, and nothing says that the disk is full:\n{said}")
        scene.complete()
        return self.round(scene, seed, faults=int(is_full))


class Denied(Staged):
    """Some files cannot be opened or put in place, for a while or for good: the run goes on or fails, never lies."""

    name = "access denied"
    n_rounds = 60
    known: tuple[Situation, ...] = situations.ALL

    def play(self, stage: Stage, rng: random.Random, folder: Path, seed: int) -> Round:
        standing = stage.stand(self.known[seed % len(self.known)])
        scene = Scene(stage, standing, folder)
        n_files = sum(number for step, number in standing.steps if step.endswith((" opened", " in place")))
        first, n_denied = rng.randint(1, n_files), rng.choice((1, 1, 3, 10**6))
        code = scene.ended(scene.start(scene.job(denied_from=first, n_denied=n_denied)))
        if n_denied > n_files and code in (0, 3) and first < n_files // 2:
            raise RuntimeError(f"nothing could be written any more, and the run ended with {code}:\n{scene.said()}")
        scene.complete()
        return self.round(scene, seed, faults=min(n_denied, n_files - first + 1), note=f"ended with {code}")


class ShortFiles(Staged):
    """The largest file that the system allows (RLIMIT_FSIZE) is smaller than some masks: as on a real full disk."""

    name = "files may not grow"
    n_rounds = 20

    def play(self, stage: Stage, rng: random.Random, folder: Path, seed: int) -> Round:
        standing = stage.stand(situations.ALL[seed % 5])
        scene = Scene(stage, standing, folder)
        code = scene.ended(scene.start(scene.job(file_limit=rng.randint(200, 6000))))
        if code == 0:
            raise RuntimeError(f"files could not be written whole, and the run ended with 0:\n{scene.said()}")
        scene.complete()
        return self.round(scene, seed, faults=1, note=f"ended with {code}")


def scenarios() -> list[Scenario]:
    """Return the scenarios of this module."""
    return [FullDisk(), Denied(), ShortFiles()]
