"""Cells: what a shard is made from is in its id, and each frame of a stream in one cell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from manifests.cells import cell_digest, cells_of, shared_identity, streams_of
from manifests.recipe import Recipe
from manifests.records import Plate
from manifests.sharding import FrameTable

Tables = Callable[..., FrameTable]
Recipes = Callable[..., Recipe]
PLATE = Plate("031", "A", "031/background/image_A.jpg", "7-1", "ok", 7)


def _digests(table: FrameTable, recipe: Recipe, grid: int = 64) -> list[str]:
    shared = shared_identity(recipe, PLATE, None, 0)
    (stream,) = streams_of(table)
    cells = cells_of(table, stream, stream.rows, recipe, grid)
    return [cell_digest(table, shared, recipe, stream, cell) for cell in cells]


@pytest.mark.parametrize(("temporal", "digest"), [(False, "541fe0e866"), (True, "00f12bd554")])
def test_the_ids_of_frames_with_their_own_numbers_never_change(
    make_table: Tables, make_recipe: Recipes, temporal: bool, digest: str
) -> None:
    table = make_table([("", "A", frame) for frame in range(3)])
    assert _digests(table, make_recipe(temporal=temporal, algorithm_revision=1)) == [digest]


@pytest.mark.parametrize("temporal", [False, True])
def test_the_id_differs_when_a_frame_comes_from_another_place_of_its_video(
    make_table: Tables, make_recipe: Recipes, temporal: bool
) -> None:
    table, recipe = make_table([("", "A", frame) for frame in range(3)]), make_recipe(temporal=temporal)
    found = [table, *(replace(table, source_frame=np.arange(3) * step + first) for step, first in ((3, 0), (3, 3)))]
    assert len({_digests(one, recipe)[0] for one in found}) == 3


def test_a_stream_is_cut_by_the_grid_or_into_pieces_that_start_early(make_table: Tables, make_recipe: Recipes) -> None:
    table = make_table([("", "A", frame) for frame in (0, 6, 7, 20)])
    (stream,) = streams_of(table)
    by_grid = cells_of(table, stream, stream.rows, make_recipe(), 7)
    assert [(cell.rows.tolist(), cell.through.tolist()) for cell in by_grid] == [
        ([0, 1], [0, 1]),
        ([2], [2]),
        ([3], [3]),
    ]
    split = make_recipe(temporal=True, split=2, lead_in=1)
    pieces = cells_of(table, stream, stream.rows[[0, 2]], split, 7)
    assert [(cell.rows.tolist(), cell.through.tolist(), cell.piece) for cell in pieces] == [
        ([0], [0], 0),
        ([2], [1, 2], 1),
    ]


def test_streams_are_the_rows_of_each_sequence_and_camera(make_table: Tables) -> None:
    table = make_table([(sequence, camera, 5) for sequence in ("a", "b") for camera in "xy"])
    found = [(stream.sequence, stream.camera, stream.rows.tolist()) for stream in streams_of(table)]
    assert found == [("a", "x", [0]), ("a", "y", [1]), ("b", "x", [2]), ("b", "y", [3])]
    assert list(streams_of(make_table([]))) == []
