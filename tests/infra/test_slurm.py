"""The batch script of SLURM, run by stand-ins of its commands: there is no SLURM here.

`srun` runs its command on this machine and notes for which node it was; `scontrol` lists the nodes. The Ray head, the
Ray worker, the driver and the signals are real.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from command_line import cleanplate
from infra.files import INFRA

SCRIPT = INFRA / "slurm/matte.sbatch"
GRACE_S = 30.0
"""Well below the 60 s that the script asks SLURM for."""

SRUN = """\
#!/bin/bash
while [ "${1#--}" != "$1" ]; do
    case $1 in
    --overlap) shift ;;
    --nodelist) node=$2; shift 2 ;;
    *) shift 2 ;;
    esac
done
echo "$node $*" >>"$(dirname "$0")/srun.log"
exec "$@"
"""
SCONTROL = """\
#!/bin/bash
[ "$1 $2 $3" = "show hostnames node[1-2]" ] && printf 'node1\\nnode2\\n'
"""


@dataclass
class Allocation:
    """Two nodes that are both this machine, in a folder with a short path, for Ray's sockets want one."""

    folder: Path
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    def begin(self, *words: object) -> subprocess.Popen[bytes]:
        """Start the script as SLURM's batch step does."""
        told = {
            "PATH": f"{self.folder}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.folder),
            "RAY_TMPDIR": str(self.folder),
            "CLEANPLATE_HOME": str(self.folder),
            "CLEANPLATE_TEST_MARK": self.mark,
            "SLURM_JOB_ID": str(int(self.mark[:6], 16)),
            "SLURM_JOB_NODELIST": "node[1-2]",
            "SLURM_CPUS_ON_NODE": "2",
            "SLURM_SUBMIT_DIR": "/nowhere",
        }
        with self.log.open("wb") as log:
            return subprocess.Popen(
                ["bash", str(SCRIPT), *map(str, words)], env=told, stdout=log, stderr=log, start_new_session=True
            )

    @property
    def log(self) -> Path:
        return self.folder / "cleanplate.log"

    def left(self) -> list[str]:
        """Return the processes that the script has started and that still run."""
        return [
            " ".join(process.cmdline())
            for process in psutil.process_iter()
            if process.pid != os.getpid() and _environment(process).get("CLEANPLATE_TEST_MARK") == self.mark
        ]


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return {} if process.status() == psutil.STATUS_ZOMBIE else dict(process.environ())
    except (psutil.Error, OSError):
        return {}


@pytest.fixture
def allocation() -> Iterator[Allocation]:
    folder = Path(tempfile.mkdtemp(prefix="cp-"))
    for name, text in (("srun", SRUN), ("scontrol", SCONTROL)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    (folder / ".venv").symlink_to(sys.prefix)
    yield Allocation(folder)
    shutil.rmtree(folder, ignore_errors=True)


def test_without_a_capture_it_says_how_it_is_used(allocation: Allocation) -> None:
    assert allocation.begin().wait(30) == 2
    assert "usage: sbatch" in allocation.log.read_text()


def test_without_a_checkout_it_says_where_it_looked(allocation: Allocation) -> None:
    (allocation.folder / ".venv").unlink()
    assert allocation.begin("/capture", "--out", "/mattes").wait(30) == 2
    assert f"{allocation.folder}/.venv/bin/cleanplate is not there" in allocation.log.read_text()


@pytest.mark.slow
@pytest.mark.ray
def test_it_mattes_on_a_cluster_of_two_nodes_and_leaves_no_process(allocation: Allocation) -> None:
    out = allocation.folder / "mattes"
    capture = _capture(allocation, n_frames=3)
    script = allocation.begin(capture, "--out", out, "--model", "plate-difference")
    code = script.wait(240)
    said = allocation.log.read_text()
    assert code == 0, said
    assert "2 of 2 nodes have joined the Ray cluster" in said
    started = (allocation.folder / "srun.log").read_text()
    assert "node1 ray start --head" in started and "node2 ray start --address" in started
    assert len(list(out.rglob("mask_2*.jpg"))) == 6
    assert allocation.left() == []


@pytest.mark.slow
@pytest.mark.ray
def test_it_leaves_in_time_when_it_is_told_to_end(allocation: Allocation) -> None:
    capture = _capture(allocation, n_frames=400)
    script = allocation.begin(capture, "--out", allocation.folder / "mattes", "--model", "plate-difference")
    _await_word(allocation, "Matting with", script)
    time.sleep(3)
    told = time.monotonic()
    script.send_signal(signal.SIGTERM)
    code = script.wait(GRACE_S)
    print(f"left {time.monotonic() - told:.1f} s after SIGTERM")
    assert code == 143, allocation.log.read_text()
    assert "Stopped; run the same command again" in allocation.log.read_text()
    assert allocation.left() == []


def _capture(allocation: Allocation, n_frames: int) -> Path:
    """Make a capture of two cameras; beyond three frames, the files of the first ones again."""
    capture = allocation.folder / "capture"
    made = cleanplate("synth", capture, "--cameras", 2, "--frames", 3, "--size", 128)
    assert made.code == 0, made.err
    for frame in range(3, n_frames):
        shutil.copytree(capture / f"031/images/{frame % 3:04d}", capture / f"031/images/{frame:04d}")
    return capture


def _await_word(allocation: Allocation, word: str, script: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 180
    while word not in allocation.log.read_text():
        assert script.poll() is None and time.monotonic() < deadline, allocation.log.read_text()
        time.sleep(0.2)
