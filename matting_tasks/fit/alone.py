"""One fit at a time in a folder: two would write one state, each over the other's."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from manifests.errors import Refused

log = logging.getLogger(__name__)

LOCK = ".lock"


@contextmanager
def alone(out: Path) -> Iterator[None]:
    """Hold a folder that is there; however its process ends, it is free again.

    A file system that knows no locks is worked in without. Raises Refused where another process of any machine that
    sees the folder holds it.
    """
    lock = FileLock(out / LOCK, blocking=False)
    try:
        lock.acquire()
    except Timeout as err:
        raise Refused(f"another fit is at work in {out}: wait for it, stop it, or name another folder.") from err
    except NotImplementedError as err:
        log.warning("%s: %s; nothing keeps a second fit out of it", out, err)
    try:
        yield
    finally:
        lock.release()
