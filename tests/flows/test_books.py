from __future__ import annotations

import json
from pathlib import Path

import pytest
from captures import make_tiny
from command_line import matte
from shards import recipe_for

from flows.books import open_books
from flows.settings import MatteSettings
from flows.watch import QuietWatcher
from manifests.decisions import Selection, read_decisions
from manifests.errors import RecipeDiffers
from manifests.recipe import ALGORITHM_REVISION
from manifests.root import Root, claim_root, read_root
from manifests.storage import Folder, LocalFolder
from manifests.storage_memory import MemoryFolder

SETTINGS = MatteSettings(model="plate-difference", executor="local", device="cpu")


def books_of(out: Folder, settings: MatteSettings = SETTINGS, selection: Selection | None = None) -> object:
    return open_books(out, "/capture", settings, selection or Selection(), QuietWatcher())


def test_nothing_is_written_before_the_claim() -> None:
    out = MemoryFolder()
    with books_of(out) as books:
        assert out.files == {}
        books.claim()
    root = read_root(out)
    assert root is not None and root.recipe == books.recipe and root.capture_url == "/capture"


def test_a_claim_that_comes_second_with_another_recipe_is_refused() -> None:
    out = MemoryFolder()
    with books_of(out) as books:
        claim_root(out, Root(recipe_for("plate-difference", missing_plate="zeros"), "/capture", "stat"))
        with pytest.raises(RecipeDiffers, match="missing_plate: zeros here, error asked for"):
            books.claim()


def test_proposed_decisions_are_written_by_the_claim_with_the_next_free_numbers() -> None:
    out = MemoryFolder()
    with books_of(out) as books:
        books.claim()
    with books_of(out) as books:
        mine = books.propose(Selection(subjects=("031",)), books.recipe, "reprocess")
        other = books.propose(Selection(subjects=("032",)), books.recipe, "reprocess")
        other.claim()
        claimed = mine.claim()
    assert [decision.number for decision in claimed.decisions] == [0, 1, 2]  # the other one counts from here on
    written = read_decisions(out, books.root.decision)
    assert [decision.selection.subjects for decision in written] == [None, ("032",), ("031",)]


def test_replacing_part_leaves_the_rest_standing(tmp_path: Path) -> None:
    capture, out = make_tiny(tmp_path / "capture", ("031", "032")), tmp_path / "out"
    matte(capture, out)
    assert matte(capture, out, "--subjects", "031", "--batch-size", "2", "--replace").code == 0
    assert matte(capture, out).code == 0  # for everything the first recipe stands
    assert matte(capture, out, "--subjects", "031", "--batch-size", "1").code == 4
    assert matte(capture, out, "--subjects", "031").code == 0  # auto is what stands there
    assert matte(capture, out, "--subjects", "032", "--batch-size", "2").code == 4


def test_an_older_root_schema_is_refused_by_name(tmp_path: Path) -> None:
    capture, out = make_tiny(tmp_path / "capture"), tmp_path / "out"
    matte(capture, out)
    path = out / "_cleanplate/root.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"schema": 99}))
    refused = matte(capture, out)
    assert refused.code == 4 and "schema 99" in refused.err
    path.write_text("{")
    assert matte(capture, out).code == 4
    path.write_text(json.dumps(record | {"recipe": record["recipe"] | {"algorithm_revision": 0}}))
    refused = matte(capture, out)
    assert f"algorithm_revision: 0 here, {ALGORITHM_REVISION} asked for" in refused.err
    assert refused.code == 4 and "2 shards" in refused.err
    assert LocalFolder(out).url in refused.err
