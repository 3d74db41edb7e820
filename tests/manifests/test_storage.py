"""Storage: whole files only, one winner, and nothing outside the folder."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from manifests.errors import UsageError
from manifests.storage import Folder, LocalFolder, open_folder, user_temporary_file
from manifests.storage_memory import MemoryFolder


@pytest.fixture(params=[lambda _: MemoryFolder(), LocalFolder], ids=["memory", "local"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    make: Callable[[Path], Folder] = request.param
    return make(tmp_path / "store")


def _paths(folder: Folder, prefix: str = "") -> list[str]:
    return sorted(stat.path for stat in folder.list(prefix))


NAMES = ["a", "deep/er/file.bin", "with space", "with+plus", "per%20cent", "ünï/çødé 私", "#hash?query", ".hidden", "~"]


@pytest.mark.parametrize("path", NAMES)
def test_file_is_read_as_it_was_written(folder: Folder, path: str) -> None:
    folder.write_atomic(path, b"\x00one\xff")
    assert folder.read(path) == b"\x00one\xff"
    assert _paths(folder) == [path]


def test_file_is_the_last_that_was_written(folder: Folder) -> None:
    folder.write_atomic("a", b"a long first text")
    folder.write_atomic("a", b"short")
    assert folder.read("a") == b"short"
    assert _paths(folder) == ["a"]


def test_missing_file_is_not_found_by_any_way_of_reading(folder: Folder) -> None:
    folder.write_atomic("there/other", b"1")
    for path in ("a", "there/a", "nowhere/a"):
        for read in (folder.read, folder.read_with_stat, lambda name: folder.read_range(name, 0, 5)):
            with pytest.raises(FileNotFoundError):
                read(path)


def test_missing_file_is_not_found_when_its_folder_is_a_file(tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path)
    folder.write_atomic("a", b"1")
    with pytest.raises(FileNotFoundError):
        folder.read("a/b")


@pytest.mark.parametrize(
    ("start", "stop", "part"),
    [(0, 0, b""), (0, 2, b"01"), (0, 99, b"01234"), (3, 4, b"3"), (3, 99, b"34"), (9, 12, b""), (4, 2, b"")],
)
def test_range_is_what_there_is_of_it(folder: Folder, start: int, stop: int, part: bytes) -> None:
    folder.write_atomic("a", b"01234")
    assert folder.read_range("a", start, stop) == part


def test_copy_is_the_file_with_its_fingerprint(folder: Folder, tmp_path: Path) -> None:
    data = bytes(range(256)) * 20_000
    folder.write_atomic("deep/with+plus", data)

    stat = folder.copy_to("deep/with+plus", tmp_path / "copy")

    assert (tmp_path / "copy").read_bytes() == data
    assert stat == folder.read_with_stat("deep/with+plus")[1]
    with pytest.raises(FileNotFoundError):
        folder.copy_to("nowhere", tmp_path / "copy")


def test_empty_file_is_a_file(folder: Folder) -> None:
    folder.write_atomic("a", b"")
    assert folder.read("a") == folder.read_range("a", 0, 10) == b""
    assert [stat.size_bytes for stat in folder.list()] == [0]


def test_list_gives_each_file_below_the_folder_once_with_its_size(folder: Folder) -> None:
    for path in ("031/a", "031/deep/b", "0310/c", "03", "d"):
        folder.write_atomic(path, path.encode())
    assert {stat.path: stat.size_bytes for stat in folder.list("031")} == {"031/a": 5, "031/deep/b": 10}
    assert _paths(folder, "031/") == ["031/a", "031/deep/b"]
    assert _paths(folder) == ["03", "031/a", "031/deep/b", "0310/c", "d"]


def test_list_gives_nothing_when_the_folder_does_not_exist(folder: Folder) -> None:
    assert _paths(folder, "nowhere") == _paths(folder) == []
    assert folder.children("nowhere") == folder.children() == ()


def test_children_are_the_sorted_folders_directly_below(folder: Folder) -> None:
    for path in ("b/1", "a/deep/1", "c", "a/2", "a/other/1"):
        folder.write_atomic(path, b"")
    assert folder.children() == ("a", "b")
    assert folder.children("a") == ("deep", "other")


def test_delete_takes_the_files_named_and_passes_over_missing_ones(folder: Folder) -> None:
    for path in ("a/1", "a/2", "b"):
        folder.write_atomic(path, b"")
    folder.delete(["a/1", "nowhere/1", "b", "b"])
    assert _paths(folder) == ["a/2"]


def test_put_writes_when_there_is_none(folder: Folder) -> None:
    assert folder.put_if_absent("deep/a", b"first")
    assert folder.read("deep/a") == b"first"


def test_put_leaves_the_file_when_there_is_one(folder: Folder) -> None:
    folder.write_atomic("a", b"first")
    assert not folder.put_if_absent("a", b"second")
    assert folder.read("a") == b"first"
    assert _paths(folder) == ["a"]


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda _: MemoryFolder(), id="memory"),
        pytest.param(LocalFolder, id="local"),
    ],
)
def test_put_says_no_when_the_very_same_bytes_are_there(make: Callable[[Path], Folder], tmp_path: Path) -> None:
    folder, data = make(tmp_path), b"the same"
    assert folder.put_if_absent("a", data)
    assert not folder.put_if_absent("a", data)


def test_one_wins_when_many_threads_put_at_once(folder: Folder) -> None:
    for number in range(10):
        barrier, won = threading.Barrier(6), []

        def put(data: bytes, path: str, barrier: threading.Barrier = barrier, won: list[bytes] = won) -> None:
            barrier.wait(10)
            if folder.put_if_absent(path, data):
                won.append(data)

        threads = [threading.Thread(target=put, args=(b"%d" % i, f"f{number}")) for i in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert won == [folder.read(f"f{number}")]


def test_stat_of_a_read_is_that_of_the_listing_when_nothing_changed(folder: Folder) -> None:
    folder.write_atomic("a", b"12345")
    data, stat = folder.read_with_stat("a")
    assert data == b"12345"
    assert [stat] == list(folder.list())


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


@pytest.mark.parametrize("make", [str, lambda path: f"file://{path}", lambda path: f"{path}/"])
def test_folder_is_on_this_disk_when_a_path_is_opened(tmp_path: Path, make: Callable[[Path], str]) -> None:
    (tmp_path / "a").write_bytes(b"1")
    folder = open_folder(make(tmp_path))
    assert folder.read("a") == b"1"
    assert folder.url == str(tmp_path)


def test_folder_is_the_same_when_the_working_folder_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = open_folder("inside")
    monkeypatch.chdir("/")
    folder.write_atomic("a", b"1")
    assert (tmp_path / "inside" / "a").read_bytes() == b"1"


@pytest.mark.parametrize("url", ["gs://bucket/x", "https://host/x", "memory://x", "S3://bucket"])
def test_url_is_refused_when_no_store_of_ours_speaks_it(url: str) -> None:
    with pytest.raises(UsageError, match="s3://"):
        open_folder(url)


@pytest.fixture
def temporary_file() -> Iterator[Path]:
    path = user_temporary_file(".mp4")
    yield path
    path.unlink()


def test_temporary_file_of_the_user_is_new_and_empty(temporary_file: Path) -> None:
    assert temporary_file.suffix == ".mp4"
    assert temporary_file.read_bytes() == b""


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
