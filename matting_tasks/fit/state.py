"""The state of a training on disk: all that is needed to go on as if it had never ended."""

from __future__ import annotations

import os
import pickle
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from manifests.errors import UsageError

FORMAT = 1
LAST = "last.pt"
TORN = (pickle.UnpicklingError, struct.error)


@dataclass(slots=True)
class TrainingState:
    """Hold where a training is and what it has.

    stage: its place among the stages; step: the next one of this stage; done: steps of all stages before. n_steps: of
    this stage, None until the pace is known. seconds: of training so far. asked: the settings, as JSON, that a resumed
    training must share. network, average, optimizer: state dicts.
    finished: of each stage that is over its `name`, `n_steps` and `seconds`.
    """

    asked: str
    stage: int = 0
    step: int = 0
    done: int = 0
    n_steps: int | None = None
    seconds: float = 0.0
    network: dict[str, Any] | None = None
    average: dict[str, Any] | None = None
    optimizer: dict[str, Any] | None = None
    finished: list[dict[str, Any]] = field(default_factory=list)


def save_state(folder: Path, state: TrainingState) -> Path:
    """Write the state whole, or leave the one before as it is. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LAST
    temporary = folder / f".{LAST}.part"
    with temporary.open("wb") as file:
        torch.save({"format": FORMAT, **{name: getattr(state, name) for name in TrainingState.__slots__}}, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    return path


def load_state(folder: Path) -> TrainingState | None:
    """Read the state of a folder, None where there is none. Raises UsageError where it cannot be read."""
    path = folder / LAST
    if not path.is_file():
        return None
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
        if found.pop("format") != FORMAT:
            raise ValueError("of another version")
        return TrainingState(**found)
    except (OSError, RuntimeError, EOFError, LookupError, ValueError, TypeError, AttributeError, *TORN) as err:
        raise UsageError(
            f"{path} cannot be read as the state of a training ({err}): delete the folder to begin anew"
        ) from err
