"""The chaos harness: `python -m tests.chaos --out FOLDER` disturbs runs in many ways and counts what is lost: nothing.

Each scenario is a row of the table in docs/reliability.md. Every round goes to FOLDER/rounds.jsonl when it is done;
with `--resume` rounds that are there are not played again.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
for folder in (HERE.parents[1], HERE.parent):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from chaos.rounds import FAILED, Round, Scenario, append_round, read_rounds  # noqa: E402
from chaos.stage import end_children  # noqa: E402
from chaos.table import write_report  # noqa: E402

MODULES = ("kills", "faults", "two_runs", "packs", "s3_faults", "ray_kills")
"""Each has `scenarios() -> list of Scenario`, the slow ones last."""
ROOM_BYTES = 2 * 10**9
"""Free memory that makes a file system in memory the place of choice for the rounds."""


def main(words: Sequence[str] | None = None) -> int:
    """Play the rounds that are asked for; return 0 if nothing was lost, 1 if something was, 2 for wrong words."""
    asked = parse(words)
    known = collect(asked.scenario)
    if asked.list:
        print("\n".join(f"{scenario.n_rounds:6} rounds  {scenario.name}" for scenario in known))
        return 0
    asked.out.mkdir(parents=True, exist_ok=True)
    file = asked.out / "rounds.jsonl"
    if file.exists() and not asked.resume:
        print(f"{file} is there: go on with --resume, or name another --out.", file=sys.stderr)
        return 2
    with scratch(asked.scratch) as folder:
        play(known, asked, file, folder)
    wanted = {scenario.name for scenario in known}
    played = [one for one in read_rounds(file) if one.scenario in wanted]
    print(f"\n{write_report(asked.out / 'table.md', read_rounds(file))}")
    return 0 if all(one.is_good for one in played) else 1


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Disturb runs and count what is lost.")
    parser.add_argument("--out", type=Path, default=Path("build/chaos"), help="for rounds.jsonl and table.md")
    parser.add_argument("--scenario", action="append", metavar="NAME", help="only those whose name holds NAME")
    parser.add_argument("--rounds", type=int, help="of each scenario; as many as the long run has if not given")
    parser.add_argument("--seed", type=int, default=0, help="of the first round; the others follow")
    parser.add_argument("--resume", action="store_true", help="go on with the rounds that are not in rounds.jsonl")
    parser.add_argument("--scratch", type=Path, help="for captures and roots; in memory if there is room")
    parser.add_argument("--list", action="store_true", help="print the scenarios and their rounds")
    return parser.parse_args(words)


def collect(names: Sequence[str] | None) -> list[Scenario]:
    """Return the scenarios of all modules whose name holds one of `names`; all if not given."""
    known: list[Scenario] = []
    for module in MODULES:
        if (HERE / f"{module}.py").exists():
            known += importlib.import_module(f"chaos.{module}").scenarios()
    chosen = [one for one in known if not names or any(name in one.name for name in names)]
    if not chosen:
        raise SystemExit(f"--scenario {names}: there is {', '.join(one.name for one in known)}")
    return chosen


def play(known: Sequence[Scenario], asked: argparse.Namespace, file: Path, folder: Path) -> None:
    """Play the rounds of all scenarios that are not in the file yet."""
    done = {(one.scenario, one.seed) for one in read_rounds(file)}
    n_bad = 0
    for number, scenario in enumerate(known, 1):
        home = folder / scenario.name.replace(" ", "-").replace(",", "")
        n_rounds = asked.rounds or scenario.n_rounds
        seeds = [seed for seed in range(asked.seed, asked.seed + n_rounds) if (scenario.name, seed) not in done]
        started = time.monotonic()
        for place, seed in enumerate(seeds):
            line = f"[{number}/{len(known)}] {scenario.name}: {{}}/{len(seeds)} rounds, {{:.0f}} s, {{}} bad"
            show(line.format(place, time.monotonic() - started, n_bad))
            one = play_one(scenario, seed, home)
            append_round(file, one)
            n_bad += not one.is_good
            if place + 1 == len(seeds):
                show(line.format(len(seeds), time.monotonic() - started, n_bad), is_last=True)
        shutil.rmtree(home, ignore_errors=True)


def play_one(scenario: Scenario, seed: int, home: Path) -> Round:
    """Play one round; one that raises is bad, and says why. Nothing of it is left running."""
    folder = home / f"round-{seed}"
    folder.mkdir(parents=True)
    started = time.monotonic()
    try:
        one = scenario.run(seed, folder)
    except Exception as err:  # whatever it was: it counts as bad, and the other rounds are played
        seconds = round(time.monotonic() - started, 3)
        one = Round(scenario.name, seed, 0, 0, 0, 0, 0, 0, seconds, f"{FAILED}{type(err).__name__}: {err}")
    end_children()
    if not one.is_good:
        print(f"\n{one}", file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)
    return one


def show(text: str, is_last: bool = False) -> None:
    """Draw a line over the last one at a terminal; elsewhere print the last of each scenario, and some between."""
    if sys.stdout.isatty():
        print(f"\r\x1b[2K{text}", end="\n" if is_last else "", flush=True)
    elif is_last or time.monotonic() - _shown[0] > 30:
        _shown[0] = time.monotonic()
        print(text, flush=True)


_shown = [0.0]


@contextlib.contextmanager
def scratch(named: Path | None) -> Iterator[Path]:
    """Hold a folder for captures and roots; a file system in memory spares the disk thousands of small files."""
    in_memory = Path("/dev/shm")
    if named is None and in_memory.is_dir() and os.access(in_memory, os.W_OK):
        room = os.statvfs(in_memory)
        named = in_memory if room.f_bavail * room.f_frsize > ROOM_BYTES else None
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # leave no folder behind
    try:
        with tempfile.TemporaryDirectory(prefix="cleanplate-chaos-", dir=named, ignore_cleanup_errors=True) as folder:
            yield Path(folder)
    finally:
        signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    sys.exit(main())
