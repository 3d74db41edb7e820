"""A file of a store, read in blocks as something asks for them: for what needs a few bytes of a large file."""

from __future__ import annotations

import io
from collections import OrderedDict

from manifests.storage import Folder

BLOCK_BYTES = 1 << 17
N_BLOCKS = 16


class RangedFile(io.RawIOBase):
    """A seekable file over ranged reads; the blocks read last are kept."""

    def __init__(self, folder: Folder, path: str, size_bytes: int) -> None:
        """Name a file and its size, as a listing told it; nothing is read yet."""
        super().__init__()
        self.name = path
        self._folder = folder
        self._size = size_bytes
        self._position = 0
        self._blocks: OrderedDict[int, bytes] = OrderedDict()

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that it can be searched."""
        return True

    def tell(self) -> int:
        """Return the position, in bytes."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move the position and return it."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def read(self, size: int = -1) -> bytes:
        """Return at most `size` bytes from the position on, all that is left if negative; raises OSError."""
        stop = self._size if size < 0 else min(self._size, self._position + size)
        parts = []
        while self._position < stop:
            number, skipped = divmod(self._position, BLOCK_BYTES)
            part = self._block(number)[skipped : skipped + stop - self._position]
            if not part:
                raise OSError(f"{self.name} ends after {self._position} bytes, the listing says {self._size}")
            parts.append(part)
            self._position += len(part)
        return b"".join(parts)

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill a buffer from the position on and return the count of bytes."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _block(self, number: int) -> bytes:
        if number not in self._blocks:
            start = number * BLOCK_BYTES
            self._blocks[number] = self._folder.read_range(self.name, start, min(self._size, start + BLOCK_BYTES))
        self._blocks.move_to_end(number)
        if len(self._blocks) > N_BLOCKS:
            self._blocks.popitem(last=False)
        return self._blocks[number]
