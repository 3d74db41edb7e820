"""Pictures that anyone can make again, and a local server for files with weights."""

from __future__ import annotations

import http.server
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

Pair = tuple[Tensor, Tensor]


def draw_image(name: str, shape: tuple[int, int, int]) -> Tensor:
    """Draw a picture (C, H, W), 0..1 in steps of 1/255, of sine waves that its name decides."""
    rng = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
    channels, height, width = shape
    y, x = np.meshgrid(np.linspace(0, 1, height), np.linspace(0, 1, width), indexing="ij")
    planes = []
    for _ in range(channels):
        total = np.zeros((height, width))
        for _ in range(6):
            fx, fy = rng.uniform(-12, 12), rng.uniform(-12, 12)
            phase, amplitude = rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 0.5)
            total += amplitude * np.sin(2 * np.pi * (fx * x + fy * y) + phase)
        planes.append(1 / (1 + np.exp(-2 * total)))
    return torch.from_numpy((np.round(np.stack(planes) * 255) / 255).astype(np.float32))


@pytest.fixture
def make_pair() -> Callable[..., Pair]:
    """Return a maker of n frames and n plates, each (n, 3, height, width), RGB 0..1."""

    def make(n: int, height: int = 128, width: int = 192) -> Pair:
        frames = torch.stack([draw_image(f"src{i}", (3, height, width)) for i in range(n)])
        plates = torch.stack([draw_image(f"bgr{i}", (3, height, width)) for i in range(n)])
        return frames, plates

    return make


@pytest.fixture(scope="session")
def make_clip() -> Callable[..., Tensor]:
    """Return a maker of one clip of n frames, (1, n, 3, height, width), RGB 0..1."""

    def make(n: int, height: int = 96, width: int = 128) -> Tensor:
        return torch.stack([draw_image(f"src{t}", (3, height, width)) for t in range(n)])[None]

    return make


@pytest.fixture
def golden() -> Path:
    """Return the folder with the golden outputs."""
    return Path(__file__).parent / "golden"


@pytest.fixture
def golden_keys(golden: Path) -> Callable[[str], list[tuple[str, tuple[int, ...]]]]:
    """Return a reader of the published state-dict keys and shapes of a network, in order."""

    def read(network: str) -> list[tuple[str, tuple[int, ...]]]:
        lines = [line.split(" ") for line in (golden / f"keys-{network}.txt").read_text().splitlines()]
        return [(key, () if shape == "scalar" else tuple(map(int, shape.split("x")))) for key, shape in lines]

    return read


class FileServer(http.server.ThreadingHTTPServer):
    """Serve `files` by path; told to, cut connections, ignore ranges, or be silent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.etag = '"one"'
        self.knows_ranges = True
        self.cuts_after: list[int] = []  # bytes of the body that the next answers send before they hang up
        self.busy_answers = 0
        self.silent = False
        self.ranges: list[str | None] = []  # what was asked for
        self.over = threading.Event()

    def url(self, name: str) -> str:
        """Return the address of a file."""
        return f"http://127.0.0.1:{self.server_address[1]}/{name}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Stay quiet when a client hangs up."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: FileServer

    def do_GET(self) -> None:
        server = self.server
        asked = self.headers.get("Range")
        server.ranges.append(asked)
        body = server.files.get(self.path[1:])
        if server.silent:
            server.over.wait(20)
            return
        if server.busy_answers > 0:
            server.busy_answers -= 1
            self.send_error(503)
            return
        if body is None:
            self.send_error(404)
            return
        start = 0
        if asked and server.knows_ranges and self.headers.get("If-Range") == server.etag:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(body):
                self.send_error(416)
                return
        self.send_response(206 if start else 200)
        self.send_header("ETag", server.etag)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        end = start + server.cuts_after.pop(0) if server.cuts_after else len(body)
        self.wfile.write(body[start:end])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[FileServer]:
    """Return a running file server."""
    running = FileServer()
    thread = threading.Thread(target=running.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield running
    running.over.set()
    running.shutdown()
    running.server_close()
    thread.join()
