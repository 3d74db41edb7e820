import io

import pytest

from manifests.ranged import BLOCK_BYTES, N_BLOCKS, RangedFile
from manifests.storage_memory import MemoryFolder

DATA = bytes(range(256)) * 8192  # 2 MiB


class CountingFolder(MemoryFolder):
    n_bytes = 0

    def read_range(self, path: str, start: int, stop: int) -> bytes:
        data = super().read_range(path, start, stop)
        self.n_bytes += len(data)
        return data


def test_reads_what_a_file_would_at_any_place() -> None:
    ranged, file = RangedFile(MemoryFolder({"a": DATA}), "a", len(DATA)), io.BytesIO(DATA)

    for offset, whence, size in (
        (0, io.SEEK_SET, 10),
        (BLOCK_BYTES - 3, io.SEEK_SET, 7),
        (5, io.SEEK_CUR, 3 * BLOCK_BYTES),
        (-4, io.SEEK_END, 100),
        (9, io.SEEK_END, 100),
        (17, io.SEEK_SET, -1),
    ):
        assert ranged.seek(offset, whence) == file.seek(offset, whence)
        assert ranged.read(size) == file.read(size)
        assert ranged.tell() == file.tell()


def test_reads_few_bytes_of_the_store_for_few_bytes_of_the_file_and_none_twice() -> None:
    folder = CountingFolder({"a": DATA})
    ranged = RangedFile(folder, "a", len(DATA))

    for _ in range(3):
        ranged.seek(0)
        ranged.read(100)
        ranged.seek(-100, io.SEEK_END)
        ranged.read(100)

    assert folder.n_bytes == 2 * BLOCK_BYTES


def test_holds_a_bounded_part_of_a_long_file() -> None:
    folder = CountingFolder({"a": DATA})
    ranged = RangedFile(folder, "a", len(DATA))

    assert ranged.read() == DATA and len(DATA) // BLOCK_BYTES == N_BLOCKS
    big = RangedFile(CountingFolder({"a": DATA * 4}), "a", 4 * len(DATA))
    big.read()

    assert len(big._blocks) == N_BLOCKS


def test_says_that_a_file_became_shorter_than_it_was_listed() -> None:
    ranged = RangedFile(MemoryFolder({"a": DATA[:1000]}), "a", 2000)

    with pytest.raises(OSError, match="a ends after 1000 bytes, the listing says 2000"):
        ranged.read()


def test_passes_a_missing_file_on() -> None:
    with pytest.raises(FileNotFoundError):
        RangedFile(MemoryFolder(), "a", 10).read(1)


def test_fills_a_buffer() -> None:
    ranged = io.BufferedReader(RangedFile(MemoryFolder({"a": DATA}), "a", len(DATA)))

    assert ranged.read(300_000) == DATA[:300_000]
