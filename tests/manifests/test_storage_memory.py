from __future__ import annotations

import threading

import pytest

from manifests.storage_memory import MemoryFolder


def test_files_are_listed_below_a_folder_only() -> None:
    folder = MemoryFolder({"a/b": b"1", "ab": b"22", "a/c/d": b""})
    assert {stat.path: stat.size_bytes for stat in folder.list("a")} == {"a/b": 1, "a/c/d": 0}
    assert folder.children() == ("a",) and folder.children("a") == ("c",)
    folder.delete(["a/b", "none"])
    assert [stat.path for stat in folder.list()] == ["a/c/d", "ab"]


def test_a_missing_file_is_not_found() -> None:
    with pytest.raises(FileNotFoundError):
        MemoryFolder().read("a")


def test_one_of_many_threads_puts() -> None:
    folder, won = MemoryFolder(), []
    threads = [threading.Thread(target=lambda n=n: won.append(folder.put_if_absent("a", b"%d" % n))) for n in range(20)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert won.count(True) == 1
