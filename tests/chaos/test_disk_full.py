"""A file system that is really full in the middle of a run: a clear message, and after room is made the same command.

Mounts a small file system in memory, which only root may do.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from captures import make_tiny, masks_below
from chaos.checking import check, read_tree
from chaos.job import Job
from chaos.processes import Child
from chaos.stage import zygote

from manifests.storage import LocalFolder

SIZE_BYTES = 6 * 10**6
N_FRAMES = 3 * 40


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("a file system can be mounted by root only")
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_BYTES}", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"this machine mounts nothing: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def start(capture: Path, out: Path, log: Path, *more: str, **disturbed: Any) -> Child:
    words = ("matte", str(capture), "--out", str(out), "--model", "plate-difference", "--executor", "local", "--quiet")
    return zygote().start(Job((*words, *more), log=str(log), **disturbed))


def said_in(log: Path) -> str:
    """Return what a run said, but for its verdicts: the square of the capture leaps, which looks bad."""
    return "".join(line for line in log.read_text().splitlines(keepends=True) if not line.startswith("! QC:"))


def fill_bytes(disk: Path, out: Path, run: Child) -> None:
    """Have somebody else take what is left as soon as some masks are written."""
    deadline = time.monotonic() + 120
    while sum(1 for _ in out.glob("*/images/*/mask_*")) < 10 and not run.has_ended_within(0.002):
        assert time.monotonic() < deadline
    fill(disk)


def fill(disk: Path) -> None:
    with open(disk / "of somebody else", "wb", buffering=0) as other:
        try:
            while True:
                other.write(bytes(4096))
        except OSError as err:
            assert err.errno == errno.ENOSPC


def free_bytes(disk: Path) -> None:
    (disk / "of somebody else").unlink()


def remount(disk: Path, n_files: int) -> None:
    subprocess.run(["mount", "-o", f"remount,nr_inodes={n_files}", str(disk)], check=True)


@pytest.mark.parametrize("of", ["bytes", "files"])
def test_a_run_into_a_full_disk_says_so_and_is_completed_once_there_is_room(
    of: str, disk: Path, tmp_path: Path
) -> None:
    capture = make_tiny(tmp_path / "capture", n_cameras=3, n_frames=N_FRAMES // 3)
    log = tmp_path / "log"
    assert start(capture, tmp_path / "undisturbed", log).wait() == 0 and said_in(log) == ""
    reference = read_tree(LocalFolder(tmp_path / "undisturbed"))
    out = disk / "out"
    out.mkdir()
    make_room: Callable[[Path], None] = free_bytes
    if of == "files":
        remount(disk, 150)
        make_room = lambda disk: remount(disk, 10_000)  # noqa: E731
    run = start(capture, out, log)
    if of == "bytes":
        fill_bytes(disk, out, run)
    assert run.wait() == 1
    said = said_in(log)
    assert "No space left on device" in said and "same command again" in said and "Traceback" not in said
    n_left = len(masks_below(out))
    assert 0 < n_left < 2 * N_FRAMES
    make_room(disk)
    assert start(capture, out, log).wait() == 0 and said_in(log) == said
    found = check(LocalFolder(out), reference)
    assert found.are_none, found


def test_a_pack_that_outgrows_the_folder_for_temporary_files_says_which_disk_is_full(
    disk: Path, tmp_path: Path
) -> None:
    capture, log = make_tiny(tmp_path / "capture", n_cameras=3, n_frames=N_FRAMES // 3), tmp_path / "log"
    assert start(capture, tmp_path / "undisturbed", log).wait() == 0
    grows = {"pack_memory": 1000, "temporary": str(disk)}
    fill(disk)
    assert start(capture, tmp_path / "out", log, "--pack", **grows).wait() == 1
    said = said_in(log)
    assert f"No space left on device in {disk}, this machine's folder for temporary files" in said
    assert "same command again" in said and "Traceback" not in said
    assert not list((tmp_path / "out/_cleanplate").glob("packs/*/*")), "a pack is written when it is whole"
    free_bytes(disk)
    assert start(capture, tmp_path / "out", log, "--pack", **grows).wait() == 0
    assert check(LocalFolder(tmp_path / "out"), read_tree(LocalFolder(tmp_path / "undisturbed"))).are_none
