"""Stretches: all rows in order, cut exactly where a column changes."""

from __future__ import annotations

from itertools import groupby

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from manifests.stretches import stretches


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 2)), max_size=12))
def test_a_table_is_cut_where_a_column_changes(rows: list[tuple[str, int]]) -> None:
    rows = sorted(rows)
    text, number = np.array([row[0] for row in rows], dtype=object), np.array([row[1] for row in rows], dtype=int)
    cut = [rows[part] for part in stretches(text, number)]
    assert cut == [list(group) for _, group in groupby(rows)]
    assert [text[part].tolist() for part in stretches(text)] == [
        [r[0] for r in g] for _, g in groupby(rows, lambda r: r[0])
    ]
