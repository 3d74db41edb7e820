"""Packs: plain tars whose every mask is found by one range read, the same bytes each time."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

import pytest
from roots import RECIPE

from manifests.packs import (
    WINDOW,
    Masks,
    PackWriter,
    has_digest,
    lies_in,
    pack_bytes,
    packs_folder,
    place_of,
    read_mask,
    read_window,
    shard_of_pack,
    windows,
)
from manifests.records import Frame, FrameRow, Plate, Shard
from manifests.storage import Folder, LocalFolder
from manifests.storage_memory import MemoryFolder


def shard_of(subject: str = "031", sequence: str = "EMO-1-shout+laugh", camera: str = "222200037") -> Shard:
    frames = tuple(Frame(number, number, f"{number}", "image", 1, "") for number in range(4))
    plate = Plate(subject, camera, None, "", "missing")
    return Shard("shard_0-3_0123456789", subject, sequence, camera, 0, RECIPE.recipe_id, "stat", frames, plate)


def masks_of(number: int, n_bytes: int = 700) -> Masks:
    return Masks(bytes([number]) * n_bytes, bytes([128 + number]) * 300, ".jpg")


def written(out: Folder, numbers: range = range(3), shard: Shard | None = None, n_bytes: int = 700) -> list[FrameRow]:
    """Pack the masks of some frames; frame 9 has none."""
    shard = shard or shard_of()
    rows = []
    with PackWriter(out, shard) as pack:
        for number in numbers:
            masks = masks_of(number, n_bytes)
            place = shard.subject, shard.sequence, shard.camera, number, number, shard.shard_id, 0
            row = FrameRow(*place, "ok", mask_bytes=len(masks.full), lowres_bytes=len(masks.lowres))
            pack.add(row, masks)
            rows.append(row)
        bad = FrameRow(shard.subject, shard.sequence, shard.camera, 9, 9, shard.shard_id, 0, "undecodable", "cut off")
        return pack.write([*rows, bad])


def test_each_mask_is_found_where_its_row_says() -> None:
    out = MemoryFolder()
    *rows, bad = written(out)
    for number, row in enumerate(rows):
        assert read_mask(out, row.mask_path or "") == masks_of(number).full
        assert read_mask(out, row.lowres_path or "") == masks_of(number).lowres
    assert (bad.mask_path, bad.lowres_path) == (None, None)
    (path,) = out.files
    assert {lies_in(row.mask_path or "") for row in rows} == {path} and path.startswith(f"{packs_folder('031')}/")
    assert shard_of_pack(path) == "shard_0-3_0123456789" and has_digest(out, path)


def test_a_pack_is_a_tar_as_webdataset_reads_it(tmp_path: Path) -> None:
    written(LocalFolder(tmp_path))
    (path,) = tmp_path.rglob("*.tar")
    with tarfile.open(path) as tar:
        members = tar.getmembers()
        assert [member.name for member in members[:3]] == [
            "031/EMO-1-shout+laugh/222200037/000000.mask.jpg",
            "031/EMO-1-shout+laugh/222200037/000000.lowres.jpg",
            "031/EMO-1-shout+laugh/222200037/000001.mask.jpg",
        ]
        file = tar.extractfile(members[4])
        assert file is not None and file.read() == masks_of(2).full
    listed = subprocess.run(["tar", "tf", path], capture_output=True, text=True, check=True)
    assert len(listed.stdout.splitlines()) == 6 and not listed.stderr


def test_the_same_masks_are_the_same_pack_and_others_another() -> None:
    packs = []
    for numbers in (range(3), range(3), range(2)):
        out = MemoryFolder()
        written(out, numbers)
        packs.append(out.files)
    assert packs[0] == packs[1] and not packs[0].keys() & packs[2].keys()


@pytest.mark.parametrize("n_bytes", [0, 1, 511, 512, 513])
def test_size_of_a_whole_pack_is_known_from_its_rows(n_bytes: int) -> None:
    out = MemoryFolder()
    rows = written(out, n_bytes=n_bytes)
    places = [place_of(path or "") for row in rows[:-1] for path in (row.mask_path, row.lowres_path)]
    (data,) = out.files.values()
    assert pack_bytes(place for place in places if place is not None) == len(data)


def test_names_that_no_tar_header_holds_are_kept() -> None:
    out, shard = MemoryFolder(), shard_of("sub/ject " * 9, "s.e.q" * 30, "caméra")
    rows = written(out, shard=shard)
    assert read_mask(out, rows[1].lowres_path or "") == masks_of(1).lowres
    (data,) = out.files.values()
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        (subject, _, camera, name) = tar.getnames()[0].split("/")
    assert "." in name and "." not in camera and len(subject) > 50


def test_a_shard_without_any_mask_has_no_pack() -> None:
    out = MemoryFolder()
    (bad,) = written(out, range(0))
    assert out.files == {} and bad.mask_path is None


def test_what_is_not_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(InterruptedError), PackWriter(LocalFolder(tmp_path), shard_of()) as pack:
        pack.add(FrameRow("031", "", "A", 0, 0, "", 0, "ok"), masks_of(0))
        raise InterruptedError
    assert not list(tmp_path.rglob("*"))


def test_a_changed_byte_anywhere_is_seen_by_the_digest() -> None:
    out = MemoryFolder()
    written(out)
    ((path, data),) = out.files.items()
    for place in (0, len(data) // 2, len(data) - 1):
        out.files[path] = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        assert not has_digest(out, path)


def test_neighbours_are_read_together_up_to_a_window() -> None:
    out = MemoryFolder({"031/images/0000/mask_A.jpg": b"alone"})
    rows = written(out, range(4), n_bytes=WINDOW // 3)
    paths = [path or "" for row in rows[:-1] for path in (row.mask_path, row.lowres_path)]
    found = list(windows([*paths, *out.files][:-1]))
    assert [len(window) for window in found] == [4, 4, 1]
    assert [name for window in found for name in window] == [*paths, "031/images/0000/mask_A.jpg"]
    read = [data for window in found for data in read_window(out, window)]
    assert read[6] == masks_of(3, WINDOW // 3).full and read[7] == masks_of(3).lowres and read[-1] == b"alone"


@pytest.mark.parametrize(
    "path",
    ["031/a.tar@1+2", "_cleanplate/packs/031/a.tar", "_cleanplate/packs/a.tar@1+2", "_cleanplate/packs/../a@1+1"],
)
def test_other_paths_lie_in_no_pack(path: str) -> None:
    assert place_of(path) is None and lies_in(path) == path
