"""Unpacking: the files are the masks of the receipts, to the byte, whatever lay there before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from roots import RECIPE, all_files, decide, make_root, masks_of, matte_pending

from manifests.decisions import Selection
from manifests.errors import SchemaUnknown, UsageError
from manifests.inventory import read_books
from manifests.recipe import Recipe
from manifests.storage import Folder, LocalFolder, open_folder
from manifests.storage_memory import MemoryFolder
from manifests.unpacking import Unpacked, Unpacking, unpack_subject

PACKED = replace(RECIPE, pack=True)


def unpack(out: Folder, to: Folder, layout: str | None = None, selection: Selection | None = None) -> Unpacked:
    return unpack_subject(Unpacking(read_books(out), to, layout, selection or Selection()), "031")


def as_files(packed: Recipe = PACKED) -> dict[str, bytes]:
    """Return the masks of a root of the same content that has no packs; their bytes name the recipe."""
    salt = packed.recipe_id
    files = masks_of(make_root(MemoryFolder(), recipe=replace(packed, pack=False)))
    return {path: f"{path} by {salt}".encode() for path in files}


@pytest.mark.parametrize("layout", ["gha", "beside"])
@pytest.mark.parametrize("joined", [True, False], ids=["joined", "single"])
def test_files_are_those_of_a_run_without_packs(layout: str, joined: bool) -> None:
    recipe = replace(PACKED, output_layout=layout)
    out, to = make_root(MemoryFolder(), recipe=recipe, joined=joined), MemoryFolder()
    assert len(masks_of(out)) == 4
    found = unpack(out, to)
    assert to.files == as_files(recipe)
    assert (found.n_frames, found.n_written, found.n_kept, found.n_without) == (16, 32, 0, 0)
    assert found.n_bytes == sum(map(len, to.files.values()))


def test_another_layout_has_the_same_bytes_elsewhere() -> None:
    out, to = make_root(MemoryFolder(), recipe=PACKED), MemoryFolder()
    unpack(out, to, "{subject}/{camera}/m{frame:05d}.jpg")
    assert to.files["031/B/m00007.jpg"] == as_files()["031/images/0007/mask_B.jpg"]
    assert to.files["031/B/lowres_m00007.jpg"] == as_files()["031/images/0007/mask_lowres_B.jpg"]


def test_a_second_time_writes_only_what_is_not_right() -> None:
    out, to = make_root(MemoryFolder(), recipe=PACKED), MemoryFolder()
    unpack(out, to)
    names = sorted(to.files)
    del to.files[names[0]]
    to.files[names[1]] = to.files[names[1]][::-1]
    to.files[names[2]] += b"!"
    found = unpack(out, to)
    assert (found.n_written, found.n_kept) == (3, 29) and to.files == as_files()


def test_only_selected_frames_are_written() -> None:
    out, to = make_root(MemoryFolder(), recipe=PACKED), MemoryFolder()
    found = unpack(out, to, None, Selection(cameras=("B",), frames="2:5"))
    assert found.n_frames == 3 and sorted(to.files)[0] == "031/images/0002/mask_B.jpg" and len(to.files) == 6


def test_the_last_decision_counts_and_frames_without_a_mask_are_named() -> None:
    out, to = make_root(MemoryFolder(), recipe=PACKED), MemoryFolder()
    unpack(out, to)
    later = replace(PACKED, mask_quality=80)
    decide(out, Selection(cameras=("A",)), later)
    matte_pending(out, bad=[3])
    found = unpack(out, to)
    assert found.n_without == 1 and found.n_written == 14
    assert found.stale == ("031/images/0003/mask_A.jpg", "031/images/0003/mask_lowres_A.jpg")
    assert to.files["031/images/0002/mask_A.jpg"] == f"031/images/0002/mask_A.jpg by {later.recipe_id}".encode()


def test_pending_frames_are_without_a_mask() -> None:
    out, to = make_root(MemoryFolder(), recipe=PACKED), MemoryFolder()
    decide(out, Selection(cameras=("A",), frames="0:4"), replace(PACKED, mask_quality=80))
    assert unpack(out, to).n_without == 4 and len(to.files) == 24


def test_damaged_masks_are_named_and_not_written() -> None:
    out, to = make_root(MemoryFolder(), recipe=PACKED), MemoryFolder()
    first, second, *_ = sorted(masks_of(out))
    data = out.read(first)
    out.write_atomic(first, data.replace(b"mask_A.jpg by", b"mask_A.jpg BY", 1))
    out.delete([second])
    found = unpack(out, to)
    assert len(found.damaged) == 1 + 8 and found.n_written == 32 - 9
    assert all(data == as_files()[path] for path, data in to.files.items())


def test_what_is_not_packed_gets_another_layout_too(tmp_path: Path) -> None:
    out = make_root(LocalFolder(tmp_path / "out"))
    found = unpack(out, LocalFolder(tmp_path / "to"), "vhap")
    assert found.n_written == 32 and (tmp_path / "to/031/alpha_maps/cam_A_000000.jpg").is_file()


def test_two_frames_for_one_file_are_refused() -> None:
    out, to = make_root(MemoryFolder(), recipe=PACKED), MemoryFolder()
    with pytest.raises(UsageError, match="tells them apart"):
        unpack(out, to, "{subject}/m{frame:05d}.jpg")
    assert to.files == {}


def test_files_of_the_capture_are_never_written_over(tmp_path: Path) -> None:
    out = make_root(LocalFolder(tmp_path / "out"), recipe=PACKED, capture_url=str(tmp_path / "capture"))
    with pytest.raises(UsageError, match="a file of the capture"):
        unpack(out, LocalFolder(tmp_path / "capture"), "{subject}/images/{frame:04d}/image_{camera}.jpg")


def test_damaged_books_are_refused() -> None:
    out = make_root(MemoryFolder(), recipe=PACKED, joined=False)
    path = next(path for path in all_files(out) if path.startswith("_cleanplate/ledger"))
    out.write_atomic(path, b"no parquet")
    with pytest.raises(SchemaUnknown, match="Subject 031: .*verify --repair"):
        unpack(out, MemoryFolder())


@pytest.mark.s3
@pytest.mark.filterwarnings("ignore::DeprecationWarning:(botocore|boto3|aiobotocore|s3fs|fsspec).*")
def test_packs_of_an_object_store_become_files(rclone_s3, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    out = make_root(open_folder(f"{rclone_s3.new_bucket()}/mattes", rclone_s3.options), cameras="A", recipe=PACKED)
    to = LocalFolder(tmp_path)
    assert unpack(out, to).n_written == 16
    assert all_files(to) == {path: data for path, data in as_files().items() if "_A" in path}
