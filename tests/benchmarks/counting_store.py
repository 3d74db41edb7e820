"""A stand-in for an object store: objects in memory behind a socket, every request counted by its kind.

Run: python tests/benchmarks/counting_store.py PORT

It speaks as much of S3 as the books need: whole and ranged GET, PUT, HEAD, DELETE and ListObjectsV2 in pages of 1000.
`GET /-counts` returns the requests since the last one; `PUT /-many` puts one body under many keys.
"""

from __future__ import annotations

import bisect
import hashlib
import json
import sys
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

PAGE = 1000

objects: dict[str, bytes] = {}
keys: list[str] = []
counts: Counter[str] = Counter()
lock = threading.Lock()


def put(key: str, data: bytes) -> None:
    with lock:
        if key not in objects:
            bisect.insort(keys, key)
        objects[key] = data


def forget() -> None:
    """Empty the store."""
    with lock:
        objects.clear()
        keys.clear()
        counts.clear()


def page(query: dict[str, str]) -> bytes:
    """Return a page of the listing below a prefix, folders apart where a delimiter is given."""
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    after = query.get("continuation-token") or query.get("start-after") or ""
    with lock:
        place = bisect.bisect_right(keys, after) if after >= prefix and after else bisect.bisect_left(keys, prefix)
        found: list[str] = []
        folders: list[str] = []
        last = ""
        while place < len(keys) and keys[place].startswith(prefix) and len(found) + len(folders) < PAGE:
            last = keys[place]
            rest = last[len(prefix) :]
            if delimiter and delimiter in rest:
                folders.append(prefix + rest.split(delimiter, 1)[0] + delimiter)
                place = bisect.bisect_left(keys, folders[-1][:-1] + chr(ord(delimiter) + 1))
                last = keys[place - 1]
            else:
                found.append(last)
                place += 1
        is_cut = place < len(keys) and keys[place].startswith(prefix)
    contents = "".join(
        f"<Contents><Key>{escape(key)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
        f"<ETag>&quot;0&quot;</ETag><Size>{len(objects[key])}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        for key in found
    )
    prefixes = "".join(f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>" for name in folders)
    token = f"<NextContinuationToken>{escape(last)}</NextContinuationToken>" if is_cut else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>b</Name><Prefix>{escape(prefix)}</Prefix><KeyCount>{len(found) + len(folders)}</KeyCount>"
        f"<MaxKeys>{PAGE}</MaxKeys><IsTruncated>{str(is_cut).lower()}</IsTruncated>{token}{contents}{prefixes}"
        "</ListBucketResult>"
    ).encode()


class Store(BaseHTTPRequestHandler):
    """Answers one client; paths are /bucket/key."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        bucket, key, query = self._asked()
        if bucket == "-counts":
            with lock:
                told = json.dumps(counts)
                counts.clear()
            self._answer(200, told.encode())
        elif not key:
            counts["list"] += 1
            self._answer(200, page(query), {"Content-Type": "application/xml"})
        else:
            counts["get"] += 1
            self._give(key)

    def do_HEAD(self) -> None:
        counts["head"] += 1
        self._give(self._asked()[1])

    def do_PUT(self) -> None:
        bucket, key, _ = self._asked()
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if bucket == "-many":
            names, _, body = data.partition(b"\0")
            for name in names.decode().splitlines():
                put(name, body)
            self._answer(200)
            return
        counts["put"] += 1
        if key and self.headers.get("If-None-Match") and key in objects:
            self._answer(412, b"<Error><Code>PreconditionFailed</Code></Error>")
            return
        if key:
            put(key, data)
        self._answer(200, headers={"ETag": f'"{hashlib.md5(data).hexdigest()}"'})

    def do_DELETE(self) -> None:
        counts["delete"] += 1
        _, key, _ = self._asked()
        with lock:
            if objects.pop(key, None) is not None:
                keys.remove(key)
        self._answer(204)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _asked(self) -> tuple[str, str, dict[str, str]]:
        parts = urlsplit(self.path)
        bucket, _, key = parts.path[1:].partition("/")
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        return bucket, unquote(key), query

    def _give(self, key: str) -> None:
        data = objects.get(key)
        if data is None:
            self._answer(404, b"<Error><Code>NoSuchKey</Code><Message>none</Message></Error>")
            return
        status, asked = 200, self.headers.get("Range")
        if asked:
            first, _, last = asked.removeprefix("bytes=").partition("-")
            status, data = 206, data[int(first) : int(last) + 1 if last else None]
        self._answer(status, data, {"ETag": '"0"', "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"})

    def _answer(self, status: int, data: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Store).serve_forever()
