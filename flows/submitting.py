"""Submitting: a command sent to a Ray cluster as a job, with words and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from flows.engines import prepare_engines, use_ray_token
from flows.show import plain_console
from manifests.errors import UsageError

if TYPE_CHECKING:
    from matting_tasks.jobs import Jobs

ON_RAY = ("matte", "reprocess")
"""Commands with workers: on a cluster these are its own."""
SECRET = ("key", "secret", "token")


def run_submit(address: str, words: Sequence[str], follow: bool) -> int:
    """Send a command, follow it if asked to, and return its exit code, 0 where it was only sent."""
    words = _for_the_cluster(words)
    jobs, console = _jobs(address), plain_console()
    name = jobs.submit(words)
    console.print(f"Submitted as {name}.", soft_wrap=True)
    if not follow:
        console.print(_advice(address, name), soft_wrap=True)
        return 0
    return run_follow(address, name)


def run_follow(address: str, name: str) -> int:
    """Print what a command prints until it ends, and return its exit code."""
    jobs, console = _jobs(address), plain_console()
    try:
        ended = jobs.follow(name, _print)
    except KeyboardInterrupt:
        console.print(f"\nNo longer followed; {name} goes on. {_advice(address, name)}", soft_wrap=True)
        raise
    if ended.exit_code is not None:
        return ended.exit_code
    console.print(f"{name}: {ended.status.lower()}")
    return 0 if ended.status == "SUCCEEDED" else 1


def run_stop(address: str, name: str) -> int:
    """Stop a command and return 0 once it has ended."""
    ended, console = _jobs(address).stop(name), plain_console()
    console.print(f"{name}: {ended.status.lower()}. What it has finished is kept; submit the same command to go on.")
    return 0 if ended.status in ("STOPPED", "SUCCEEDED", "FAILED") else 1


def run_list(address: str) -> int:
    """Print the commands that were sent to a cluster."""
    console, jobs = plain_console(), _jobs(address).all()
    for job in jobs:
        code = "" if job.exit_code is None else f", exit code {job.exit_code}"
        console.print(f"{job.name}  {job.started}  {job.status.lower()}{code}", soft_wrap=True)
        console.print(f"    cleanplate {job.command}", soft_wrap=True)
    if not jobs:
        console.print(f"Nothing was submitted to {address} yet.", soft_wrap=True)
    return 0


def _jobs(address: str) -> Jobs:
    if not address.startswith(("http://", "https://")):
        raise UsageError(
            f"--ray-address {address}: the dashboard of the cluster's head is wanted, such as http://head:8265."
        )
    prepare_engines()
    use_ray_token()
    from matting_tasks.jobs import Jobs

    return Jobs(address)


def _for_the_cluster(words: Sequence[str]) -> list[str]:
    """Return a command as it is to run on a cluster; raises UsageError for what cannot, or must not be sent."""
    from flows.cli import COMMANDS

    if not words or words[0] not in COMMANDS or words[0] == "submit":
        raise UsageError(
            "Which command? Put it behind --, such as: cleanplate submit --ray-address http://head:8265 -- matte "
            "s3://lab/capture --out s3://lab/mattes"
        )
    options = [
        word.partition("=")[2] or following
        for word, following in zip(words, [*words[1:], ""], strict=True)
        if word.split("=", 1)[0] == "--storage-option"
    ]
    if any(option.split("=", 1)[0] in SECRET for option in options):
        raise UsageError(
            "--storage-option: a job's command is shown on the cluster's pages, and secrets must not be in it. Put "
            "them into the AWS environment of the nodes."
        )
    has_place = any(word.split("=", 1)[0] in ("--ray-address", "--executor") for word in words)
    return [*words, "--ray-address", "auto"] if words[0] in ON_RAY and not has_place else list(words)


def _advice(address: str, name: str) -> str:
    words = f"cleanplate submit --ray-address {address}"
    return f"Follow it with: {words} --follow {name}. Stop it with: {words} --stop {name}."


def _print(lines: str) -> None:
    sys.stdout.write(lines)
    sys.stdout.flush()
