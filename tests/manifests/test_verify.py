"""Verify: nothing is invented on a healthy root, each kind of damage is found, and repair queues exactly that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from roots import RECIPE, all_files, decide, list_subject, make_root, masks_of, matte_pending

from manifests.decisions import Selection
from manifests.errors import NothingSelected, SchemaUnknown, UsageError
from manifests.ledger import commit, read_ledger, read_receipts
from manifests.recipe import Recipe
from manifests.storage import Folder, LocalFolder, open_folder
from manifests.storage_memory import MemoryFolder
from manifests.verify import repair, verify

PATTERN = "{subject}/masks/{sequence}/{camera}/m{frame:05d}.jpg"
FLAT = "{camera}/{subject}_{frame:05d}.jpg"
RECIPES = {
    "gha": RECIPE,
    "beside": replace(RECIPE, output_layout="beside"),
    "vhap": replace(RECIPE, output_layout="vhap", mask_format="png"),
    "pattern": replace(RECIPE, output_layout=PATTERN),
    "flat": replace(RECIPE, output_layout=FLAT),
    "pack": replace(RECIPE, pack=True),
    "frames": replace(RECIPE, write_frames=True),
    "temporal": replace(RECIPE, temporal=True, split=3, lead_in=2),
}


@pytest.fixture(params=list(RECIPES))
def recipe(request: pytest.FixtureRequest) -> Recipe:
    return RECIPES[request.param]


@pytest.fixture(params=[True, False], ids=["joined", "single"])
def joined(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def mask_names(out: Folder) -> list[str]:
    return sorted(path for path in masks_of(out) if "lowres" not in path)


def kinds(out: Folder, deep: bool = True) -> dict[str, int]:
    return dict(verify(out, deep=deep).by_kind)


def is_clean(out: Folder) -> bool:
    found = verify(out, deep=True)
    others = found.unfinished, found.orphans, found.foreign, found.leftovers
    return not (found.damages or any(others) or found.n_pending_frames or found.n_stale)


def test_a_healthy_root_is_healthy_in_every_layout(recipe: Recipe, joined: bool) -> None:
    out = make_root(MemoryFolder(), ("031", "032"), recipe=recipe, joined=joined)
    assert is_clean(out)
    found = verify(out)
    assert found.subjects == ("031", "032") and found.n_frames == 32
    assert found.n_files == len(masks_of(out)) and found.n_bytes == sum(map(len, masks_of(out).values()))


def test_a_healthy_root_is_healthy_after_decisions_and_bad_frames(recipe: Recipe, joined: bool) -> None:
    out = make_root(MemoryFolder(), recipe=recipe, joined=joined)
    decide(out, Selection(cameras=("A",), frames="2:6"), recipe)
    assert verify(out).n_pending_frames == 4 and kinds(out) == {}
    matte_pending(out, joined=joined)
    decide(out, Selection(listed={"031": (("", "B", 3),)}), replace(recipe, model="other"))
    matte_pending(out, joined=joined)
    found = verify(out, deep=True)
    assert not (found.damages or found.unfinished or found.orphans or found.foreign or found.n_pending_frames)


def test_rows_that_are_not_ok_need_no_mask() -> None:
    out = make_root(MemoryFolder(), frames=())
    list_subject(out, "031", "AB", range(8))
    matte_pending(out, bad={1, 5})
    assert is_clean(out) and verify(out).n_files == 2 * 12


@pytest.mark.parametrize(
    "where", ["local", *(pytest.param(name, marks=pytest.mark.s3) for name in ("moto_s3", "rclone_s3"))]
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning:(botocore|boto3|aiobotocore|s3fs|fsspec).*")
def test_damage_is_found_and_repaired_wherever_the_root_lies(
    where: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    out: Folder = LocalFolder(tmp_path)
    if where != "local":
        server = request.getfixturevalue(where)
        out = open_folder(f"{server.new_bucket()}/mattes", server.options)
    make_root(out, cameras="A")
    assert is_clean(out)
    before = masks_of(out)
    missing, short, *_ = mask_names(out)
    out.delete([missing])
    out.write_atomic(short, b"short")
    found = verify(out)
    assert sorted((d.kind, d.path) for d in found.damages) == [("missing", missing), ("size", short)]
    assert repair(out, found) == (1, 0)
    assert verify(out).n_pending == 1 and verify(out).n_pending_frames == 4
    assert matte_pending(out) == 1
    assert masks_of(out) == before and is_clean(out)


def test_other_bytes_of_the_same_size_are_found_by_deep_only(recipe: Recipe) -> None:
    out = make_root(MemoryFolder(), recipe=recipe)
    name = mask_names(out)[-1]
    out.write_atomic(name, out.read(name)[::-1])
    assert kinds(out, deep=False) == {} and kinds(out) == {"content": 1}


def test_frame_files_and_plates_are_looked_at_too() -> None:
    out = make_root(MemoryFolder(), recipe=RECIPES["frames"])
    before = masks_of(out)
    gone = ["031/background/image_A.jpg", "031/cameras/0006/camera_B.npz", "031/images/0001/visible_A.jpg"]
    out.delete(gone)
    found = verify(out)
    assert sorted(damage.path for damage in found.damages) == gone
    repair(out, found)
    matte_pending(out)
    assert masks_of(out) == before and is_clean(out)


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


@pytest.mark.parametrize("spoil", [cut, lambda data: b"", lambda data: b"no Parquet at all", lambda data: data[:-1]])
def test_damaged_receipts_are_named_deleted_and_matted_again(spoil: Callable[[bytes], bytes], joined: bool) -> None:
    out = make_root(MemoryFolder(), joined=joined)
    before = masks_of(out)
    path = min(stat.path for stat in out.list("_cleanplate/ledger"))
    out.write_atomic(path, spoil(out.read(path)))
    found = verify(out)
    assert [(damage.kind, damage.path) for damage in found.damages] == [("receipt", path)]
    assert found.foreign == () and found.orphans == ()
    assert repair(out, found) == (0, 1)
    assert path not in all_files(out)
    assert matte_pending(out) == (4 if joined else 1)
    assert masks_of(out) == before and is_clean(out)


@pytest.mark.parametrize("wrong", ["lacking", "more", "twice", "decision"])
def test_a_receipt_of_other_frames_than_planned_is_damage(wrong: str, joined: bool) -> None:
    out = make_root(MemoryFolder(), cameras="A", joined=False)
    rows = [row for row in read_receipts(out, "031") if row.frame < 4]
    changed = {
        "lacking": rows[:-1],
        "more": [*rows, replace(rows[0], frame=99)],
        "twice": [*rows, rows[0]],
        "decision": [replace(row, decision=0, camera="B") for row in rows],
    }
    shard = type("Some", (), {"subject": "031", "shard_id": rows[0].shard_id, "recipe_id": RECIPE.recipe_id})
    commit(out, shard, changed[wrong], {})  # type: ignore[arg-type]
    if joined:
        matte_pending(out)
    found = verify(out)
    assert "rows" in found.by_kind and {damage.shard_id for damage in found.damages} == {rows[0].shard_id}
    assert repair(out, found) == (1, 0)
    assert matte_pending(out) == 1 and is_clean(out)


def test_a_receipt_under_another_name_is_damage() -> None:
    out = make_root(MemoryFolder(), joined=False)
    first, second, *_ = sorted(stat.path for stat in out.list("_cleanplate/ledger"))
    out.write_atomic(first, out.read(second))
    assert kinds(out) == {"receipt": 1}


def test_a_damaged_manifest_is_named_and_other_subjects_are_verified() -> None:
    out = make_root(MemoryFolder(), ("031", "032"))
    out.write_atomic("_cleanplate/manifest/031.parquet", b"no")
    out.delete(["032/images/0000/mask_A.jpg"])
    found = verify(out)
    assert [(damage.kind, damage.subject) for damage in found.damages] == [("manifest", "031"), ("missing", "032")]
    assert repair(out, found) == (1, 0)
    list_subject(out, "031", "AB", range(8))
    matte_pending(out)
    assert is_clean(out)


def test_a_lost_decision_is_named_and_nothing_is_repaired_for_it() -> None:
    out = make_root(MemoryFolder())
    decide(out, Selection(cameras=("A",)))
    matte_pending(out)
    kept = out.read("_cleanplate/decisions/1.json")
    out.delete(["_cleanplate/decisions/1.json"])
    before, found = all_files(out), verify(out)
    assert [(damage.kind, damage.path) for damage in found.damages] == [("decision", "_cleanplate/decisions/1.json")]
    assert repair(out, found) == (0, 0) and all_files(out) == before
    out.write_atomic("_cleanplate/decisions/1.json", kept)
    assert kinds(out) == {}


def test_two_receipts_for_one_frame_are_both_withdrawn(joined: bool) -> None:
    out = make_root(MemoryFolder(), cameras="A", joined=False)
    list_subject(out, "031", "A", (0, 1, 2, 4, 5, 6, 7))  # frame 3 is gone: another shard, the same frames
    kept = {path: data for path, data in all_files(out).items() if "/ledger/" in path}
    matte_pending(out, joined=joined)
    for path, data in kept.items():
        if "_0-3_" in path:
            out.write_atomic(path, data)  # as a slower run would commit it now
    found = verify(out)
    assert {(d.kind, d.shard_id[:7]) for d in found.damages} == {("twice", "_A_0-3_"), ("twice", "_A_0-2_")}
    assert repair(out, found)[0] == 2
    assert matte_pending(out) == 1
    assert kinds(out) == {}


def test_stale_receipts_orphans_and_unfinished_masks_are_counted_apart() -> None:
    out = make_root(MemoryFolder(), cameras="AB")
    list_subject(out, "031", "A", range(8))  # camera B is gone
    found = verify(out)
    assert (found.n_stale, len(found.orphans), found.damages) == (2, 32 // 2, ())
    assert all("_B." in stat.path for stat in found.orphans)
    decide(out, Selection(cameras=("A",)), reason="replace")
    found = verify(out)
    assert found.n_pending_frames == 8 and len(found.unfinished) == 16


def test_foreign_masks_are_told_from_ours(recipe: Recipe) -> None:
    out = make_root(MemoryFolder(), recipe=recipe)
    foreign = foreign_name(recipe)
    out.write_atomic(foreign, b"the old script's")
    out.write_atomic("031/images/0000/notes.txt", b"not a mask")
    found = verify(out, deep=True)
    assert [stat.path for stat in found.foreign] == [foreign] and not found.damages and not found.orphans


def foreign_name(recipe: Recipe) -> str:
    known = {
        "gha": "031/images/0000/mask_C.jpg",
        "beside": "031/images/0000/mask_other.png",
        "vhap": "031/alpha_maps/cam_C_000000.png",
        PATTERN: "031/masks/C/m00000.jpg",
        FLAT: "A/031_00099.jpg",
    }
    return known[recipe.output_layout]


def test_files_of_the_capture_are_not_foreign_in_place() -> None:
    out = MemoryFolder()
    make_root(out, recipe=replace(RECIPE, output_layout="beside"), capture_url=out.url)
    for frame in range(8):
        out.write_atomic(f"031/images/{frame:04d}/image_A.jpg", b"picture")
    assert is_clean(out)


@pytest.mark.parametrize("wrong", ["../outside.jpg", "/etc/passwd", "_cleanplate/root.json"])
def test_a_receipt_that_names_a_file_elsewhere_is_damage(wrong: str) -> None:
    out = make_root(MemoryFolder(), cameras="A", joined=False)
    rows = [replace(row, mask_path=wrong) for row in read_receipts(out, "031") if row.frame < 4]
    shard = type("S", (), {"subject": "031", "shard_id": rows[0].shard_id, "recipe_id": RECIPE.recipe_id})
    commit(out, shard, rows, {})  # type: ignore[arg-type]
    assert kinds(out) == {"receipt": 1}


def test_subjects_can_be_chosen_and_must_be_known() -> None:
    out = make_root(MemoryFolder(), ("031", "032"))
    out.delete(["032/images/0000/mask_A.jpg"])
    assert not verify(out, ["031"]).damages and verify(out, ["032"]).damages
    with pytest.raises(NothingSelected, match="031, 032"):
        verify(out, ["33"])
    with pytest.raises(UsageError, match="not an output root"):
        verify(MemoryFolder())


def test_a_root_that_was_only_listed_is_pending() -> None:
    out = MemoryFolder()
    list_subject(out, "031", "AB", range(4))
    assert verify(out).n_pending_frames == 8 and not verify(out).damages


def test_damaged_root_json_is_refused() -> None:
    out = make_root(MemoryFolder())
    out.write_atomic("_cleanplate/root.json", b"{")
    with pytest.raises(SchemaUnknown):
        verify(out)


def test_leftovers_are_listed_and_no_damage(tmp_path: Path) -> None:
    out = make_root(LocalFolder(tmp_path))
    names = [f"031/images/0000/.cleanplate-{'0' * 32}", f"_cleanplate/ledger/031/.cleanplate-{'a' * 32}"]
    for name in names:
        (tmp_path / name).write_bytes(b"half")
    found = verify(out)
    assert sorted(stat.path for stat in found.leftovers) == sorted(names) and not found.damages


class Counting(MemoryFolder):
    """Counts what is asked of it."""

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(files)
        self.n_reads = self.n_lists = 0

    def read(self, path: str) -> bytes:
        self.n_reads += 1
        return super().read(path)

    def list(self, prefix: str = "") -> Any:
        self.n_lists += 1
        return super().list(prefix)


def test_requests_do_not_grow_with_the_frames() -> None:
    counted = []
    for n_frames in (8, 200):
        out = Counting(make_root(MemoryFolder(), frames=range(n_frames)).files)  # type: ignore[attr-defined]
        verify(out)
        counted.append((out.n_reads, out.n_lists))
    assert counted[0] == counted[1]


@settings(max_examples=20)
@given(st.data())
def test_whatever_is_done_to_masks_is_found_and_repaired_to_the_same_bytes(data: st.DataObject) -> None:
    recipe = data.draw(st.sampled_from(list(RECIPES.values())))
    out = make_root(MemoryFolder(), ("031", "032"), recipe=recipe, joined=data.draw(st.booleans()))
    before = masks_of(out)
    names = data.draw(st.lists(st.sampled_from(sorted(before)), min_size=1, max_size=5, unique=True))
    harmed = set()
    for name in names:
        how = data.draw(st.sampled_from(["delete", "cut", "flip"]))
        if how == "delete":
            out.delete([name])
        elif "/background/" in name:
            continue
        else:
            out.write_atomic(name, before[name][:-1] if how == "cut" else before[name][:-1] + b"!")
        harmed.add(name)
    found = verify(out, deep=True)
    assert {damage.path for damage in found.damages} == harmed
    n_before = len(read_ledger(out, "031").failed) + len(read_ledger(out, "032").failed)
    n_shards, _ = repair(out, found)
    assert len(read_ledger(out, "031").failed) + len(read_ledger(out, "032").failed) == n_before - n_shards
    assert matte_pending(out) == n_shards
    assert masks_of(out) == before and is_clean(out)
