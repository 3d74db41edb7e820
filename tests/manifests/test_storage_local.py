"""A local disk: whole files only, one winner, nothing outside the folder, nothing left behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from io import BytesIO
from pathlib import Path

import pytest

from manifests.storage import Folder
from manifests.storage_local import LocalFolder
from manifests.storage_memory import MemoryFolder


def _paths(folder: Folder, prefix: str = "") -> list[str]:
    return sorted(stat.path for stat in folder.list(prefix))


def test_missing_file_is_not_found_when_its_folder_is_a_file(tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path)
    folder.write_atomic("a", b"1")
    with pytest.raises(FileNotFoundError):
        folder.read("a/b")


def test_stat_of_a_read_differs_when_a_file_of_the_same_size_took_its_place(tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path)
    folder.write_atomic("a", b"12345")
    before = folder.read_with_stat("a")[1].fingerprint("stat")
    time.sleep(0.02)
    folder.write_atomic("a", b"54321")
    assert folder.read_with_stat("a")[1].fingerprint("stat") != before


WRITER = """
import sys
from pathlib import Path
from manifests.storage import LocalFolder

folder, number = LocalFolder(Path(sys.argv[1])), 0
print("go", flush=True)
while True:
    number += 1
    folder.write_atomic(f"deep/{number % 3}", bytes([number % 256]) * 3_000_000)
"""


def test_files_are_whole_when_the_writer_is_killed_at_any_moment(tmp_path: Path) -> None:
    seen: set[bytes] = set()
    for kill in range(6):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        with writer:
            assert writer.stdout.readline() == b"go\n"
            time.sleep(0.05 + 0.0137 * kill)
            writer.send_signal(signal.SIGKILL)
        for stat in LocalFolder(tmp_path).list():
            data = (tmp_path / stat.path).read_bytes()
            assert stat.path in ("deep/0", "deep/1", "deep/2")
            assert len(data) == 3_000_000
            assert data == data[:1] * len(data)
            seen.add(data[:1])
    assert len(seen) > 1, "nothing was written before the kills"


def test_reader_sees_whole_files_only_when_a_writer_replaces_them(tmp_path: Path) -> None:
    folder, over, sizes = LocalFolder(tmp_path), threading.Event(), set()
    folder.write_atomic("a", b"\x00" * 500_000)

    def replace_files() -> None:
        number = 0
        while not over.is_set():
            number += 1
            folder.write_atomic("a", bytes([number % 256]) * (500_000 + number % 7))

    writer = threading.Thread(target=replace_files)
    writer.start()
    try:
        for _ in range(200):
            data, stat = folder.read_with_stat("a")
            assert data == data[:1] * len(data)
            assert len(data) == stat.size_bytes >= 500_000
            assert [found.path for found in folder.list()] == ["a"]
            sizes.add(len(data))
    finally:
        over.set()
        writer.join(30)
    assert len(sizes) > 1, "nothing was replaced while it was read"


PUTTER = """
import sys
from pathlib import Path
from manifests.storage import LocalFolder

folder = LocalFolder(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
print(*(i for i in range(150) if folder.put_if_absent(f"deep/{i}", sys.argv[2].encode() * 1000)))
"""


def test_one_wins_each_file_when_processes_put_at_once(tmp_path: Path) -> None:
    names = ["one", "two"]
    putters = [
        subprocess.Popen(
            [sys.executable, "-c", PUTTER, str(tmp_path), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in names
    ]
    for putter in putters:
        assert putter.stdout is not None
        assert putter.stdout.readline() == "ready\n"
    for putter in putters:
        assert putter.stdin is not None
        putter.stdin.write("\n")
        putter.stdin.flush()
    won = {name: set(putter.communicate(timeout=60)[0].split()) for name, putter in zip(names, putters, strict=True)}
    assert not won["one"] & won["two"]
    assert won["one"] | won["two"] == {str(number) for number in range(150)}
    for name, numbers in won.items():
        for number in numbers:
            assert (tmp_path / "deep" / number).read_text() == name * 1000


def test_no_temporary_file_is_left_when_writing_fails(tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path)
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError):
        folder.write_atomic("taken", b"data")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_write_fails_as_an_os_error_when_a_folder_is_in_the_way_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"1")
    with pytest.raises(OSError):
        LocalFolder(tmp_path).write_atomic("file/below", b"data")
    assert (tmp_path / "file").read_bytes() == b"1"


def test_files_that_were_being_written_are_not_listed_when_a_writer_died(tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path)
    folder.write_atomic("deep/a", b"1")
    (tmp_path / "deep" / ".cleanplate-0123456789abcdef").write_bytes(b"half")
    assert _paths(folder) == ["deep/a"]


@pytest.mark.parametrize("path", ["../a", "deep/../../a", "/etc/passwd", "..", "deep/.."])
def test_path_is_refused_when_it_leads_out_of_the_folder(tmp_path: Path, path: str) -> None:
    folder = LocalFolder(tmp_path / "inside")
    for touch in (folder.read, lambda name: folder.write_atomic(name, b""), lambda name: folder.delete([name])):
        with pytest.raises(ValueError, match="leads out"):
            touch(path)
    assert list(tmp_path.iterdir()) == []


def test_files_behind_links_are_listed_and_broken_links_are_not(tmp_path: Path) -> None:
    LocalFolder(tmp_path / "elsewhere").write_atomic("deep/a", b"123")
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "link").symlink_to(tmp_path / "elsewhere")
    (inside / "broken").symlink_to(tmp_path / "nowhere")
    assert _paths(LocalFolder(inside)) == ["link/deep/a"]


def test_files_are_listed_once_when_a_link_leads_back_up(tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path)
    folder.write_atomic("deep/a", b"1")
    (tmp_path / "deep" / "again").symlink_to(tmp_path / "deep")
    assert _paths(folder) == ["deep/a"]


def test_free_room_is_told_when_the_folder_is_not_there_yet(tmp_path: Path) -> None:
    free = LocalFolder(tmp_path / "not" / "yet").free_bytes()
    assert free > 0
    assert not (tmp_path / "not").exists()


def test_local_path_is_where_the_file_lies(tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path)
    folder.write_atomic("deep/a", b"1")
    assert folder.local_path("deep/a").read_bytes() == b"1"
    assert MemoryFolder({"a": b"1"}).local_path("a") is None


LEFTOVER = f".cleanplate-{'0' * 32}"


def test_leftovers_are_what_listings_hide(tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path)
    folder.write_atomic("a/b", b"1")
    (tmp_path / "a" / LEFTOVER).write_bytes(b"half")
    (tmp_path / "a" / ".cleanplate-notes").write_bytes(b"a person's")
    assert _paths(folder) == ["a/b"]
    assert [(stat.path, stat.size_bytes) for stat in folder.leftovers()] == [(f"a/{LEFTOVER}", 4)]
    assert list(folder.leftovers("nowhere")) == []
    folder.delete_leftovers(list(folder.leftovers("a")))
    assert list(folder.leftovers()) == [] and (tmp_path / "a" / ".cleanplate-notes").exists()


def test_prune_deletes_empty_folders_only_and_never_the_root(tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path / "root")
    for path in ("a/b/c/file", "a/b/other", "d/e/file", "kept/file"):
        folder.write_atomic(path, b"1")
    folder.delete(["a/b/c/file", "d/e/file"])
    folder.prune(["a/b/c/file", "d/e/file", "d/e/gone/file", "kept/file"])
    assert sorted(str(path.relative_to(folder.root)) for path in folder.root.rglob("*")) == [
        "a",
        "a/b",
        "a/b/other",
        "kept",
        "kept/file",
    ]
    folder.delete(["a/b/other", "kept/file"])
    folder.prune(["a/b/other", "kept/file"])
    assert folder.root.exists() and list(folder.root.iterdir()) == []


def test_a_listing_tells_when_a_file_was_written(tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path)
    before = time.time_ns() - 10**9
    folder.write_atomic("a", b"1")
    (stat,) = folder.list()
    assert stat.written_ns is not None and before < stat.written_ns < time.time_ns() + 10**9


def test_a_source_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    class Failing(BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError("the disk of the source")

    folder = LocalFolder(tmp_path)
    folder.write_atomic("a", b"before")
    with pytest.raises(OSError, match="of the source"):
        folder.write_from("a", Failing(b"after"))
    assert folder.read("a") == b"before" and not list(folder.leftovers())
