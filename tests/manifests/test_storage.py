"""Storage: whole files only, one winner, and nothing outside the folder."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from io import BytesIO
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


@pytest.mark.parametrize("n_bytes", [0, 1, 3_000_000])
def test_file_is_what_its_source_held_from_the_start(folder: Folder, n_bytes: int) -> None:
    source = BytesIO(bytes(range(256)) * (n_bytes // 256 + 1))
    source.truncate(n_bytes)
    source.read(5)
    folder.write_from("deep/a", source)
    assert folder.read("deep/a") == source.getvalue()
    assert [stat.size_bytes for stat in folder.list()] == [n_bytes]


def test_missing_file_is_not_found_by_any_way_of_reading(folder: Folder) -> None:
    folder.write_atomic("there/other", b"1")
    for path in ("a", "there/a", "nowhere/a"):
        for read in (folder.read, folder.read_with_stat, lambda name: folder.read_range(name, 0, 5)):
            with pytest.raises(FileNotFoundError):
                read(path)


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
