"""A fault proxy: HTTP passed on to a real S3 server, with the faults that networks and stores have put in between."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import random
import socket
import struct
import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

SLOW_DOWN, RESET_BEFORE, RESET_AFTER = "slow down", "reset before", "reset after"
STALL, TRUNCATE, OWN_412 = "stall", "truncate", "own 412"
DOWN = "down"
FAULTS = (SLOW_DOWN, RESET_BEFORE, RESET_AFTER, STALL, TRUNCATE, OWN_412)
"""`reset before`: the connection is reset before the server has the request; `reset after`: when the server has done
what was asked; `stall`: silence for `stall_s`, then a reset, the server knows nothing; `truncate`: half of the answer;
`own 412`: a conditional PUT that succeeded is answered as if the object had been there."""
WEIGHTS = {SLOW_DOWN: 4, RESET_BEFORE: 6, RESET_AFTER: 6, STALL: 1, TRUNCATE: 6}
OWN_412_RATE = 0.5

SLOW_DOWN_BODY = (
    b'<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>'
)
EXISTS_BODY = (
    b'<?xml version="1.0"?><Error><Code>PreconditionFailed</Code><Message>At least one of the pre-conditions you '
    b"specified did not hold</Message><Condition>If-None-Match</Condition></Error>"
)
_LINGER_NOT = struct.pack("ii", 1, 0)
_HOP = ("transfer-encoding", "connection", "content-length", "keep-alive")


@dataclass
class Faults:
    """What a proxy does to requests: the share that is disturbed, with which faults, from which seed.

    `injected` counts by fault, `passed` by kind of request what the server was asked. From request `down_from` on,
    counted from 0, nothing gets through at all, and never a request for a path that holds `lost_path`; both are counted
    as `down`, and are none of the faults. Every request that goes to the server is held for `delay_s` before.
    """

    seed: int = 0
    rate: float = 0.0
    kinds: Sequence[str] = FAULTS
    stall_s: float = 3.0
    delay_s: float = 0.0
    down_from: int | None = None
    lost_path: str = ""
    injected: Counter[str] = field(default_factory=Counter)
    passed: Counter[str] = field(default_factory=Counter)
    endpoint: str = ""
    _n_requests: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def n_injected(self) -> int:
        """Count all faults."""
        return sum(number for fault, number in self.injected.items() if fault != DOWN)

    @property
    def n_requests(self) -> int:
        """Count the requests that came in."""
        return self._n_requests

    def choose(self, is_conditional: bool, path: str = "") -> str | None:
        """Return the fault of the next request, None for a request that is left in peace."""
        with self._lock:
            number, self._n_requests = self._n_requests, self._n_requests + 1
        rng = random.Random(f"{self.seed}/{number}")
        if (self.down_from is not None and number >= self.down_from) or (self.lost_path and self.lost_path in path):
            return DOWN
        if is_conditional and self.rate and OWN_412 in self.kinds and rng.random() < OWN_412_RATE:
            return OWN_412
        kinds = [kind for kind in WEIGHTS if kind in self.kinds]
        if not kinds or rng.random() >= self.rate:
            return None
        return rng.choices(kinds, [WEIGHTS[kind] for kind in kinds])[0]

    def note_fault(self, fault: str) -> None:
        """Count a fault that was injected."""
        with self._lock:
            self.injected[fault] += 1

    def note_request(self, kind: str) -> None:
        """Count a request that goes to the server."""
        with self._lock:
            self.passed[kind] += 1


@contextlib.contextmanager
def fault_proxy(server: str, faults: Faults) -> Iterator[str]:
    """Serve the endpoint `server` on another port, disturbed as `faults` say; yield the new endpoint.

    The Host header is passed on as it came, for it is part of the signature that servers check.
    """
    address = urllib.parse.urlsplit(server)

    class Bound(_Handler):
        upstream = address.hostname or "", address.port or 80
        plan = faults

    with _Server(("127.0.0.1", 0), Bound) as proxy:
        serving = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        serving.start()
        faults.endpoint = f"http://127.0.0.1:{proxy.server_address[1]}"
        try:
            yield faults.endpoint
        finally:
            proxy.shutdown()
            serving.join(10)


def kind_of(method: str, path: str) -> str:
    """Return what a request is to those who count: list | get | put | head | delete."""
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(path).query, keep_blank_values=True)
    if method == "GET":
        return "list" if "list-type" in query or "uploads" in query else "get"
    return {"HEAD": "head", "DELETE": "delete"}.get(method, "put")


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def shutdown_request(self, request: Any) -> None:
        """Close without a farewell, so that a reset is a reset."""
        self.close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that were disturbed hang up."""


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes
    length: str


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    upstream = "", 0
    plan = Faults()

    def _handle(self) -> None:
        is_conditional = self.command == "PUT" and self.headers.get("If-None-Match") == "*"
        fault = self.plan.choose(is_conditional, self.path)
        if fault in (RESET_BEFORE, DOWN):
            self.plan.note_fault(fault)
            return self._reset()
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if fault == SLOW_DOWN:
            self.plan.note_fault(fault)
            return self._answer(_error(503, SLOW_DOWN_BODY))
        if fault == STALL:
            self.plan.note_fault(fault)
            time.sleep(self.plan.stall_s)
            return self._reset()
        self._after(fault, self._asked(body))

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = _handle

    def _after(self, fault: str | None, answer: _Answer) -> None:
        """Pass the answer on, or what a fault leaves of it."""
        if fault == OWN_412 and answer.status == 200:
            self.plan.note_fault(fault)
            self._answer(_error(412, EXISTS_BODY))
        elif fault == RESET_AFTER:
            self.plan.note_fault(fault)
            self._reset()
        elif fault == TRUNCATE:
            self.plan.note_fault(fault)
            self._answer(answer, len(answer.body) // 2)
            self.close_connection = True
        else:
            self._answer(answer)

    def _asked(self, body: bytes) -> _Answer:
        """Ask the server, on a connection of its own."""
        self.plan.note_request(kind_of(self.command, self.path))
        time.sleep(self.plan.delay_s)
        upstream = http.client.HTTPConnection(*self.upstream, timeout=60)
        try:
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                upstream.putheader(name, value)
            upstream.endheaders(body)
            answer = upstream.getresponse()
            data = answer.read()
            length = answer.getheader("Content-Length") or str(len(data))
            headers = [(name, value) for name, value in answer.getheaders() if name.lower() not in _HOP]
            return _Answer(answer.status, headers, data, length)
        finally:
            upstream.close()

    def _answer(self, answer: _Answer, n_bytes: int | None = None) -> None:
        """Send an answer, or only the first bytes of its body."""
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", answer.length)
        if n_bytes == 0 or (n_bytes is not None and self.command == "HEAD"):
            return self.flush_headers()  # the head itself is cut short
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body[:n_bytes])

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def _error(status: int, body: bytes) -> _Answer:
    return _Answer(status, [("Content-Type", "application/xml")], body, str(len(body)))
