"""Rounds: what one disturbed run of a scenario came to, and what a scenario is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

AT = "at "
"""A note that begins so names the failpoints that the round hit: `at fresh: receipt done, fresh: mask to come`."""
FAILED = "failed: "
"""A note that begins so says how a round ended that could not be played to its end."""


@dataclass(frozen=True)
class Round:
    """One round: what was done to it, what the check found after, and what it cost.

    `faults` counts injected faults that are no kills. `lost` counts frames, `corrupt` files, `duplicates` frames;
    `recomputed` counts frames that were matted more than once. `note` says what is worth a look.
    """

    scenario: str
    seed: int
    kills: int
    faults: int
    lost: int
    corrupt: int
    duplicates: int
    recomputed: int
    seconds: float
    note: str = ""

    @property
    def is_good(self) -> bool:
        """Tell whether the round was played to its end, and nothing was lost, corrupt or there twice."""
        return not (self.lost or self.corrupt or self.duplicates or self.has_failed)

    @property
    def has_failed(self) -> bool:
        """Tell whether the round was not played to its end, or a command ended as it must not."""
        return self.note.startswith(FAILED)

    @property
    def failpoints(self) -> list[str]:
        """Return the names of the failpoints that were hit, one for each hit."""
        return self.note.removeprefix(AT).split(", ") if self.note.startswith(AT) else []


class Scenario(Protocol):
    """A way to disturb a run, repeated with many seeds; `n_rounds` is for the long run.

    A module that the harness knows gives its own by a function `scenarios()`. `run` is given an empty folder for the
    round. Its parent belongs to the scenario and lives through all its rounds: a place for a capture and the tree of an
    undisturbed run. Damage is counted; a round in which a command ends as it must not raises RuntimeError.
    """

    name: str
    n_rounds: int

    def run(self, seed: int, folder: Path) -> Round:
        """Run one round, check what it left, and say what was found."""


def read_rounds(path: Path) -> list[Round]:
    """Return the rounds that a file holds; a last line that was cut off is passed over."""
    return list(_parsed(path)) if path.exists() else []


def append_round(path: Path, one: Round) -> None:
    """Append a round as one line of JSON."""
    data = path.read_bytes() if path.exists() else b""
    begin = "" if not data or data.endswith(b"\n") else "\n"
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{begin}{json.dumps(asdict(one))}\n")


def _parsed(path: Path) -> Iterator[Round]:
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            yield Round(**json.loads(line))
        except ValueError:
            continue
