"""Processes: jobs in real processes, forked from one that is warm, so that many fit into a minute."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from chaos.job import Job

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE_S = 120.0


class Zygote:
    """The process that forks the others; use it as a context."""

    def __init__(self) -> None:
        paths = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests")])
        environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "2", "PYTHONUNBUFFERED": "1"}
        command = [sys.executable, "-m", "chaos.zygote"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        self._buffer = b""
        self._children: dict[int, Child] = {}
        self._n_started = 0

    def __enter__(self) -> Zygote:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end_children()
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def start(self, job: Job) -> Child:
        """Start a job and return its process, once it has one."""
        self._n_started += 1
        child = Child(self, self._n_started)
        self._children[child.number] = child
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"id": child.number, "job": asdict(job)}).encode() + b"\n")
        self._process.stdin.flush()
        deadline = time.monotonic() + PATIENCE_S
        while not child.pid:
            self.listen(deadline - time.monotonic())
        return child

    def run(self, job: Job) -> int:
        """Run a job to its end and return its exit code."""
        return self.start(job).wait()

    def end_children(self) -> None:
        """Kill the processes that still run, and wait until they are gone."""
        for child in list(self._children.values()):
            child.signal(signal.SIGKILL)
            child.wait()

    def listen(self, patience_s: float) -> None:
        """Take in what the zygote tells; raises TimeoutError when it is silent for so long."""
        assert self._process.stdout is not None
        handle = self._process.stdout.fileno()
        if not select.select([handle], [], [], max(0.0, patience_s))[0]:
            raise TimeoutError("a process of the harness is silent")
        more = os.read(handle, 65536)
        if not more:
            raise RuntimeError(f"the zygote has ended with {self._process.wait()}")
        *lines, self._buffer = (self._buffer + more).split(b"\n")
        for line in lines:
            self._take(json.loads(line))

    def _take(self, event: dict[str, Any]) -> None:
        child = self._children.get(event.get("id", 0))
        if child is None:
            return
        child.pid = event.get("pid", child.pid)
        if "code" in event:
            child.code = event["code"]
            child.ended = time.monotonic()
            del self._children[child.number]


@dataclass
class Child:
    """A process that runs a job; `code` is None while it runs, negative for the signal that ended it."""

    zygote: Zygote = field(repr=False)
    number: int
    pid: int = 0
    code: int | None = None
    ended: float = 0.0

    def signal(self, number: signal.Signals) -> bool:
        """Send a signal; tell whether there was anyone to get it."""
        if self.code is not None:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)
            return True
        return False

    def wait(self, patience_s: float = PATIENCE_S) -> int:
        """Return the exit code; raises TimeoutError."""
        deadline = time.monotonic() + patience_s
        while self.code is None:
            self.zygote.listen(deadline - time.monotonic())
        return self.code

    def has_ended_within(self, seconds: float) -> bool:
        """Wait that long at most, and tell whether the process has ended."""
        with contextlib.suppress(TimeoutError):
            self.wait(seconds)
        return self.code is not None
