from __future__ import annotations

from dataclasses import replace

import pytest
from roots import RECIPE, decide, list_subject, make_root, masks_of, matte_pending

from manifests.decisions import Selection
from manifests.inventory import read_books, read_subject
from manifests.ours import announced_paths, announced_plates, named_by_receipts, planned_paths
from manifests.storage_memory import MemoryFolder

LAYOUTS = ["gha", "beside", "vhap", "{subject}/{camera}/{frame}.jpg"]


@pytest.mark.parametrize(
    "recipe", [*(replace(RECIPE, output_layout=name) for name in LAYOUTS), replace(RECIPE, write_frames=True)]
)
def test_what_was_written_was_announced_planned_and_named(recipe: object) -> None:
    out = make_root(MemoryFolder(), recipe=recipe)  # type: ignore[arg-type]
    books = read_books(out)
    mine, plates = read_subject(books, "031"), announced_plates(books, "031")
    written = set(masks_of(out)) - plates
    assert set(announced_paths(books, mine)) == set(planned_paths(mine)) == named_by_receipts(mine) == written


def test_a_frame_was_announced_by_the_recipe_of_its_time() -> None:
    out = make_root(MemoryFolder())
    decide(out, Selection(cameras=("A",)), replace(RECIPE, mask_format="png"), "replace")
    matte_pending(out)
    books = read_books(out)
    found = set(announced_paths(books, read_subject(books, "031")))
    assert "031/images/0000/mask_A.png" in found and "031/images/0000/mask_A.jpg" in found
    assert "031/images/0000/mask_B.png" not in found


def test_frames_that_left_the_manifest_are_known_where_their_numbers_tell() -> None:
    for layout, n_known in (("gha", 8), ("{camera}_{source_frame}.jpg", 0), ("beside", 0)):
        out = make_root(MemoryFolder(), recipe=replace(RECIPE, output_layout=layout))
        list_subject(out, "031", "AB", range(6))
        books = read_books(out)
        mine = read_subject(books, "031")
        assert len(set(announced_paths(books, mine)) - set(planned_paths(mine))) == n_known
