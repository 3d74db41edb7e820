"""Downloads against a local server that cuts, stalls, refuses, and changes its mind."""

import socket
from pathlib import Path

import pytest

from models.download import HostUnreachable, discard_part, download

BODY = bytes(range(256)) * 4000


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "file.pth"


def test_download_is_whole_and_tells_progress(server, target):
    server.files["file.pth"] = BODY
    seen = []
    part = download(server.url("file.pth"), target, lambda done, total: seen.append((done, total)))
    assert part.read_bytes() == BODY and not target.exists()
    assert seen[-1] == (len(BODY), len(BODY)) and seen == sorted(seen)


def test_download_goes_on_where_the_connection_ended(server, target):
    server.files["file.pth"] = BODY
    server.cuts_after = [300_000, 200_000]
    part = download(server.url("file.pth"), target, first_wait_s=0)
    assert part.read_bytes() == BODY
    assert server.ranges == [None, "bytes=300000-", "bytes=500000-"]


def test_download_goes_on_in_a_later_call(server, target):
    server.files["file.pth"] = BODY
    server.cuts_after = [100_000, 0, 0, 0]
    with pytest.raises(OSError, match="100000 of"):
        download(server.url("file.pth"), target, first_wait_s=0)
    part = download(server.url("file.pth"), target)
    assert part.read_bytes() == BODY and server.ranges[-1] == "bytes=100000-"


def test_download_starts_anew_when_the_server_knows_no_ranges(server, target):
    server.files["file.pth"] = BODY
    server.knows_ranges = False
    server.cuts_after = [300_000]
    assert download(server.url("file.pth"), target, first_wait_s=0).read_bytes() == BODY


def test_download_starts_anew_when_the_file_changed(server, target):
    server.files["file.pth"] = b"old" * 100_000
    server.cuts_after = [1000, 0, 0, 0]
    with pytest.raises(OSError):
        download(server.url("file.pth"), target, first_wait_s=0)
    server.files["file.pth"], server.etag = BODY, '"two"'
    assert download(server.url("file.pth"), target).read_bytes() == BODY


def test_download_starts_anew_when_the_part_is_longer_than_the_file(server, target):
    server.files["file.pth"] = BODY
    target.with_name("file.pth.part").write_bytes(BODY + b"more")
    target.with_name("file.pth.part.validator").write_text(server.etag)
    assert download(server.url("file.pth"), target, first_wait_s=0).read_bytes() == BODY


def test_download_trusts_no_part_of_unknown_origin(server, target):
    server.files["file.pth"] = BODY
    target.with_name("file.pth.part").write_bytes(b"x" * 1000)
    assert download(server.url("file.pth"), target).read_bytes() == BODY


def test_download_tries_again_when_the_server_is_busy(server, target):
    server.files["file.pth"] = BODY
    server.busy_answers = 2
    assert download(server.url("file.pth"), target, first_wait_s=0).read_bytes() == BODY


def test_download_asks_once_for_a_file_that_is_not_there(server, target):
    with pytest.raises(OSError, match="404"):
        download(server.url("absent"), target)
    assert len(server.ranges) == 1


def test_download_gives_up_when_nothing_comes(server, target):
    server.files["file.pth"] = BODY
    server.silent = True
    with pytest.raises(OSError, match="timed out"):
        download(server.url("file.pth"), target, first_wait_s=0, stall_s=0.1)


def test_download_says_when_there_is_no_connection(target):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{taken.getsockname()[1]}/file.pth"
    for source in (closed, "http://cleanplate.invalid/file.pth"):
        with pytest.raises(HostUnreachable):
            download(source, target, first_wait_s=0)


def test_download_of_a_server_that_answers_is_never_called_unreachable(server, target):
    server.busy_answers = 9
    with pytest.raises(OSError, match="503") as caught:
        download(server.url("file.pth"), target, first_wait_s=0)
    assert not isinstance(caught.value, HostUnreachable)


def test_discard_part_deletes_what_a_cut_download_left(server, target):
    server.files["file.pth"] = BODY
    server.cuts_after = [1000, 0, 0, 0]
    with pytest.raises(OSError):
        download(server.url("file.pth"), target, first_wait_s=0)
    discard_part(target)
    discard_part(target)
    assert list(target.parent.iterdir()) == []
