"""Stretches: a sorted table cut where a column changes."""

from __future__ import annotations

import numpy as np


def stretches(*columns: np.ndarray) -> list[slice]:
    """Return the rows, in order, over which all columns, (n,) of one length each, keep their values."""
    n_rows = len(columns[0])
    if not n_rows:
        return []
    changes = np.zeros(n_rows - 1, dtype=bool)
    for column in columns:
        changes |= (column[1:] != column[:-1]).astype(bool)
    borders = [0, *(np.flatnonzero(changes) + 1).tolist(), n_rows]
    return [slice(start, stop) for start, stop in zip(borders[:-1], borders[1:], strict=True)]
