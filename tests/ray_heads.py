"""Ray clusters on this machine as `ray start` makes them: a head, and nodes that see other files than the head does."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

REPOSITORY = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
RAY = (sys.executable, "-c", "from ray.scripts.scripts import main; main()")
STORE = ("--object-store-memory", str(80 << 20))
OTHER_RAY = "import ray; ray.__version__ = '{}'; from ray.scripts.scripts import main; main()"


@dataclass
class Head:
    """A head and its nodes; `environment` is what whoever joins needs."""

    address: str
    dashboard: str
    environment: dict[str, str]
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def run(self, *words: object, timeout: float = 180) -> subprocess.CompletedProcess[str]:
        """Run `cleanplate WORDS` as somebody who may join."""
        command = [sys.executable, "-m", "flows.cli", *map(str, words)]
        known = {"capture_output": True, "text": True, "cwd": REPOSITORY, "timeout": timeout}
        return subprocess.run(command, env=self.environment, **known)  # type: ignore[call-overload, no-any-return]

    def add_node(self, before: str = "true", n_cpus: int = 2) -> None:
        """Add a node; `before` is a command of the shell that changes what it alone sees of the disk."""
        words = [*RAY, "start", "--address", self.address, "--num-cpus", str(n_cpus), *STORE, "--block"]
        quoted = " ".join(f"'{word}'" for word in words)
        private = ["unshare", "-m"] if before != "true" else []
        self.processes.append(_start([*private, "sh", "-c", f"{before} && exec {quoted}"], self.environment))
        self._wait_for(len(self.processes))

    def _wait_for(self, n_nodes: int) -> None:
        deadline, command = time.monotonic() + 90, [*RAY, "list", "nodes", "--format", "json"]
        while time.monotonic() < deadline:
            environment = self.environment | {"RAY_ADDRESS": self.dashboard}
            listed = subprocess.run(command, capture_output=True, text=True, env=environment)
            if listed.stdout.count('"ALIVE"') >= n_nodes:
                return
            time.sleep(1)
        raise TimeoutError(f"{n_nodes} nodes did not come up")


@contextlib.contextmanager
def ray_head(n_cpus: int = 2, version: str | None = None) -> Iterator[Head]:
    """Start a head with a token, and end it with all its nodes; `version` is what it says it were."""
    port, dashboard = (_free_port() for _ in range(2))
    folder = tempfile.mkdtemp(prefix="cp-ray-")
    environment = os.environ | {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PATH": f"{BIN}:{os.environ['PATH']}",
    }
    ray = RAY if version is None else (*RAY[:2], OTHER_RAY.format(version))
    places = ["--port", str(port), "--dashboard-port", str(dashboard), "--dashboard-host", "127.0.0.1"]
    words = ["--num-cpus", str(n_cpus), "--temp-dir", folder, *STORE, "--block"]
    head = Head(f"127.0.0.1:{port}", f"http://127.0.0.1:{dashboard}", environment)
    try:
        head.processes.append(_start([*ray, "start", "--head", *places, *words], environment))
        _wait_until_open(port)
        if version is None:
            head._wait_for(1)
        yield head
    finally:
        end(head.processes)
        shutil.rmtree(folder, ignore_errors=True)


def end(processes: list[subprocess.Popen[bytes]]) -> None:
    """End processes and all that they started."""
    family: list[psutil.Process] = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            family += [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
    for one in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.send_signal(signal.SIGKILL)
    psutil.wait_procs(family, timeout=20)
    for process in processes:
        process.wait(20)


def can_mount() -> bool:
    """Tell whether a process of ours may have mounts of its own."""
    found = shutil.which("unshare")
    return found is not None and subprocess.run([found, "-m", "true"], capture_output=True).returncode == 0


def _start(command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    nothing = subprocess.DEVNULL
    return subprocess.Popen(
        command, env=environment, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_open(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.2)
    raise TimeoutError("the head did not start")
