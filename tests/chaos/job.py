"""A job: one `cleanplate` command in a process of its own, and how that process is disturbed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Job:
    """What a child process runs; times in seconds, files as paths of this machine.

    `kill_at` and `nth` name the step at which it kills itself. From byte `full_after` on the disk is full. Of the files
    that it opens or puts in place, `n_denied` are refused from number `denied_from` on. `file_limit` is the largest
    file, bytes. Packs above `pack_memory` bytes grow in the folder `temporary`, or the machine's own, and a store gets
    objects of twice `part_bytes` and more in parts. The model sleeps `seconds_a_frame`, calls `sys.exit` at frame
    `exit_at` and fails from `raise_from` on, both counted from 1. A byte is put into `counter` for each frame that the
    model was shown; the steps that were taken go to `hits_file`, what it says to `log`.
    """

    words: tuple[str, ...]
    log: str = ""
    counter: str = ""
    hits_file: str = ""
    kill_at: str = ""
    nth: int = 1
    full_after: int | None = None
    denied_from: int | None = None
    n_denied: int = 1
    file_limit: int | None = None
    pack_memory: int | None = None
    temporary: str = ""
    part_bytes: int | None = None
    seconds_a_frame: float = 0.0
    exit_at: int = 0
    exit_code: int = 0
    raise_from: int = 0
