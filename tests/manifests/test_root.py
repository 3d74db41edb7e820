"""root.json: who comes first decides, and nobody overwrites it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from manifests.decisions import Selection
from manifests.errors import SchemaUnknown
from manifests.recipe import Recipe
from manifests.root import ROOT, Root, claim_root, read_root
from manifests.storage import LocalFolder
from manifests.storage_memory import MemoryFolder


@pytest.fixture
def root(make_recipe: Callable[..., Recipe]) -> Root:
    return Root(make_recipe(), "/data/capture", "stat", 64)


def test_root_is_none_when_cleanplate_has_not_worked_yet(tmp_path: Path) -> None:
    assert read_root(LocalFolder(tmp_path / "not there")) is None


def test_root_is_read_as_it_was_claimed(tmp_path: Path, root: Root) -> None:
    out = LocalFolder(tmp_path)
    assert claim_root(out, root) == root
    assert read_root(out) == root


def test_first_root_stands_when_another_run_claims_it_later(root: Root, make_recipe: Callable[..., Recipe]) -> None:
    out = MemoryFolder()
    claim_root(out, root)
    later = Root(make_recipe(model="rvm"), "/elsewhere", "size", 32)
    assert claim_root(out, later) == root
    assert read_root(out) == root


def test_all_get_one_root_when_many_claim_it_at_once(tmp_path: Path, make_recipe: Callable[..., Recipe]) -> None:
    roots = [Root(make_recipe(model=f"m{i}"), "/data", "stat") for i in range(8)]
    barrier, got = threading.Barrier(len(roots)), []

    def claim(root: Root) -> None:
        barrier.wait(10)
        got.append(claim_root(LocalFolder(tmp_path), root))

    threads = [threading.Thread(target=claim, args=(root,)) for root in roots]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(got) == len(roots)
    assert len({root.recipe.model for root in got}) == 1


def test_decision_0_of_a_root_covers_any_selection(root: Root) -> None:
    assert root.decision.number == 0
    assert root.decision.recipe == root.recipe
    assert root.decision.selection.covers(Selection(subjects=("031",), cameras=("A",), frames="3:9"))


def _changed(out: MemoryFolder, **changes: object) -> None:
    out.write_atomic(ROOT, json.dumps(json.loads(out.read(ROOT)) | changes).encode())


def test_root_is_refused_with_both_versions_when_its_schema_is_newer(root: Root) -> None:
    out = MemoryFolder()
    claim_root(out, root)
    _changed(out, schema=99)
    with pytest.raises(SchemaUnknown, match="99"):
        read_root(out)


def test_root_is_refused_when_its_recipe_has_fields_of_a_newer_version(root: Root) -> None:
    out = MemoryFolder()
    claim_root(out, root)
    _changed(out, recipe=json.loads(root.recipe.to_json()) | {"trimap": 3})
    with pytest.raises(SchemaUnknown, match="trimap"):
        read_root(out)


def test_root_is_never_replaced_by_a_claim_when_it_is_damaged(root: Root) -> None:
    out = MemoryFolder({ROOT: b"{"})
    with pytest.raises(SchemaUnknown):
        claim_root(out, root)
    assert out.read(ROOT) == b"{"


@pytest.mark.parametrize("data", [b"", b"{", b"null", b"[]", b"{}", b'"text"', b"\xff\xfe", b'{"schema": "one"}'])
def test_root_is_refused_with_a_way_out_when_it_is_damaged(data: bytes) -> None:
    with pytest.raises(SchemaUnknown, match="root.json"):
        read_root(MemoryFolder({ROOT: data}))


def test_root_is_refused_when_any_of_its_fields_is_missing(root: Root) -> None:
    whole = MemoryFolder()
    claim_root(whole, root)
    record = json.loads(whole.read(ROOT))
    for field in record:
        rest = {name: value for name, value in record.items() if name != field}
        with pytest.raises(SchemaUnknown):
            read_root(MemoryFolder({ROOT: json.dumps(rest).encode()}))


def test_root_is_refused_when_its_parameters_are_no_object(root: Root) -> None:
    out = MemoryFolder()
    claim_root(out, root)
    _changed(out, recipe=json.loads(root.recipe.to_json()) | {"parameters": []})
    with pytest.raises(SchemaUnknown):
        read_root(out)


def test_root_says_update_when_its_numerics_have_fields_of_a_newer_version(root: Root) -> None:
    out = MemoryFolder()
    claim_root(out, root)
    recipe = json.loads(root.recipe.to_json())
    recipe["numerics"]["fast_accumulation"] = False
    _changed(out, recipe=recipe)
    with pytest.raises(SchemaUnknown, match="update"):
        read_root(out)
