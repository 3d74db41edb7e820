"""Commands as Ray jobs: sent to a cluster from outside, followed, stopped, listed."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from shlex import join
from typing import Any

from ray.exceptions import RayError
from ray.job_submission import JobStatus, JobSubmissionClient

from manifests.errors import NothingSelected, WorkersDied
from matting_tasks.cluster import code_for_workers, first_words

STOP_S = 60
"""Ray's own patience with a command that was told to end; ours are gone in some ten seconds."""
PASSED_ON = ("PREFECT_API_URL", "PREFECT_API_KEY", "CLEANPLATE_WEIGHTS")
"""Of the environment of whoever submits: what the command would have read here."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """A command on a cluster: its name there, what it is, Ray's word for how it is, and its exit code once it ended."""

    name: str
    command: str
    status: str
    exit_code: int | None
    started: str


class Jobs:
    """The commands that were sent to one cluster."""

    def __init__(self, address: str) -> None:
        """Reach the dashboard of a cluster's head, `http://host:8265`; raises WorkersDied where none answers."""
        self._address = address
        with self._reached():
            self._client = JobSubmissionClient(address)
        logging.getLogger("ray").setLevel(logging.ERROR)  # Ray tells of each file that it does not send

    def submit(self, words: Sequence[str]) -> str:
        """Send `cleanplate WORDS` and return its name; a source checkout sends its code along.

        It is run by the `python` of the head's PATH, where its nodes' environment was set up.
        """
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        environment |= {"OMP_WAIT_POLICY": "passive", "RAY_JOB_STOP_WAIT_TIME_S": str(STOP_S), "PYTHONUNBUFFERED": "1"}
        with self._reached():
            name: str = self._client.submit_job(
                entrypoint=join(["python", "-m", "flows.cli", *words]),
                runtime_env=code_for_workers() | {"env_vars": environment},
                metadata={"cleanplate": join(words)},
            )
        return name

    def follow(self, name: str, tell: Callable[[str], None]) -> Submitted:
        """Tell what a command prints until it ends; may be left at any time, the command goes on."""
        with self._reached():
            self.look(name)
            asyncio.run(self._tail(name, tell))
            while not JobStatus(self.look(name).status).is_terminal():
                time.sleep(0.5)
        return self.look(name)

    def stop(self, name: str) -> Submitted:
        """Have a command drop what is in hand, and wait until it has ended; what is committed is kept."""
        with self._reached():
            self.look(name)
            self._client.stop_job(name)
            deadline = time.monotonic() + STOP_S
            while not JobStatus(self.look(name).status).is_terminal() and time.monotonic() < deadline:
                time.sleep(0.3)
        return self.look(name)

    def look(self, name: str) -> Submitted:
        """Return how a command is; raises NothingSelected where there is none of that name."""
        found = next((one for one in self.all() if one.name == name), None)
        if found is None:
            raise NothingSelected(f"The cluster at {self._address} knows no job {name}. List them with --list.")
        return found

    def all(self) -> list[Submitted]:
        """Return the commands of ours, the oldest first."""
        with self._reached():
            jobs = self._client.list_jobs()
        ours = [job for job in jobs if job.submission_id is not None and "cleanplate" in (job.metadata or {})]
        return [_submitted(job) for job in sorted(ours, key=lambda job: job.start_time or 0)]

    async def _tail(self, name: str, tell: Callable[[str], None]) -> None:
        async for lines in self._client.tail_job_logs(name):
            tell(lines)

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """Say what to look at where the dashboard does not answer, or not us."""
        try:
            yield
        except (ConnectionError, RuntimeError, OSError, ValueError, RayError) as err:
            raise WorkersDied(
                f"The Ray cluster at {self._address} does not take jobs: {first_words(str(err))}. Name the dashboard "
                "of its head, such as http://head:8265, and check the token (RAY_AUTH_TOKEN, or ~/.ray/auth_token)."
            ) from err


def _submitted(job: Any) -> Submitted:
    metadata: Mapping[str, str] = job.metadata or {}
    started = datetime.fromtimestamp((job.start_time or 0) / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Submitted(job.submission_id, metadata["cleanplate"], str(job.status.value), job.driver_exit_code, started)
