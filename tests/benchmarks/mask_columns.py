"""Columns of the tables that tell how masks differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

LEVELS = (1, 2, 4)
PARTS = {"step": "step", "from naive": "all"}


def columns() -> list[str]:
    """Return the heads of the columns."""
    return ["change", *(f"{part}: {key}" for part in PARTS.values() for key in ("mean", *(f"<= {n}" for n in LEVELS)))]


def as_rows(compared: Iterable[Mapping[str, Any]]) -> list[list[Any]]:
    """Return a row for each change: mean and shares of the step, then of the distance from the naive masks."""
    keys = ["mean", *(f"within {level}" for level in LEVELS)]
    return [[one["change"], *(one[part][key] for part in PARTS for key in keys)] for one in compared]
