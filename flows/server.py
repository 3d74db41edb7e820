"""The embedded Prefect server: held for a run where no server is named."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from prefect.settings import PREFECT_API_URL, PREFECT_UI_URL, temporary_settings

from manifests.errors import Fault, UsageError

STARTUP_TIMEOUT_S = 120.0
CHECK_TIMEOUT_S = 20.0
_SET_PARENT_DEATH_SIGNAL = 1  # prctl(2)


@contextlib.contextmanager
def prefect_server() -> Iterator[None]:
    """Let Prefect talk to the server that its settings name, or to one that is started here and ended with the run.

    Prefect would start one by itself, in our process group: Ctrl-C at a terminal would end it before the flow could
    say how it ended. Ours is in a session of its own, and ends with this process even if that is killed.
    """
    named = PREFECT_API_URL.value()
    if named:
        _check_answers(named)
        yield
        return
    with _started(_free_port(), "--no-ui", "--no-services"):
        yield


@contextlib.contextmanager
def prefect_pages(port: int) -> Iterator[str]:
    """Do the same with a whole server, its pages and its clock included; yield the address of its pages.

    Raises UsageError where the port is taken.
    """
    named = PREFECT_API_URL.value()
    if named:
        yield PREFECT_UI_URL.value() or named.removesuffix("/").removesuffix("/api")
        return
    try:
        with socket.create_server(("127.0.0.1", port)):
            pass
    except OSError as err:
        raise UsageError(
            f"--port {port}: {os.strerror(err.errno or 0)}. Name another one, or with PREFECT_API_URL the server there."
        ) from err
    with _started(port):
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def _started(port: int, *options: str) -> Iterator[None]:
    url = f"http://127.0.0.1:{port}/api"
    words = ["server", "start", "--host", "127.0.0.1", "--port", str(port), *options]
    with tempfile.NamedTemporaryFile(prefix="cleanplate-prefect-", suffix=".log") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "prefect", *words],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )
        try:
            _wait_until_healthy(url, process, Path(log.name))
            with temporary_settings({PREFECT_API_URL: url}):
                yield
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _check_answers(url: str) -> None:
    """Raise Fault where nobody answers at all; what a server that does answer refuses, Prefect says itself."""
    try:
        urllib.request.urlopen(f"{url.rstrip('/')}/health", timeout=CHECK_TIMEOUT_S).close()
    except urllib.error.HTTPError:
        return
    except (OSError, ValueError) as err:
        raise Fault(
            f"No Prefect server answers at PREFECT_API_URL={url} ({err}). Start it, or correct the address; without "
            "PREFECT_API_URL a server is started for the run, and --executor local needs none."
        ) from err


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + STARTUP_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/health", timeout=5) as answer:
            if answer.status == 200:
                return
        time.sleep(0.1)
    said = " ".join(log.read_text(errors="replace").split())[-600:]
    raise Fault(
        f"The embedded Prefect server did not start: {said or 'it said nothing'}. Name a server with PREFECT_API_URL, "
        "or run with --executor local."
    )


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM, 0, 0, 0)
    if os.getppid() == 1:  # the parent was gone before the call
        os._exit(1)
