"""The fault proxy: what it passes on, what it breaks, and that both are counted."""

from __future__ import annotations

import http.client
import http.server
import socket
import threading
from collections.abc import Iterator

import pytest
from chaos.fault_proxy import (
    DOWN,
    FAULTS,
    OWN_412,
    RESET_AFTER,
    RESET_BEFORE,
    SLOW_DOWN,
    STALL,
    TRUNCATE,
    Faults,
    fault_proxy,
    kind_of,
)

BODY = bytes(range(200))


class Store(http.server.ThreadingHTTPServer):
    """A server that remembers what it was asked and answers each request with the same bytes."""

    daemon_threads = True

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str, bytes]] = []
        super().__init__(("127.0.0.1", 0), Remembering)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Remembering(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Store

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append((self.command, self.path, self.headers["Host"], body))
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.send_header("ETag", '"abc"')
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(BODY)

    do_GET = do_PUT = do_HEAD = do_DELETE = handle_any

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def store() -> Iterator[Store]:
    with Store() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield server
        server.shutdown()


def ask(endpoint: str, method: str = "GET", path: str = "/b/k", body: bytes = b"", **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(endpoint.removeprefix("http://"), timeout=10)
    try:
        connection.request(method, path, body or None, {"Host": "store.test", **headers})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_requests_pass_unchanged_and_are_counted_by_kind(store: Store) -> None:
    faults = Faults()
    with fault_proxy(store.endpoint, faults) as endpoint:
        assert ask(endpoint, path="/b/a%2Bb%20c?x=1") == (200, BODY)
        assert ask(endpoint, "PUT", body=b"\0data") == (200, BODY)
        assert ask(endpoint, "HEAD") == (200, b"")
        ask(endpoint, path="/b?list-type=2&prefix=a")
        ask(endpoint, path="/b?uploads&prefix=a")
        ask(endpoint, "DELETE")
    assert store.asked[0] == ("GET", "/b/a%2Bb%20c?x=1", "store.test", b"")
    assert store.asked[1] == ("PUT", "/b/k", "store.test", b"\0data")
    assert faults.passed == {"get": 1, "put": 1, "head": 1, "list": 2, "delete": 1} and not faults.injected
    assert kind_of("POST", "/b/k?uploads") == "put"


@pytest.mark.parametrize(("fault", "n_asked"), [(RESET_BEFORE, 0), (RESET_AFTER, 1), (STALL, 0)])
def test_a_connection_breaks_before_or_after_the_server_was_asked(store: Store, fault: str, n_asked: int) -> None:
    faults = Faults(rate=1, kinds=[fault], stall_s=0.05)
    with fault_proxy(store.endpoint, faults) as endpoint, pytest.raises((ConnectionError, http.client.HTTPException)):
        ask(endpoint, "PUT", body=b"data")
    assert len(store.asked) == n_asked and faults.injected == {fault: 1}


def test_an_answer_is_cut_in_the_middle(store: Store) -> None:
    faults = Faults(rate=1, kinds=[TRUNCATE])
    with fault_proxy(store.endpoint, faults) as endpoint:
        with pytest.raises(http.client.IncompleteRead) as caught:
            ask(endpoint)
        assert caught.value.partial == BODY[:100]
        host, port = endpoint.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as line, line.makefile("rb") as answer:
            line.sendall(b"HEAD /b/k HTTP/1.1\r\nHost: store.test\r\n\r\n")
            head = answer.read()
        assert head.startswith(b"HTTP/1.1 200 ") and b"\r\n\r\n" not in head  # without a body the head is cut
    assert faults.injected == {TRUNCATE: 2} and len(store.asked) == 2


def test_the_store_asks_for_patience(store: Store) -> None:
    faults = Faults(rate=1, kinds=[SLOW_DOWN])
    with fault_proxy(store.endpoint, faults) as endpoint:
        status, body = ask(endpoint)
    assert status == 503 and b"<Code>SlowDown</Code>" in body
    assert not store.asked


def test_a_conditional_put_that_succeeded_is_answered_412(store: Store) -> None:
    faults = Faults(rate=1e-9, kinds=[OWN_412])
    with fault_proxy(store.endpoint, faults) as endpoint:
        answers = [ask(endpoint, "PUT", body=b"data", **{"If-None-Match": "*"})[0] for _ in range(40)]
        assert ask(endpoint, "PUT", body=b"data") == (200, BODY)
    assert answers.count(412) == faults.injected[OWN_412] and 5 < answers.count(412) < 35
    assert len(store.asked) == 41


def test_the_same_seed_disturbs_the_same_requests() -> None:
    def chosen(seed: int) -> list[str | None]:
        faults = Faults(seed=seed, rate=0.5)
        return [faults.choose(False) for _ in range(200)]

    assert chosen(1) == chosen(1) != chosen(2)
    assert set(chosen(1)) == {None, *FAULTS} - {OWN_412}
    assert 60 < chosen(1).count(None) < 140


def test_nothing_gets_through_while_it_is_down(store: Store) -> None:
    faults = Faults(down_from=1)
    with fault_proxy(store.endpoint, faults) as endpoint:
        assert ask(endpoint) == (200, BODY)
        for _ in range(3):
            with pytest.raises((ConnectionError, http.client.HTTPException)):
                ask(endpoint)
        faults.down_from = None
        assert ask(endpoint) == (200, BODY)
    assert len(store.asked) == 2 and faults.n_requests == 5
    assert faults.injected == {DOWN: 3} and faults.n_injected == 0
