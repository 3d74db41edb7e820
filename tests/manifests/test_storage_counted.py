from __future__ import annotations

from pathlib import Path

from manifests.storage_counted import CountedFolder
from manifests.traffic import Traffic


def test_every_way_to_read_and_write_is_counted_with_its_bytes(tmp_path: Path) -> None:
    folder = CountedFolder(tmp_path / "folder")
    folder.write_atomic("deep/a", b"12345")
    assert folder.put_if_absent("b", b"123") and not folder.put_if_absent("b", b"456")
    assert folder.read("deep/a") == b"12345"
    assert folder.read_range("deep/a", 1, 3) == b"23"
    folder.copy_to("b", tmp_path / "copy")
    assert sorted(stat.path for stat in folder.list()) == ["b", "deep/a"]
    assert folder.children() == ("deep",) and list(folder.leftovers()) == []
    folder.delete(["b", "nowhere"])
    assert folder.meter.traffic == Traffic({"put": 3, "get": 3, "list": 3, "delete": 2}, 0, 10, 11)


def test_a_missing_file_was_asked_for(tmp_path: Path) -> None:
    folder = CountedFolder(tmp_path)
    try:
        folder.read("nowhere")
    except FileNotFoundError:
        assert folder.meter.traffic == Traffic({"get": 1})
