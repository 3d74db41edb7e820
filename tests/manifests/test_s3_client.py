"""The S3 client against a server that answers as it is told, and against real ones."""

from __future__ import annotations

import http.server
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from chaos.fault_proxy import Faults, fault_proxy

from manifests.errors import UsageError
from manifests.s3_client import status_of
from manifests.storage import open_folder
from manifests.storage_s3 import S3Folder

pytestmark = [
    pytest.mark.s3,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:(botocore|boto3|aiobotocore|s3fs|fsspec).*"),
]

Answer = tuple[int, bytes]
OPEN = {"key": "k", "secret": "s", "max_attempts": "1"}
QUICK = {"max_attempts": "1", "read_timeout": "1", "connect_timeout": "1"}


class Told(http.server.ThreadingHTTPServer):
    """A server whose answers a test makes: (method, path, number of the request) -> status and body."""

    daemon_threads = True

    def __init__(self, answer: Callable[[str, str, int], Answer]) -> None:
        self.answer, self.asked = answer, list[str]()
        super().__init__(("127.0.0.1", 0), Telling)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def folder(self, **options: str) -> S3Folder:
        """Return a folder of this server."""
        return S3Folder("s3://bucket/some", OPEN | {"endpoint_url": self.endpoint} | options)


class Telling(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Told

    def handle_any(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append(f"{self.command} {self.path}")
        status, body = self.server.answer(self.command, self.path, len(self.server.asked))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"abc"')
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body)

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = handle_any

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def told() -> Iterator[Callable[[Callable[[str, str, int], Answer]], Told]]:
    servers: list[Told] = []

    def start(answer: Callable[[str, str, int], Answer]) -> Told:
        server = Told(answer)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def error(code: str) -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>told so</Message></Error>".encode()


def listing(names: list[str], token: str | None, is_truncated: bool) -> bytes:
    found = "".join(f"<Contents><Key>{name}</Key><Size>1</Size><ETag>&quot;e&quot;</ETag></Contents>" for name in names)
    more = f"<NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    cut = f"<IsTruncated>{str(is_truncated).lower()}</IsTruncated>"
    return f"<?xml version='1.0'?><ListBucketResult>{cut}{more}{found}</ListBucketResult>".encode()


def test_listing_goes_through_all_pages(told: Any) -> None:
    pages = {"": (["some/a"], "t1"), "t1": (["some/b", "some/deep/"], "t2"), "t2": (["some/deep/c"], None)}

    def answer(method: str, path: str, number: int) -> Answer:
        names, token = pages[path.partition("continuation-token=")[2].partition("&")[0]]
        return 200, listing(names, token, token is not None)

    server = told(answer)
    assert [stat.path for stat in server.folder().list()] == ["a", "b", "deep/c"]
    assert len(server.asked) == 3


def test_listing_that_is_cut_short_is_no_listing(told: Any) -> None:
    server = told(lambda method, path, number: (200, listing(["some/a"], None, True)))
    with pytest.raises(OSError, match="cut a listing short"):
        list(server.folder().list())


def test_answer_that_cannot_be_understood_is_asked_for_again(told: Any) -> None:
    whole = listing(["some/a"], None, False)
    server = told(lambda method, path, number: (200, whole if number > 2 else whole[: len(whole) // 2]))
    folder = server.folder(max_attempts="3")
    assert [stat.path for stat in folder.list()] == ["a"]
    assert folder.meter.traffic.requests == {"list": 3} and folder.meter.traffic.n_retries == 2
    server = told(lambda method, path, number: (200, whole[: len(whole) // 2]))
    with pytest.raises(OSError):
        list(server.folder().list())
    assert len(server.asked) == 2


def test_uploads_are_listed_through_all_pages(told: Any) -> None:
    def upload(name: str) -> str:
        when = "<Initiated>2026-01-01T00:00:00.000Z</Initiated>"
        return f"<Upload><Key>some/{name}</Key><UploadId>id-{name}</UploadId>{when}</Upload>"

    def answer(method: str, path: str, number: int) -> Answer:
        more = "<NextKeyMarker>some/b</NextKeyMarker><NextUploadIdMarker>id-b</NextUploadIdMarker>"
        first = f"<IsTruncated>true</IsTruncated>{more}{upload('a')}{upload('b')}"
        last = f"<IsTruncated>false</IsTruncated>{upload('c')}"
        body = last if "key-marker=some%2Fb" in path and "upload-id-marker=id-b" in path else first
        return 200, f"<ListMultipartUploadsResult>{body}</ListMultipartUploadsResult>".encode()

    server = told(answer)
    assert [(stat.path, stat.etag) for stat in server.folder().leftovers()] == [
        ("a", "id-a"),
        ("b", "id-b"),
        ("c", "id-c"),
    ]
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("status", "code"), [(501, "NotImplemented"), (405, "MethodNotAllowed"), (403, "AccessDenied")]
)
def test_server_that_lists_no_uploads_has_none(told: Any, status: int, code: str) -> None:
    assert list(told(lambda method, path, number: (status, error(code))).folder().leftovers()) == []


def test_store_that_is_out_of_order_has_unknown_uploads(told: Any) -> None:
    folder = told(lambda method, path, number: (500, error("InternalError"))).folder(max_attempts="0")
    with pytest.raises(OSError):
        list(folder.leftovers())


def test_conditional_put_that_met_another_is_made_again(told: Any) -> None:
    """Two conditional PUTs at once can both be answered 409, and then nothing is there."""
    n_puts = 0

    def answer(method: str, path: str, number: int) -> Answer:
        nonlocal n_puts
        if method == "GET":
            return (200, b"2") if "/claims/" in path else (404, error("NoSuchKey"))
        if "/claims/" in path:
            return (200, b"") if number == 1 or method == "DELETE" else (412, error("PreconditionFailed"))
        n_puts += 1
        return (200, b"") if n_puts == 3 else (409, error("ConditionalRequestConflict"))

    server = told(answer)
    folder = server.folder()
    folder._conditional_put = True
    assert folder.put_if_absent("a", b"mine")
    assert n_puts == 3


def test_error_says_its_status_and_the_store(told: Any) -> None:
    folder = told(lambda method, path, number: (403, error("AccessDenied"))).folder()
    with pytest.raises(PermissionError) as caught:
        folder.read("a")
    assert status_of(caught.value) == 403
    assert status_of(OSError("none")) is None


def test_server_that_is_not_there_is_named_in_time() -> None:
    folder = open_folder("s3://bucket/x", {"endpoint_url": "http://127.0.0.1:9", "key": "k", "secret": "s"} | QUICK)
    started = time.monotonic()
    with pytest.raises(OSError, match=r"s3://bucket/x: .*127\.0\.0\.1:9.*--storage-option"):
        folder.read("a")
    assert time.monotonic() - started < 60


def test_silent_server_is_given_up_after_the_read_timeout(told: Any) -> None:
    done = threading.Event()

    def answer(method: str, path: str, number: int) -> Answer:
        done.wait(30)
        return 200, b"late"

    folder = told(answer).folder(**QUICK)
    started = time.monotonic()
    with pytest.raises(OSError, match="timeout"):
        folder.read("a")
    done.set()
    assert time.monotonic() - started < 25
    assert folder.meter.traffic.requests["get"] == 2 and folder.meter.traffic.n_retries == 1


@pytest.mark.parametrize(
    "options",
    [{"endpoint": "http://x"}, {"read_timeout": "soon"}, {"read_timeout": "0"}, {"anon": "maybe"}],
    ids=lambda options: next(iter(options)),
)
def test_option_that_cannot_be_is_refused_by_name_and_without_its_value(options: dict[str, str]) -> None:
    (name, value), *_ = options.items()
    with pytest.raises(UsageError) as caught:
        open_folder("s3://bucket/x", options)
    assert f"--storage-option {name}:" in str(caught.value) and f"={value}" not in str(caught.value)


def test_switches_are_switched_off_by_false(told: Any) -> None:
    server = told(lambda method, path, number: (200, b"data"))
    assert server.folder(anon="false", region_name="eu-west-1").read("a") == b"data"


def test_requests_are_counted_as_the_server_saw_them(moto_s3: Any, tmp_path: Path) -> None:
    faults = Faults()
    with fault_proxy(moto_s3.endpoint, faults) as endpoint:
        folder = S3Folder(f"{moto_s3.new_bucket()}/x", moto_s3.options | {"endpoint_url": endpoint})
        for number in range(5):
            folder.write_atomic(f"deep/{number}", bytes(1000))
        assert folder.put_if_absent("claimed", b"1")
        assert len(folder.read("deep/0")) == 1000 and len(folder.read_range("deep/1", 0, 10)) == 10
        folder.copy_to("deep/2", tmp_path / "copy")
        with pytest.raises(FileNotFoundError):
            folder.read("nowhere")
        assert len(list(folder.list())) == 6 and folder.children() == ("deep",) and not list(folder.leftovers())
        folder.delete(["deep/0", "nowhere"])
        traffic = folder.meter.traffic
    assert traffic.requests == faults.passed
    assert traffic.bytes_out == 5000 + 1 + 1 + 1 and traffic.bytes_in > 2010 and traffic.n_retries == 0


def test_requests_that_are_made_again_are_counted(moto_s3: Any) -> None:
    faults = Faults(seed=3, rate=0.3, kinds=["slow down", "truncate"])
    with fault_proxy(moto_s3.endpoint, faults) as endpoint:
        folder = S3Folder(f"{moto_s3.new_bucket()}/x", moto_s3.options | {"endpoint_url": endpoint})
        for number in range(10):
            folder.write_atomic(f"{number}", bytes(100))
            assert folder.read(f"{number}") == bytes(100)
        traffic = folder.meter.traffic
    assert faults.n_injected > 2 and traffic.n_requests >= 20 + traffic.n_retries
    assert faults.n_requests - 20 == faults.n_injected >= traffic.n_retries > 0


def test_completed_upload_whose_answer_was_lost_is_complete(told: Any) -> None:
    """A retried completion is told that there is no such upload, by its own first success."""
    data = bytes(range(30))
    stored, rest = data, b""

    def answer(method: str, path: str, number: int) -> Answer:
        nonlocal rest
        if method == "POST" and "uploads" in path:
            rest = stored
            return 200, b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
        if method == "POST":
            return 404, error("NoSuchUpload")
        if method != "GET":
            return 200, b""
        part, rest = rest[:10], rest[10:]  # it is read in parts, as it was written
        return 200, part

    server = told(answer)
    folder = S3Folder(server.folder().url, OPEN | {"endpoint_url": server.endpoint}, part_bytes=10)
    folder.write_atomic("large", data)
    assert rest == b""
    stored = data[:20] + b"another's "
    with pytest.raises(FileNotFoundError):
        folder.write_atomic("large", data)
    assert server.asked[-1].startswith("DELETE ") and "uploadId=u" in server.asked[-1]


def test_server_that_stops_reading_is_given_up_at_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        endpoint = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        folder = S3Folder("s3://bucket/x", OPEN | {"endpoint_url": endpoint, "deadline": "2"})
        started = time.monotonic()
        with pytest.raises(OSError, match="no answer within 2 s"):
            folder.write_atomic("large", bytes(40 << 20))
        assert time.monotonic() - started < 20
