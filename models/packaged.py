"""Files that are part of this package, on whatever machine it is installed."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

FOLDER = "data"


def packaged_file(name: str) -> Path | None:
    """Return the path of a file of this package by its name, None where the package has none."""
    found = files("models") / FOLDER / Path(name).name
    return found if isinstance(found, Path) and found.is_file() else None


def here(path: Path) -> Path:
    """Return the path of a file as this machine has it.

    A file of the package lies where the package is installed, which on a node may be another place than on the driver.
    """
    return path if path.is_file() else packaged_file(path.name) or path
