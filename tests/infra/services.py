"""The services of compose.yaml as processes of this machine, where there is no container engine.

Each one is started by the command and the environment that the file gives it; only what a container would have for
itself is put in the place: hosts and ports become free ports of 127.0.0.1, mounted folders become folders. PostgreSQL's
image is played by initdb and postgres, as its own start script does it.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PORT = re.compile(r"(?<![\w.])(\d{4,5})(?![\w.])")
START_S, STOP_S, CHECK_S = 120.0, 30.0, 30.0


def postgres_binaries() -> Path | None:
    """Return the folder with PostgreSQL's server, None where this machine has none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


@dataclass
class Services:
    """Processes of a compose file: `document` has its variables filled in, `folder` is theirs and may be read by all.

    `mounts` are folders of this machine by what they are called in a container.
    """

    document: Any
    folder: Path
    mounts: Mapping[str, Path]
    _ports: dict[tuple[str, str], int] = field(default_factory=dict)
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str) -> None:
        """Start a service; those that it depends on have to be there."""
        words = self._postgres(name) if name == "postgres" else self.words(name, self._service(name)["command"])
        with self.log(name).open("ab") as log:
            self._running[name] = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment(name), cwd=self.folder
            )

    def await_health(self, name: str) -> None:
        """Wait until the service's own check passes; raises AssertionError with the end of its log."""
        deadline = time.monotonic() + START_S
        while (check := self.check_health(name)).returncode:
            gone = self._running[name].poll()
            if gone is not None or time.monotonic() > deadline:
                said = self.log(name).read_text(errors="replace")[-2000:]
                raise AssertionError(f"{name} ended with {gone}: {check.stdout!r} {said}")
            time.sleep(0.5)

    def check_health(self, name: str) -> subprocess.CompletedProcess[str]:
        """Run the health check of a service once."""
        kind, *words = self._service(name)["healthcheck"]["test"]
        return self.run(name, shlex.split(words[0]) if kind == "CMD-SHELL" else words, CHECK_S)

    def run(self, name: str, words: Sequence[str], timeout_s: float) -> subprocess.CompletedProcess[str]:
        """Run a command as `docker compose exec NAME` would, and return how it ended with all that it said."""
        return subprocess.run(
            self.words(name, words),
            env=self.environment(name),
            cwd=self.folder,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
        )

    def stop(self) -> dict[str, int | None]:
        """End all services, the last one first, and return their exit codes; None for one that had to be killed."""
        codes: dict[str, int | None] = {}
        for name, process in reversed(self._running.items()):
            process.send_signal(signal.SIGINT if name == "postgres" else signal.SIGTERM)
            try:
                codes[name] = process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                codes[name] = None
        self._running.clear()
        return codes

    def log(self, name: str) -> Path:
        """Return the file with what a service prints."""
        return self.folder / f"{name}.log"

    def words(self, name: str, command: str | Sequence[str]) -> list[str]:
        """Return a command of a service with the hosts, ports and folders of this machine."""
        words = shlex.split(command) if isinstance(command, str) else list(command)
        if name == "s3" and words[0] == "serve":
            words = ["rclone", *words]  # the image's entry point
        return [self._here(name, word) for word in words]

    def environment(self, name: str) -> dict[str, str]:
        """Return a service's environment; of this process's own it has nothing but what finds programs."""
        binaries = postgres_binaries()
        path = [str(Path(sys.executable).parent), *([] if binaries is None else [str(binaries)]), os.environ["PATH"]]
        told = self._service(name).get("environment", {})
        return {
            "PATH": os.pathsep.join(path),
            "HOME": str(self.folder),
            "RAY_TMPDIR": str(self.folder),
            "PYTHONUNBUFFERED": "1",
            **{key: self._here(name, str(value)) for key, value in told.items()},
        }

    def _service(self, name: str) -> Any:
        return self.document["services"][name]

    def _here(self, name: str, word: str) -> str:
        """Replace what is a container's own in a word: hosts with their ports, its own ports, mounted folders."""
        for host in self.document["services"]:
            there = rf"(^|[/@=]){host}:(\d+)(?=/|$)"
            word = re.sub(there, lambda found, h=host: f"{found[1]}127.0.0.1:{self._port(h, found[2])}", word)
        if word in self.mounts:
            return str(self.mounts[word])
        word = re.sub(r"^:(?=\d)", "127.0.0.1:", word).replace("0.0.0.0", "127.0.0.1")
        taken = {str(port) for port in self._ports.values()}
        return PORT.sub(lambda found: found[1] if found[1] in taken else str(self._port(name, found[1])), word)

    def _port(self, host: str, port: str) -> int:
        """Return the free port of this machine that stands for a port of a container."""
        if (host, port) not in self._ports:
            with socket.socket() as listener:
                listener.bind(("127.0.0.1", 0))
                self._ports[host, port] = listener.getsockname()[1]
        return self._ports[host, port]

    def _postgres(self, name: str) -> list[str]:
        """Make a database cluster as the image does from its environment, and return the command of its server."""
        told, data = self.environment(name), self.folder / "postgres"
        as_other = [] if os.geteuid() else ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]
        secret = self.folder / "postgres.secret"
        secret.write_text(told["POSTGRES_PASSWORD"])
        data.mkdir()
        if as_other:
            shutil.chown(data, "nobody", "nogroup")
            shutil.chown(secret, "nobody", "nogroup")
        make = ["initdb", "--pgdata", str(data), "--username", told["POSTGRES_USER"], "--pwfile", str(secret)]
        subprocess.run([*as_other, *make, "--auth", "scram-sha-256"], env=told, check=True, capture_output=True)
        named = f"CREATE DATABASE {told['POSTGRES_DB']};\n"
        single = [*as_other, "postgres", "--single", "-D", str(data), "postgres"]
        subprocess.run(single, env=told, input=named.encode(), check=True, capture_output=True)
        where = ["-h", "127.0.0.1", "-p", str(self._port(name, "5432")), "-k", str(data)]
        return [*as_other, "postgres", "-D", str(data), *where]
