from __future__ import annotations

from typing import Any

import pytest

from flows.guards import check_room
from manifests.errors import NoRoom, StoreFault
from manifests.storage_memory import MemoryFolder


class Full(MemoryFolder):
    def free_bytes(self) -> Any:
        return 1000


class ReadOnly(MemoryFolder):
    def write_atomic(self, path: str, data: bytes) -> None:
        raise PermissionError(13, "Permission denied", path)


def test_too_little_room_and_an_unwritable_root_are_found_first() -> None:
    with pytest.raises(NoRoom, match="needs about 5.0 GB"):
        check_room(Full(), 5_000_000_000)
    with pytest.raises(StoreFault, match="cannot be written"):
        check_room(ReadOnly(), 1)
    check_room(Full(), 999)
