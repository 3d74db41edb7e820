"""The world around an output root: nothing of it may change while a command runs."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path


class Around:
    """All files and folders below a folder, but for those of an output root inside of it."""

    def __init__(self, folder: Path, out: Path) -> None:
        """Look at what is there now; a link is not followed."""
        self._folder, self._out = folder, out
        self._before = dict(self._seen())

    def check(self) -> None:
        """Fail where anything was written, changed or deleted outside of the output root since."""
        now = dict(self._seen())
        differing = {path for path in self._before.keys() | now.keys() if self._before.get(path) != now.get(path)}
        assert not differing, f"changed outside of {self._out}: {sorted(differing)[:5]}"

    def _seen(self) -> Iterator[tuple[str, str]]:
        for above, folders, files in os.walk(self._folder):
            here = Path(above)
            folders[:] = [name for name in folders if here / name != self._out]
            for name in folders:
                yield str(here / name), "folder"
            for name in files:
                path = here / name
                yield str(path), hashlib.sha256(path.read_bytes()).hexdigest()
