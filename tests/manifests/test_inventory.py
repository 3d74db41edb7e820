from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from roots import RECIPE, list_subject, make_root

from manifests.errors import NothingSelected, UsageError
from manifests.inventory import groups, is_same_folder, read_books, read_subject
from manifests.storage import LocalFolder
from manifests.storage_memory import MemoryFolder


@pytest.mark.parametrize(
    ("layout", "wanted"),
    [
        ("gha", [(("031",), ("031",)), (("032",), ("032",))]),
        ("vhap", [(("031",), ("031",)), (("032",), ("032",))]),
        ("beside", [(("031",), ("031/images",)), (("032",), ("032/images",))]),
        ("masks/{subject}/{camera}/{frame}.jpg", [(("031",), ("masks/031",)), (("032",), ("masks/032",))]),
        ("masks/{camera}/{subject}_{frame}.jpg", [(("031", "032"), ("masks",))]),
        ("{frame}_{camera}_{subject}.jpg", [(("031", "032"), ("",))]),
    ],
)
def test_each_folder_is_listed_once(layout: str, wanted: list[tuple[tuple[str, ...], tuple[str, ...]]]) -> None:
    out = make_root(MemoryFolder(), ("031", "032"), recipe=replace(RECIPE, output_layout=layout))
    assert groups(read_books(out), None) == wanted
    assert groups(read_books(out), ["032"]) == wanted[-1:]


def test_unknown_subjects_and_folders_are_refused() -> None:
    with pytest.raises(NothingSelected):
        groups(read_books(make_root(MemoryFolder())), ["nobody"])
    with pytest.raises(UsageError):
        read_books(MemoryFolder())


def test_stale_and_pending_are_told_apart() -> None:
    out = make_root(MemoryFolder())
    list_subject(out, "031", "A", range(1, 8))
    mine = read_subject(read_books(out), "031")
    assert len(mine.stale) == 3 and len(mine.pending) == 1
    assert [(shard.camera, len(rows)) for shard, _, rows in mine.standing()] == [("A", 4)]


def test_a_folder_is_known_by_its_place_and_not_by_its_spelling(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    out = LocalFolder(tmp_path)
    for url in (
        str(tmp_path),
        f"{tmp_path}/",
        f"file://{tmp_path}",
        str(tmp_path / "link"),
        f"{tmp_path}/../{tmp_path.name}",
    ):
        assert is_same_folder(out, url)
    assert not is_same_folder(out, f"{tmp_path}/deeper") and not is_same_folder(out, "s3://bucket")
    assert is_same_folder(MemoryFolder(), "memory://")
