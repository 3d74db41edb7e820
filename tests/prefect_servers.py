"""Prefect servers, workers and the `prefect` command as processes, over SQLite or a PostgreSQL of their own."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

HOME = Path(__file__).parents[1]
FILE = HOME / "infra/prefect.yaml"
START_S = 120.0
ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


class NotServed(Exception):
    """A server cannot be had on this machine; the message says why."""


@dataclass(frozen=True)
class Prefect:
    """A running server; `folder` has its history, and the logs of all that is started here."""

    api: str
    folder: Path
    environment: dict[str, str]

    def run(self, *words: str, fails: bool = False, **extra: str) -> str:
        """Run the `prefect` command and return what it said."""
        command = [sys.executable, "-m", "prefect", "--no-prompt", *words]
        environment = self.environment | extra
        ended = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=HOME, timeout=120)
        said = " ".join((ended.stdout + ended.stderr).split())
        assert bool(ended.returncode) == fails, said
        return said

    def deploy(self, capture: Path, out: Path, file: Path = FILE) -> None:
        """Make the work pool, and deploy all that a file says, filled with a capture and an output root."""
        self.run("work-pool", "create", "cleanplate", "--type", "process", "--overwrite")
        known = {"CLEANPLATE_CAPTURE": str(capture), "CLEANPLATE_OUT": str(out)}
        self.run("deploy", "--all", "--prefect-file", str(file), **known)

    @contextlib.contextmanager
    def worker(self) -> Iterator[psutil.Process]:
        """Have a worker of the pool look for runs every second."""
        words = ["worker", "start", "--pool", "cleanplate", "--type", "process"]
        quick = {"PREFECT_WORKER_QUERY_SECONDS": "1"}
        with started(
            [sys.executable, "-m", "prefect", *words], self.environment | quick, self.folder / "worker.log"
        ) as at:
            yield psutil.Process(at.pid)

    def start(self, deployment: str, **parameters: Any) -> str:
        """Start a run of a deployment and return its id."""
        words = json.dumps(parameters)
        said = self.run("deployment", "run", f"{deployment}/{deployment}", "--params", words)
        return said.partition("UUID: ")[2].split()[0]

    def ask(self, path: str, body: Any = None) -> Any:
        """Ask the API, by POST where there is a body."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.api}/{path}", data, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or "null")

    def state(self, run: str) -> dict[str, Any]:
        """Return the state of a run: its type, name and message."""
        state: dict[str, Any] = self.ask(f"flow_runs/{run}")["state"]
        return state

    def wait(self, run: str, *types: str, timeout_s: float = 120.0) -> dict[str, Any]:
        """Wait until a run is in one of the states, or has ended, and return that state."""
        wanted = types or ENDED
        deadline = time.monotonic() + timeout_s
        while (state := self.state(run))["type"] not in (*wanted, *ENDED):
            assert time.monotonic() < deadline, (state, self.logs())
            time.sleep(0.2)
        assert state["type"] in wanted, (state, self.logs())
        return state

    def runs_of(self, deployment: str) -> list[dict[str, Any]]:
        """Return the runs of a deployment, the latest first."""
        asked = {"deployments": {"name": {"any_": [deployment]}}, "sort": "EXPECTED_START_TIME_DESC"}
        runs: list[dict[str, Any]] = self.ask("flow_runs/filter", asked)
        return runs

    def artifacts(self, run: str) -> dict[str, str]:
        """Return the data of the artifacts of a run, by key."""
        asked = {"artifacts": {"flow_run_id": {"any_": [run]}}}
        return {one["key"]: str(one["data"]) for one in self.ask("artifacts/filter", asked)}

    def engine(self, run: str) -> psutil.Process:
        """Return the process of a run that is under way."""
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("PREFECT__FLOW_RUN_ID") == run and "prefect.engine" in process.cmdline():
                    return process
        raise AssertionError(f"run {run} has no process: {self.logs()}")

    def logs(self) -> str:
        """Return the ends of all logs."""
        return "\n".join(f"{path}: {path.read_text()[-3000:]}" for path in self.folder.glob("*.log"))


@contextlib.contextmanager
def serve_prefect(folder: Path, database_url: str | None = None) -> Iterator[Prefect]:
    """Serve Prefect with its clock and pages, over SQLite in `folder` if no other database is named."""
    port = free_port()
    api = f"http://127.0.0.1:{port}/api"
    known = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    environment = known | {
        "PREFECT_HOME": str(folder),
        "PREFECT_API_URL": api,
        "PREFECT_CLI_COLORS": "false",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "5",
        "DO_NOT_TRACK": "1",
        "PYTHONPATH": str(HOME),
        "COLUMNS": "500",
    }
    if database_url is not None:
        environment["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = database_url
    words = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with started(words, environment, folder / "server.log") as process:
        server = Prefect(api, folder, environment)
        deadline = time.monotonic() + START_S
        while not _is_healthy(api):
            assert process.poll() is None and time.monotonic() < deadline, server.logs()
            time.sleep(0.1)
        yield server


@contextlib.contextmanager
def serve_postgres() -> Iterator[str]:
    """Serve an empty PostgreSQL and yield the URL that Prefect takes; raises NotServed where there is none."""
    binaries = _postgres_binaries()
    if binaries is None:
        raise NotServed("PostgreSQL is not installed (initdb is neither on PATH nor in /usr/lib/postgresql)")
    other = _other_user()
    folder = Path(tempfile.mkdtemp(prefix="cleanplate-postgres-"))  # pytest's own folders are closed to other users
    try:
        as_other = [] if other is None else _become(other)
        if other is not None:
            os.chown(folder, other.pw_uid, other.pw_gid)
        port, data = free_port(), folder / "data"
        words = ["--username=prefect", "--auth=trust", "--no-locale", "--encoding=UTF8", "-D", str(data)]
        subprocess.run([*as_other, str(binaries / "initdb"), *words], check=True, capture_output=True, cwd=folder)
        options = ["-D", str(data), "-p", str(port), "-k", str(folder), "-h", "127.0.0.1", "-F"]
        with started([*as_other, str(binaries / "postgres"), *options], dict(os.environ), folder / "postgres.log"):
            _wait_for_port(port)
            url = f"postgresql+asyncpg://prefect@127.0.0.1:{port}/postgres"
            yield url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def started(words: list[str], environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process in a group of its own; at the end ask it, and all below it, to go, and then make them."""
    with log.open("ab") as target:
        process = subprocess.Popen(
            words, stdout=target, stderr=subprocess.STDOUT, env=environment, cwd=HOME, start_new_session=True
        )
    try:
        yield process
    finally:
        family = [psutil.Process(process.pid)] if process.poll() is None else []
        family += [child for member in family for child in member.children(recursive=True)]
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGINT)
        _, left = psutil.wait_procs(family, timeout=15)
        for member in left:
            with contextlib.suppress(psutil.Error):
                member.kill()
        process.wait(10)


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_healthy(api: str) -> bool:
    try:
        with urllib.request.urlopen(f"{api}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _wait_for_port(port: int) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def _postgres_binaries() -> Path | None:
    on_path = shutil.which("initdb")
    if on_path is not None and shutil.which("postgres") is not None:
        return Path(on_path).resolve().parent
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


def _other_user() -> pwd.struct_passwd | None:
    """Return who PostgreSQL is to run as where this is root, whom it refuses; None where this is a person."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise NotServed("PostgreSQL does not run as root, and this machine has neither a user postgres nor nobody")


def _become(user: pwd.struct_passwd) -> list[str]:
    if shutil.which("setpriv") is None:
        raise NotServed("PostgreSQL does not run as root, and setpriv (util-linux) is not installed")
    return ["setpriv", "--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups"]
