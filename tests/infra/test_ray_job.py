"""The RayJob of kubernetes/run as a Ray job of this machine: Ray by its parameters, its script by its entry point.

What the operator would do is done here: `rayStartParams` become options of `ray start`, the entry point goes to
`ray job submit`. The device is the CPU, and the model one without weights.
"""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import cleanplate
from infra.files import documents

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.timeout(1200)]
SETTINGS, JOB = documents("kubernetes/run/ray-job.yaml")
BINARIES = Path(sys.executable).parent
START_S, RUN_S, POLL_S = 120.0, 300.0, 2.0


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


def options(group: Any, **others: object) -> list[str]:
    """Return a group's parameters as options of `ray start`; ports are those of this machine."""
    told = group["rayStartParams"] | {"metrics-export-port": free_port(), "dashboard-agent-listen-port": free_port()}
    return [f"--{name}={value}" for name, value in (told | others).items()]


class Cluster:
    """A head and a worker by the parameters of the RayJob."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port, self.dashboard = folder, free_port(), free_port()
        self.environment = {
            "PATH": f"{BINARIES}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder),
            "RAY_TMPDIR": str(folder),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(16),
            "CAPTURE": str(folder / "capture"),
            "OUT": str(folder / "mattes"),
            "MODEL": "plate-difference",
        }
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        spec = JOB["spec"]["rayClusterSpec"]
        ports = {"port": self.port, "dashboard-port": self.dashboard, "ray-client-server-port": free_port()}
        self._start(["--head", *options(spec["headGroupSpec"], **ports)])
        self._await("health-check", "--address", f"127.0.0.1:{self.port}")
        (workers,) = spec["workerGroupSpecs"]
        self._start([f"--address=127.0.0.1:{self.port}", *options(workers)])
        self._await("job", "list", "--address", f"http://127.0.0.1:{self.dashboard}")

    def run(self, name: str) -> tuple[str, str]:
        """Hand the entry point in as the operator's submitter does; return how it ended, and all that it said."""
        script = self.folder / "matte.sh"
        script.write_text(SETTINGS["data"]["matte.sh"].replace("--device cuda", "--device cpu"))
        words = shlex.split(JOB["spec"]["entrypoint"].replace("/etc/cleanplate", str(self.folder)))
        where = ["--address", f"http://127.0.0.1:{self.dashboard}"]
        sent = self.ray("job", "submit", *where, "--no-wait", "--submission-id", name, "--", *words)
        assert sent.returncode == 0, sent.stdout
        deadline, status = time.monotonic() + RUN_S, ""
        while status not in ("succeeded", "failed"):
            assert time.monotonic() < deadline, self.ray("job", "logs", *where, name).stdout
            time.sleep(POLL_S)
            said = self.ray("job", "status", *where, name).stdout
            status = next((word for word in ("succeeded", "failed") if f"'{name}' {word}" in said), "")
        return status, self.ray("job", "logs", *where, name).stdout

    def ray(self, *words: str) -> subprocess.CompletedProcess[str]:
        command, out = [str(BINARIES / "ray"), *words], subprocess.PIPE
        where = {"env": self.environment, "cwd": self.folder}
        return subprocess.run(command, **where, text=True, stdout=out, stderr=subprocess.STDOUT, timeout=RUN_S)

    def stop(self) -> None:
        for process in reversed(self._processes):
            process.terminate()
            process.wait(30)

    def _start(self, words: list[str]) -> None:
        with (self.folder / "ray.log").open("ab") as log:
            command = [str(BINARIES / "ray"), "start", "--block", *words]
            self._processes.append(
                subprocess.Popen(command, env=self.environment, cwd=self.folder, stdout=log, stderr=log)
            )

    def _await(self, *words: str) -> None:
        deadline = time.monotonic() + START_S
        while self.ray(*words).returncode:
            assert time.monotonic() < deadline, (self.folder / "ray.log").read_text()[-2000:]
            time.sleep(0.5)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    folder = Path(tempfile.mkdtemp(prefix="cp-"))  # Ray's sockets want a short path
    running = Cluster(folder)
    try:
        yield running
    finally:
        running.stop()
        shutil.rmtree(folder, ignore_errors=True)


def test_the_job_succeeds_where_all_is_done_and_fails_where_it_is_not(cluster: Cluster) -> None:
    capture = Path(cluster.environment["CAPTURE"])
    made = cleanplate("synth", capture, "--cameras", 2, "--frames", 3, "--size", 64)
    assert made.code == 0, made.err
    cluster.start()
    status, said = cluster.run("first")
    assert status == "succeeded", said
    assert len(list(Path(cluster.environment["OUT"]).rglob("mask_2*.jpg"))) == 6

    (capture / "031/images/0001/image_222200037.jpg").write_bytes(b"")
    status, said = cluster.run("a-bad-frame")
    assert status == "succeeded" and "Some frames are not ok: cleanplate status" in said, said

    shutil.rmtree(capture)
    status, said = cluster.run("no-capture")
    assert status == "failed" and "no such folder" in said, said
