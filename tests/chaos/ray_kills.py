"""Kills on Ray: of workers, drivers and nodes, and exits inside the model; then the same command again."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

import psutil
from chaos import ray_stage
from chaos.checking import check
from chaos.ray_stage import Ground, Pace, RayStage
from chaos.rounds import Round, Scenario

from flows.summary import Summary
from manifests.errors import CleanplateError
from manifests.storage import LocalFolder
from manifests.verify import verify

REPOSITORY = Path(__file__).resolve().parents[2]
N_TRIES = 4
"""Of the same run, disturbed or not, before a round gives up."""
LEAVES_WITHIN_S = 10.0
PATIENCE_S = 300.0


@dataclass
class OnRay:
    """A scenario on the cluster of this process: a run is disturbed every few seconds, then completed."""

    name: str
    n_rounds: int
    n_deeds: int = 0
    every_s: tuple[float, float] = (0.3, 3.0)
    exit_chance: float = 0.0
    seconds_a_frame: float = 0.02
    n_cameras: int = 3
    n_frames: int = 192
    kills: bool = True

    def run(self, seed: int, folder: Path) -> Round:
        """Play a round."""
        ground = ray_stage.ground(self.n_cameras, self.n_frames)
        started, out, rng = time.monotonic(), folder / "out", random.Random(f"{self.name} {seed}")
        pace = Pace(str(folder / "shown"), str(folder / "exits"), self.seconds_a_frame, self.exit_chance)
        stage = ray_stage.ray_stage()
        with stage.joined(), ray_stage.pool_talk() as said:
            with ThreadPoolExecutor(1) as threads:
                under_way = threads.submit(_is_complete, ground.capture, out, pace)
                n_done = self.do_deeds(stage, rng, under_way)
            done, n_runs = under_way.result(), 1
            while not done and n_runs < N_TRIES:
                done, n_runs = _is_complete(ground.capture, out, Pace(pace.counter, pace.exits)), n_runs + 1
        if not done:
            raise RuntimeError(f"not complete after {n_runs} runs: {said[-5:]}")
        self.look(said)
        n_exits = ray_stage.size(folder / "exits")
        kills, faults = (n_done, n_exits) if self.kills else (0, n_done + n_exits)
        note = f"{_n_isolations(said)} isolations; complete after {n_runs} runs"
        counts = ray_stage.size(folder / "shown") - ground.n_shown, time.monotonic() - started
        return _judge(Round(self.name, seed, kills, faults, 0, 0, 0, *counts, note), out, ground)

    def do_deeds(self, stage: RayStage, rng: random.Random, under_way: Future[bool]) -> int:
        """Do a deed every few seconds while a run is under way; return how many found someone."""
        n_done = 0
        while n_done < self.n_deeds and not wait([under_way], rng.uniform(*self.every_s)).done:
            n_done += self.disturb(stage, rng)
        return n_done

    def disturb(self, stage: RayStage, rng: random.Random) -> bool:
        """Do one deed."""
        return False

    def look(self, said: list[str]) -> None:
        """Raise RuntimeError where the pool has taken a deed for another."""


class WorkersKilled(OnRay):
    """SIGKILL of the process of a worker."""

    def disturb(self, stage: RayStage, rng: random.Random) -> bool:
        """Kill one of them."""
        found = stage.workers()
        if not found:
            return False
        with contextlib.suppress(psutil.NoSuchProcess):
            rng.choice(found).kill()
            return True
        return False


class WorkersTerminated(OnRay):
    """SIGTERM of a worker: it is gone within ten seconds, and its shards have nothing to fear from it."""

    def disturb(self, stage: RayStage, rng: random.Random) -> bool:
        """Terminate one of them."""
        found = stage.workers()
        if not found:
            return False
        one = rng.choice(found)
        with contextlib.suppress(psutil.NoSuchProcess):
            one.terminate()
            _, alive = psutil.wait_procs([one], timeout=LEAVES_WITHIN_S)
            if alive:
                raise RuntimeError(f"a worker is there {LEAVES_WITHIN_S:.0f} s after SIGTERM")
            return True
        return False

    def look(self, said: list[str]) -> None:
        """Raise RuntimeError where a termination counted against a shard."""
        _refuse_isolation(said)


class NodesLost(OnRay):
    """A node goes dark with all that runs on it, and another one comes; that is no shard's fault."""

    def disturb(self, stage: RayStage, rng: random.Random) -> bool:
        """Lose one that has a worker, and add one."""
        if not stage.workers():
            return False
        stage.lose_node(rng.randrange(stage.n_nodes))
        stage.add_node()
        return True

    def look(self, said: list[str]) -> None:
        """Raise RuntimeError where the loss of a node counted against a shard."""
        _refuse_isolation(said)


@dataclass
class DriversKilled:
    """SIGKILL of whole runs of the command, with their Prefect server and their Ray, again and again on one root.

    Every other time only the driver is killed: what it has started must then end by itself, or is killed late.
    """

    name: str
    n_rounds: int
    n_kills: int = 4
    n_cameras: int = 3
    n_frames: int = 192

    def run(self, seed: int, folder: Path) -> Round:
        """Play a round."""
        ground = ray_stage.ground(self.n_cameras, self.n_frames)
        started, out, rng = time.monotonic(), folder / "out", random.Random(f"{self.name} {seed}")
        n_done = n_recomputed = 0
        late: set[str] = set()
        for number in range(self.n_kills):
            process = start(ground.capture, out, folder)
            if not _waited(process, rng, out, ground):
                break
            late |= kill_driver(process, alone=number % 2 == 1)
            n_done += 1
            n_recomputed += n_unfinished(out)
        finish(ground.capture, out, folder)
        note = f"{LEAVES_WITHIN_S:.0f} s after their driver there were: {', '.join(sorted(late))}" if late else ""
        seconds = time.monotonic() - started
        return _judge(Round(self.name, seed, n_done, 0, 0, 0, 0, n_recomputed, seconds, note), out, ground)


def start(capture: Path, out: Path, folder: Path) -> subprocess.Popen[bytes]:
    """Start the command on Ray and through Prefect, in a session of its own; what it says goes to a file."""
    words = ["matte", str(capture), "--out", str(out), "--model", "plate-difference", "--workers", "2", "--quiet"]
    environment = os.environ | {"PREFECT_HOME": str(folder / "prefect"), "PYTHONPATH": str(REPOSITORY)}
    environment.pop("PREFECT_API_URL", None)
    with (folder / "log").open("ab") as log:
        command = [sys.executable, "-m", "flows.cli", *words]
        return subprocess.Popen(command, env=environment, start_new_session=True, stdout=log, stderr=log)


def finish(capture: Path, out: Path, folder: Path) -> None:
    """Run the command to its end; raises RuntimeError where that is not a good one."""
    process = start(capture, out, folder)
    try:
        code = process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired as err:
        kill_driver(process, alone=False)
        raise RuntimeError(f"the command is not at its end after {PATIENCE_S:.0f} s") from err
    if code != 0:
        said = (folder / "log").read_text(errors="replace")[-2000:]
        raise RuntimeError(f"the command ends with {code} after it was killed:\n{said}")


def kill_driver(process: subprocess.Popen[bytes], alone: bool) -> set[str]:
    """Kill a run, all of it or its driver alone; return the names of those that outlived it and had to be killed."""
    family = ray_stage.family_of(process.pid)
    if not alone:
        ray_stage.kill(family)
        process.wait()
        return set()
    process.kill()
    process.wait()
    for one in family[1:]:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.resume()
    _, late = psutil.wait_procs(family[1:], timeout=LEAVES_WITHIN_S)
    names = {ray_stage.title_of(one).rpartition("/")[2].partition(" ")[0] for one in late}
    ray_stage.kill(late)
    return names


def n_unfinished(out: Path) -> int:
    """Count the frames that have a mask and no row: they will be matted again."""
    if not (out / "_cleanplate/root.json").exists():
        return 0
    return len({stat.path.replace("mask_lowres_", "mask_") for stat in verify(LocalFolder(out)).unfinished})


def _waited(process: subprocess.Popen[bytes], rng: random.Random, out: Path, ground: Ground) -> bool:
    """Wait for a random part of a run, by its masks or by its time; tell whether it is under way still."""
    n_masks, n_there = len(ground.tree.files), n_masks_in(out)
    wanted = rng.randrange(n_there, n_masks) if rng.random() < 0.8 else n_masks
    until = time.monotonic() + (PATIENCE_S if wanted < n_masks else rng.uniform(0.5, 15))
    while n_masks_in(out) <= wanted and time.monotonic() < until and process.poll() is None:
        time.sleep(0.02)
    return process.poll() is None


def n_masks_in(out: Path) -> int:
    """Count the masks in an output root."""
    return sum(1 for _ in out.glob("*/images/*/mask_*"))


def _is_complete(capture: Path, out: Path, pace: Pace) -> bool:
    """Run, and tell whether nothing is left to do; a run may give up where its workers are killed again and again."""
    try:
        summary: Summary = ray_stage.run(capture, out, pace)
    except CleanplateError as err:
        print(f"the run gave up: {err}", file=sys.stderr)
        return False
    return summary.exit_code == 0


def _refuse_isolation(said: list[str]) -> None:
    if _n_isolations(said):
        raise RuntimeError(f"counted against a shard: {[text for text in said if 'a worker died' in text]}")


def _n_isolations(said: list[str]) -> int:
    return sum("looking for the frame" in text for text in said)


def _judge(one: Round, out: Path, ground: Ground) -> Round:
    found = check(LocalFolder(out), ground.tree)
    note = "; ".join((one.note, *found.texts)) if found.texts else one.note
    counts = found.lost, found.corrupt, found.duplicates, one.recomputed, round(one.seconds, 3)
    return Round(one.scenario, one.seed, one.kills, one.faults, *counts, note)


def scenarios() -> list[Scenario]:
    """Return the scenarios of this module."""
    return [
        WorkersKilled("Ray workers killed", n_rounds=7, n_deeds=8),
        WorkersTerminated("Ray workers terminated", n_rounds=2, n_deeds=6, kills=False),
        OnRay("exit in the model on Ray", n_rounds=2, exit_chance=1 / 300),
        NodesLost("Ray nodes lost", n_rounds=4, n_deeds=6, every_s=(1.0, 4.0), seconds_a_frame=0.05),
        DriversKilled("Ray and Prefect drivers killed", n_rounds=6),
    ]
