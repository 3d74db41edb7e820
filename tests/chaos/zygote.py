"""The zygote: a process that has imported everything, and forks a child for each job that it reads.

Lines of JSON come in, {"id": n, "job": {...}}; lines go out, {"id": n, "pid": p} when a child was started and
{"id": n, "code": c} when it has ended, c as subprocess counts: negative for a signal.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import sys
import traceback
from collections.abc import Iterator
from typing import Any, NoReturn

from chaos.job import Job
from chaos.seams import install

from flows.cli import main

PACKAGES = ("manifests", "models", "matting_tasks", "flows")
ENGINES = ("actor", "pool", "cluster", "prefect_flows", "server")
"""Modules that bring Ray or Prefect."""
OTHERS = ("pyarrow.parquet", "rich.progress", "simplejpeg", "av")


def serve() -> None:
    """Fork and wait until the input ends."""
    for module in (*modules(), *OTHERS):
        importlib.import_module(module)
    gc.collect()
    gc.freeze()
    inner, outer = os.pipe()
    os.set_blocking(outer, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(outer, warn_on_full_buffer=False)
    children: dict[int, int] = {}
    tell({"ready": os.getpid()})
    buffer = b""
    while True:
        readable, _, _ = select.select([0, inner], [], [])
        if inner in readable:
            os.read(inner, 4096)
            reap(children)
        if 0 in readable:
            more = os.read(0, 65536)
            if not more:
                break
            *lines, buffer = (buffer + more).split(b"\n")
            for line in lines:
                start(json.loads(line), children)
    for pid in children:
        os.kill(pid, signal.SIGKILL)


def modules() -> Iterator[str]:
    """Yield all modules of the product but those of the engines: children run the code of one moment."""
    for package in map(importlib.import_module, PACKAGES):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if found.name.rsplit(".", 1)[-1] not in ENGINES:
                yield found.name


def start(order: dict[str, Any], children: dict[int, int]) -> None:
    """Fork a child for a job."""
    pid = os.fork()
    if pid == 0:
        run(Job(**order["job"]))
    children[pid] = order["id"]
    tell({"id": order["id"], "pid": pid})


def reap(children: dict[int, int]) -> None:
    """Tell of the children that have ended."""
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        tell({"id": children.pop(pid), "code": os.waitstatus_to_exitcode(status)})


def tell(event: dict[str, Any]) -> None:
    """Write a line to whoever started the zygote."""
    os.write(1, json.dumps(event).encode() + b"\n")


def run(job: Job) -> NoReturn:
    """Be the process of a job, and end as `cleanplate` ends."""
    code = 70
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.setsid()
        log = os.open(job.log or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        seams = install(job)
        sys.argv = ["cleanplate", *job.words]
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        seams.save_hits()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()
