"""The check after each round finds what is lost, corrupt and there twice, and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from chaos.checking import Findings, check, read_tree
from roots import decide, make_root, matte_pending

from manifests.decisions import Selection
from manifests.ledger import commit, read_receipts
from manifests.storage import LocalFolder


@pytest.fixture
def out(tmp_path: Path) -> LocalFolder:
    folder = LocalFolder(tmp_path / "out")
    make_root(folder, ("031", "032"), joined=False)
    return folder


def counts(found: Findings) -> tuple[int, int, int]:
    return found.lost, found.corrupt, found.duplicates


def test_a_tree_is_like_itself_and_like_one_that_was_made_by_another_way(out: LocalFolder, tmp_path: Path) -> None:
    reference = read_tree(out)
    assert len(reference.frames) == 32 and len(reference.files) == 64
    assert check(out, reference).are_none
    other = LocalFolder(tmp_path / "other")
    make_root(other, ("031", "032"))
    decide(other, Selection(cameras=("A",)))
    matte_pending(other)
    assert check(other, reference).are_none


def drop_mask(root: Path) -> None:
    (root / "031/images/0001/mask_A.jpg").unlink()


def drop_receipt(root: Path) -> None:
    next((root / "_cleanplate/ledger/032").iterdir()).unlink()


def spoil_mask(root: Path) -> None:
    path = root / "031/images/0001/mask_lowres_A.jpg"
    path.write_bytes(path.read_bytes()[::-1])


def add_mask(root: Path) -> None:
    shutil.copy(root / "031/images/0001/mask_A.jpg", root / "031/images/0001/mask_C.jpg")


def cut_receipt(root: Path) -> None:
    path = next((root / "_cleanplate/ledger/032").iterdir())
    path.write_bytes(path.read_bytes()[:-10])


def matte_otherwise(root: Path) -> None:
    folder = LocalFolder(root)
    rows = [row for row in read_receipts(folder, "031") if row.camera == "A" and row.frame < 4]
    shard = type("Some", (), {"subject": "031", "shard_id": "another", "recipe_id": ""})
    commit(folder, shard, [replace(row, shard_id="another") for row in rows], {})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("harm", "lost", "corrupt", "duplicates"),
    [
        (drop_mask, 1, 0, 0),
        (drop_receipt, 4, 8, 0),
        (spoil_mask, 0, 1, 0),
        (add_mask, 0, 1, 0),
        (cut_receipt, 4, 1, 0),
        (matte_otherwise, 0, 0, 2),
    ],
)
def test_what_is_wrong_is_counted(
    out: LocalFolder, harm: Callable[[Path], None], lost: int, corrupt: int, duplicates: int
) -> None:
    reference = read_tree(out)
    harm(out.root)
    found = check(out, reference)
    assert counts(found) == (lost, corrupt, duplicates), found
    assert found.texts


def test_a_root_of_another_recipe_is_corrupt_all_over(out: LocalFolder, tmp_path: Path) -> None:
    from roots import RECIPE

    other = LocalFolder(tmp_path / "other")
    make_root(other, ("031", "032"), recipe=replace(RECIPE, mask_quality=50))
    assert counts(check(other, read_tree(out))) == (0, 64, 0)


def test_frames_under_other_numbers_are_found(out: LocalFolder, tmp_path: Path) -> None:
    other = LocalFolder(tmp_path / "other")
    make_root(other, ("031", "032"), frames=range(1, 9))
    found = check(other, read_tree(out))
    assert found.lost and found.corrupt


def drop_pack(pack: Path) -> None:
    pack.unlink()


def spoil_pack(pack: Path) -> None:
    data = pack.read_bytes()
    place = data.index(b"\xff\xd8") if b"\xff\xd8" in data else 512
    pack.write_bytes(data[:place] + bytes([data[place] ^ 255]) + data[place + 1 :])


@pytest.mark.parametrize(("harm", "lost", "corrupt"), [(drop_pack, 4, 0), (spoil_pack, 0, 2)])
def test_masks_in_packs_are_compared_with_those_of_files(
    out: LocalFolder, tmp_path: Path, harm: Callable[[Path], None], lost: int, corrupt: int
) -> None:
    from roots import RECIPE

    reference, packed = read_tree(out), LocalFolder(tmp_path / "packed")
    make_root(packed, ("031", "032"), recipe=replace(RECIPE, pack=True), joined=False)
    tree = read_tree(packed)
    assert tree.frames.keys() == reference.frames.keys() and tree.files.keys() == reference.files.keys()
    assert check(packed, tree).are_none
    harm(next((packed.root / "_cleanplate/packs/031").iterdir()))
    assert counts(check(packed, tree)) == (lost, corrupt, 0)
