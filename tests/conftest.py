"""S3 servers on this machine: one that keeps conditional PUTs (moto), one that ignores them (rclone).

Also: properties are checked without a limit of time per example, since machines are shared; and Ctrl-C reaches the
processes that tests start, also where a shell started the tests in the background and had them ignore it.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from s3_servers import NotServed, S3Server, serve_moto, serve_rclone

settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def moto_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """Serve S3 from memory, with If-None-Match."""
    yield from _served(serve_moto(tmp_path_factory.mktemp("moto")))


@pytest.fixture(scope="session")
def rclone_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """Serve S3 from a folder, without If-None-Match."""
    yield from _served(serve_rclone(tmp_path_factory.mktemp("rclone")))


def _served(server: contextlib.AbstractContextManager[S3Server]) -> Iterator[S3Server]:
    with contextlib.ExitStack() as stack:
        try:
            running = stack.enter_context(server)
        except NotServed as reason:
            pytest.skip(str(reason))
        yield running
