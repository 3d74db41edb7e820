"""The object store, on a server that keeps conditional PUTs and on one that ignores them."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import pytest
from chaos.fault_proxy import OWN_412, RESET_AFTER, Faults, fault_proxy

from manifests.decisions import Decision, Selection
from manifests.errors import UsageError
from manifests.ledger import compact, read_ledger, read_receipts
from manifests.recipe import Recipe
from manifests.root import Root, claim_root, read_root
from manifests.sharding import FrameTable, plan_subject
from manifests.storage import Folder, open_folder
from manifests.storage_s3 import S3Folder

pytestmark = [
    pytest.mark.s3,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:(botocore|boto3|aiobotocore|s3fs|fsspec).*"),
]

Server = Any


@pytest.fixture(scope="module", params=["moto_s3", "rclone_s3"], ids=["moto", "rclone"])
def server(request: pytest.FixtureRequest) -> Server:
    return request.getfixturevalue(request.param)


@pytest.fixture
def url(server: Server) -> str:
    """Return a folder of its own in an empty bucket."""
    return f"{server.new_bucket()}/some/prefix"


@pytest.fixture(scope="module")
def client(server: Server) -> Folder:
    """Return a folder whose client is connected; to connect one takes longer than most tests."""
    return open_folder(f"{server.new_bucket()}/some/prefix", server.options)


@pytest.fixture
def folder(client: Folder) -> Iterator[Folder]:
    """Return that folder, empty."""
    yield client
    client.delete(_paths(client))


def _paths(folder: Folder, prefix: str = "") -> list[str]:
    return sorted(stat.path for stat in folder.list(prefix))


def _run_at_once(*calls: Callable[[], object]) -> list[object]:
    """Run the calls on threads that start together; return their answers in order, or raise what one raised."""
    barrier = threading.Barrier(len(calls))

    def run(call: Callable[[], object]) -> object:
        barrier.wait(10)
        return call()

    with futures.ThreadPoolExecutor(len(calls)) as threads:
        return [answer.result() for answer in [threads.submit(run, call) for call in calls]]


NAMES = ["a", "deep/er/file.bin", "with space", "with+plus", "a=b&c", "per%20cent", "ünï/çødé 私", "#hash", "~(x)'[1]*"]


@pytest.mark.parametrize("path", NAMES)
def test_object_is_read_listed_and_deleted_by_its_name_whatever_it_is(folder: Folder, path: str) -> None:
    folder.write_atomic(path, b"\x00one\xff")
    assert folder.read(path) == b"\x00one\xff"
    assert folder.read_range(path, 0, 2) == b"\x00o"
    assert _paths(folder) == [path]
    folder.delete([path])
    assert _paths(folder) == []


@pytest.mark.parametrize("path", ["deep/with space+plus", "ünï/çødé 私"])
def test_put_leaves_the_object_when_there_is_one_whatever_its_name(folder: Folder, path: str) -> None:
    assert folder.put_if_absent(path, b"first")
    assert not folder.put_if_absent(path, b"second")
    assert folder.read(path) == b"first"
    assert _paths(folder) == [path]


def test_missing_object_is_not_found_by_any_way_of_reading(folder: Folder) -> None:
    folder.write_atomic("there/other", b"1")
    for path in ("a", "there", "there/a"):
        for read in (folder.read, folder.read_with_stat, lambda name: folder.read_range(name, 0, 5)):
            with pytest.raises(FileNotFoundError):
                read(path)


@pytest.mark.parametrize(
    ("start", "stop", "part"),
    [(0, 0, b""), (0, 2, b"01"), (0, 99, b"01234"), (3, 4, b"3"), (3, 99, b"34"), (9, 12, b""), (4, 2, b"")],
)
def test_range_is_what_there_is_of_it(folder: Folder, start: int, stop: int, part: bytes) -> None:
    folder.write_atomic("a", b"01234")
    assert folder.read_range("a", start, stop) == part


def test_copy_is_the_object_with_its_fingerprint(folder: Folder, tmp_path: Path) -> None:
    data = bytes(range(256)) * 20_000
    folder.write_atomic("deep/with+plus", data)

    stat = folder.copy_to("deep/with+plus", tmp_path / "copy")

    assert (tmp_path / "copy").read_bytes() == data
    assert stat == folder.read_with_stat("deep/with+plus")[1]
    with pytest.raises(FileNotFoundError):
        folder.copy_to("nowhere", tmp_path / "copy")


def test_empty_object_is_an_object(folder: Folder) -> None:
    folder.write_atomic("a", b"")
    assert folder.read("a") == folder.read_range("a", 0, 10) == b""
    assert [stat.size_bytes for stat in folder.list()] == [0]


def test_large_object_is_read_whole(folder: Folder) -> None:
    data = bytes(range(256)) * 50_000
    folder.write_atomic("a", data)
    assert folder.read("a") == data
    assert folder.read_range("a", 0, 1000) == data[:1000]


def test_list_gives_each_object_below_the_folder_once_with_its_size(folder: Folder) -> None:
    for path in ("031/a", "031/deep/b", "0310/c", "03", "d"):
        folder.write_atomic(path, path.encode())
    assert {stat.path: stat.size_bytes for stat in folder.list("031")} == {"031/a": 5, "031/deep/b": 10}
    assert _paths(folder, "031/") == ["031/a", "031/deep/b"]
    assert _paths(folder) == ["03", "031/a", "031/deep/b", "0310/c", "d"]


def test_list_gives_nothing_when_the_folder_does_not_exist(folder: Folder) -> None:
    assert _paths(folder, "nowhere") == _paths(folder) == []
    assert folder.children("nowhere") == folder.children() == ()


def test_list_stays_below_the_prefix_when_a_sibling_begins_with_it(server: Server, url: str) -> None:
    open_folder(f"{url}-2", server.options).write_atomic("a", b"1")
    folder = open_folder(f"{url}/", server.options)
    folder.write_atomic("b", b"1")
    assert _paths(folder) == ["b"]


def test_folder_is_a_whole_bucket_when_the_url_names_no_prefix(server: Server) -> None:
    folder = open_folder(server.new_bucket(), server.options)
    folder.write_atomic("deep/a", b"1")
    assert folder.put_if_absent("b", b"2")
    assert folder.read("deep/a") == b"1"
    assert _paths(folder) == ["b", "deep/a"]
    assert folder.children() == ("deep",)


def test_children_are_the_sorted_folders_directly_below(folder: Folder) -> None:
    for path in ("b/1", "a/deep/1", "c", "a/2", "a/other one/1"):
        folder.write_atomic(path, b"1")
    assert folder.children() == ("a", "b")
    assert folder.children("a") == ("deep", "other one")


def test_delete_takes_the_objects_named_and_passes_over_missing_ones(folder: Folder) -> None:
    for path in ("a/1", "a/2", "b"):
        folder.write_atomic(path, b"1")
    folder.delete(["a/1", "nowhere/1", "b", "b"])
    assert _paths(folder) == ["a/2"]


def test_another_writer_sees_changes_at_once(server: Server, url: str) -> None:
    mine, theirs = (open_folder(url, server.options) for _ in range(2))
    assert _paths(mine) == []
    theirs.write_atomic("deep/a", b"1")
    assert _paths(mine) == ["deep/a"]
    assert mine.children() == ("deep",)
    theirs.write_atomic("deep/b", b"2")
    theirs.delete(["deep/a"])
    assert _paths(mine) == ["deep/b"]
    theirs.write_atomic("deep/b", b"changed")
    assert mine.read("deep/b") == b"changed"


def test_stat_of_a_read_is_that_of_the_listing(folder: Folder) -> None:
    folder.write_atomic("a", b"12345")
    data, stat = folder.read_with_stat("a")
    assert data == b"12345"
    assert [stat] == list(folder.list())
    assert stat.etag
    assert '"' not in stat.etag


@pytest.mark.parametrize("rule", ["stat", "etag"])
def test_fingerprint_differs_when_the_content_does_and_the_size_does_not(folder: Folder, rule: str) -> None:
    def fingerprint() -> str:
        (stat,) = folder.list()
        return stat.fingerprint(rule)

    folder.write_atomic("a", b"12345")
    before = fingerprint()
    assert fingerprint() == before
    folder.write_atomic("a", b"54321")
    assert fingerprint() != before
    folder.write_atomic("a", b"12345")
    assert fingerprint() == before


def test_one_wins_and_nothing_else_is_left_when_clients_put_at_once(server: Server, url: str) -> None:
    folders = [open_folder(url, server.options) for _ in range(2)]
    for folder in folders:
        folder.put_if_absent("known", b"the store was asked what it can")
    won = _run_at_once(
        *(lambda f=folder, n=n: f.put_if_absent("a", n) for folder, n in zip(folders, (b"1", b"2"), strict=True))
    )
    winner = folders[0].read("a")
    # Claims may leave the winner without a yes (see below), but never give it to two.
    assert won in ([winner == b"1", winner == b"2"], [False, False])
    assert _paths(folders[0]) == ["a", "known"]


def test_one_wins_when_clients_put_one_after_the_other(server: Server, url: str) -> None:
    first, second = (open_folder(url, server.options) for _ in range(2))
    assert first.put_if_absent("a", b"1")
    assert not second.put_if_absent("a", b"2")
    assert second.read("a") == b"1"


def test_put_is_finished_by_the_next_when_a_claimant_died(rclone_s3: Server) -> None:
    bucket = rclone_s3.new_bucket()
    folder = open_folder(f"{bucket}/out", rclone_s3.options)
    folder.write_atomic("_cleanplate/claims/deep%2Fa/0123", b"of the dead")
    assert not folder.put_if_absent("deep/a", b"mine")
    assert folder.read("deep/a") == b"of the dead"
    assert _paths(folder) == ["deep/a"]


def test_all_get_one_root_when_two_runs_claim_it_at_once(
    server: Server, url: str, make_recipe: Callable[..., Recipe]
) -> None:
    roots = [Root(make_recipe(model=name), "/data", "etag") for name in ("one", "two")]
    got = _run_at_once(*(lambda root=root: claim_root(open_folder(url, server.options), root) for root in roots))
    assert got[0] == got[1] == read_root(open_folder(url, server.options))
    assert got[0] in roots


def test_ledger_stands_when_it_is_compacted(
    folder: Folder,
    make_table: Callable[..., FrameTable],
    make_recipe: Callable[..., Recipe],
    commit_all: Callable[..., None],
) -> None:
    table = make_table([("EMO-1-shout+laugh", "A", frame) for frame in range(8)])
    plan = plan_subject(table, {}, [Decision(0, Selection(), make_recipe(), "root")], grid=4)
    commit_all(folder, table, plan, bad=[5])
    ledger, rows = read_ledger(folder, "031"), read_receipts(folder, "031")
    assert ledger.failed == {plan[0].shard_id: 0, plan[1].shard_id: 1}
    assert compact(folder, "031", plan)
    assert read_ledger(folder, "031").failed == ledger.failed
    assert read_receipts(folder, "031") == rows
    assert len(_paths(folder)) == 1


def test_refusal_is_an_os_error_and_not_a_missing_file_when_the_key_is_wrong(rclone_s3: Server) -> None:
    url = rclone_s3.new_bucket()
    folder = open_folder(url, rclone_s3.options | {"key": "somebody", "secret": "else"})
    with pytest.raises(OSError) as caught:
        folder.read("a")
    assert not isinstance(caught.value, FileNotFoundError)


Hold = Callable[[str, str], object]


@contextlib.contextmanager
def _slow_way(endpoint: str, hold: Hold, says_continue: bool = True) -> Iterator[str]:
    """Serve `endpoint` on another port; `hold` (method, path) is run before an answer is passed on."""
    address = urllib.parse.urlsplit(endpoint)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            upstream = http.client.HTTPConnection(address.hostname or "", address.port, timeout=20)
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                upstream.putheader(name, value)
            upstream.endheaders(body)
            answer = upstream.getresponse()
            data = answer.read()
            hold(self.command, self.path)
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                    self.send_header(name, value)
            self.send_header("Content-Length", answer.getheader("Content-Length") or str(len(data)))
            self.end_headers()
            self.wfile.write(data)
            upstream.close()

        do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = _pass_on

        def handle_expect_100(self) -> bool:
            return super().handle_expect_100() if says_continue else True

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as proxy:
        proxy.daemon_threads = True
        serving = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05})
        serving.start()
        try:
            yield f"http://127.0.0.1:{proxy.server_address[1]}"
        finally:
            proxy.shutdown()
            serving.join(10)


def test_object_is_put_by_a_server_that_never_says_that_the_body_may_come(rclone_s3: Server) -> None:
    with _slow_way(rclone_s3.endpoint, lambda method, path: None, says_continue=False) as endpoint:
        url, options = rclone_s3.new_bucket(), {"endpoint_url": endpoint, "deadline": "10"}
        open_folder(url, rclone_s3.options | options).write_atomic("a", b"12345")
        assert open_folder(url, rclone_s3.options).read("a") == b"12345"


def _pair(server: Server, endpoint: str) -> tuple[Folder, Folder]:
    """Return one folder twice, seen by a client on the slow way and by one on the straight way."""
    url = f"{server.new_bucket()}/out"
    slow, straight = (open_folder(url, server.options | {"endpoint_url": end}) for end in (endpoint, server.endpoint))
    for folder in (slow, straight):
        folder.put_if_absent("known", b"the store was asked what it can")
    return slow, straight


def test_object_is_read_by_a_client_on_a_slow_way(rclone_s3: Server) -> None:
    with _slow_way(rclone_s3.endpoint, lambda method, path: time.sleep(0.01)) as endpoint:
        slow, straight = _pair(rclone_s3, endpoint)
        straight.write_atomic("a", b"12345")
        assert slow.read("a") == b"12345"
        assert _paths(slow) == ["a", "known"]


def test_object_is_not_written_twice_when_a_claimant_was_slow_to_learn_that_there_is_none(rclone_s3: Server) -> None:
    asked, done = threading.Event(), threading.Event()

    def hold(method: str, path: str) -> None:
        if method == "HEAD" and path.endswith("/a"):
            asked.set()
            done.wait(20)

    with _slow_way(rclone_s3.endpoint, hold) as endpoint:
        slow, straight = _pair(rclone_s3, endpoint)

        def put_meanwhile() -> bool:
            asked.wait(20)
            won = straight.put_if_absent("a", b"straight")
            done.set()
            return won

        won = _run_at_once(lambda: slow.put_if_absent("a", b"slow"), put_meanwhile)
        assert won == [False, True]
        assert straight.read("a") == b"straight"


def test_one_wins_when_the_claim_of_the_first_was_slow_to_be_answered(rclone_s3: Server) -> None:
    claimed, done = threading.Event(), threading.Event()

    def hold(method: str, path: str) -> None:
        if method == "PUT" and "/claims/a/" in path:
            claimed.set()
            done.wait(20)

    with _slow_way(rclone_s3.endpoint, hold) as endpoint:
        slow, straight = _pair(rclone_s3, endpoint)

        def put_meanwhile() -> bool:
            claimed.wait(20)
            won = straight.put_if_absent("a", b"straight")
            done.set()
            return won

        won = _run_at_once(lambda: slow.put_if_absent("a", b"slow"), put_meanwhile)
        assert won == [straight.read("a") == b"slow", straight.read("a") == b"straight"]


def test_listing_tells_when_an_object_was_written(folder: Folder) -> None:
    before = time.time_ns() - 2 * 10**9
    folder.write_atomic("a", b"1")
    (stat,) = folder.list()
    assert stat.mtime_ns is None and stat.written_ns is not None
    assert before < stat.written_ns < time.time_ns() + 2 * 10**9


def test_uploads_that_were_not_ended_are_listed_and_aborted(server: Server) -> None:
    import boto3

    url = f"{server.new_bucket()}/some/prefix"
    bucket, out = url.split("/")[2], open_folder(url, server.options)
    options = {"aws_access_key_id": server.options["key"], "aws_secret_access_key": server.options["secret"]}
    client = boto3.client("s3", endpoint_url=server.endpoint, region_name="us-east-1", **options)
    for key in ("some/prefix/a/mask.jpg", "some/other"):
        client.create_multipart_upload(Bucket=bucket, Key=key)
    client.close()
    found = list(out.leftovers())
    if not found:
        pytest.skip("this server lists no uploads")
    assert [stat.path for stat in found] == ["a/mask.jpg"] and found[0].written_ns is not None
    assert list(out.leftovers("b")) == [] and list(out.list()) == []
    out.delete_leftovers(found)
    assert list(out.leftovers()) == []


def test_object_in_parts_is_seen_when_it_is_completed(server: Server, url: str) -> None:
    folder = S3Folder(url, server.options, part_bytes=5 << 20)
    data = bytes(range(256)) * (12 << 12)
    folder.write_atomic("large", data)
    with tempfile.TemporaryFile() as file:
        file.write(data)
        folder.write_from("copied", file)
    assert folder.read("large") == folder.read("copied") == data
    assert [stat.size_bytes for stat in folder.list()] == [len(data)] * 2
    assert list(folder.leftovers()) == []


def test_upload_in_parts_that_dies_leaves_no_visible_object(server: Server, url: str) -> None:
    """What dies cannot end its upload: the store is gone after the first part."""
    faults = Faults()
    with fault_proxy(server.endpoint, faults) as endpoint:
        options = server.options | {"endpoint_url": endpoint, "max_attempts": "0"}
        dying, straight = S3Folder(url, options, part_bytes=5 << 20), open_folder(url, server.options)
        straight.write_atomic("known", b"1")
        faults.down_from = 2
        with pytest.raises(OSError):
            dying.write_atomic("large", bytes(12 << 20))
    assert faults.passed["put"] == 2
    assert _paths(straight) == ["known"]
    with pytest.raises(FileNotFoundError):
        straight.read("large")


def test_upload_in_parts_that_fails_is_aborted(moto_s3: Server) -> None:
    url, faults = f"{moto_s3.new_bucket()}/out", Faults(lost_path="partNumber=2")
    with fault_proxy(moto_s3.endpoint, faults) as endpoint:
        options = moto_s3.options | {"endpoint_url": endpoint, "max_attempts": "0"}
        folder = S3Folder(url, options, part_bytes=5 << 20)
        with pytest.raises(OSError):
            folder.write_atomic("large", bytes(12 << 20))
        assert _paths(folder) == [] and list(folder.leftovers()) == []


def test_own_success_that_was_never_heard_of_is_a_success(server: Server, url: str) -> None:
    """The answers of a put, of a delete and of a completed upload are lost; each is asked for again."""
    faults = Faults(seed=5)
    with fault_proxy(server.endpoint, faults) as endpoint:
        folder = S3Folder(url, server.options | {"endpoint_url": endpoint}, part_bytes=5 << 20)
        folder.put_if_absent("known", b"the store was asked what it can")
        for number in range(3):
            faults.rate, faults.kinds = 0.4, (RESET_AFTER, OWN_412)
            assert folder.put_if_absent(f"a{number}", b"mine")
            folder.write_atomic("large", bytes(range(256)) * (12 << 12))
            folder.delete([f"a{number}"])
            faults.rate = 0
            assert _paths(folder) == ["known", "large"]
    assert faults.injected[RESET_AFTER] > 2


def test_a_url_with_credentials_is_refused_without_repeating_them() -> None:
    with pytest.raises(UsageError, match="must not hold credentials") as refused:
        S3Folder("s3://AKIA1234:hidden@bucket/prefix", {})
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize(
    ("path", "kind"), [("index.html", "text/html"), ("assets/a.css", "text/css"), ("p.webp", "image/webp")]
)
def test_a_browser_is_told_what_a_page_is(moto_s3: Server, path: str, kind: str) -> None:
    folder = open_folder(f"{moto_s3.new_bucket()}/report", moto_s3.options)
    folder.write_atomic(path, b"<p>")
    assert isinstance(folder, S3Folder)
    answer = folder._client.call("head_object", **folder._at(path))
    assert answer["ContentType"].startswith(kind)
