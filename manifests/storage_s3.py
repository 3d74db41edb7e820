"""An object store behind the Folder seam: S3 and servers that speak its protocol."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from io import SEEK_END, BytesIO
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

from manifests.errors import UsageError
from manifests.records import FileStat
from manifests.s3_client import S3Client, status_of
from manifests.traffic import Meter

PART_BYTES = 50 << 20
"""Of a multipart upload, which objects of twice that size and more are written by."""
CLAIM_WAIT_S = 0.5
"""Longer than one small PUT takes; see `_put_by_claim`."""
CONFLICT_TRIES, CONFLICT_WAIT_S = 10, 0.2
CONTENT_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "webp": "image/webp",
    "jpg": "image/jpeg",
    "png": "image/png",
}
"""What a browser has to be told of an object, or it saves a page instead of showing it."""


class S3Folder:
    """A prefix of a bucket; one PUT makes an object whole, listings are never cached."""

    def __init__(self, url: str, options: dict[str, str], part_bytes: int = PART_BYTES) -> None:
        """Open `s3://bucket/prefix`; `options` are those of `manifests.s3_client`.

        Raises UsageError for a URL with credentials in it: URLs stand in records and messages.
        """
        if "@" in url.removeprefix("s3://").partition("/")[0]:
            raise UsageError(
                "A store's URL must not hold credentials, for it is written down and shown: put them into the AWS "
                "environment or a profile, or say --storage-option key=... --storage-option secret=..."
            )
        self.url = url
        self.meter = Meter()
        self._bucket, _, self._prefix = url.removeprefix("s3://").partition("/")
        self._client = S3Client(url, options, self.meter)
        self._part_bytes = part_bytes
        self._conditional_put: bool | None = None

    def read(self, path: str) -> bytes:
        """Return the whole object."""
        return self.read_with_stat(path)[0]

    def read_with_stat(self, path: str) -> tuple[bytes, FileStat]:
        """Return the whole object and its etag; a body that breaks off is read again."""
        data, answer = self._client.read(**self._at(path))
        return data, FileStat(path, len(data), None, _plain(answer["ETag"]))

    def copy_to(self, path: str, target: Path) -> FileStat:
        """Copy an object to the disk block by block, whatever its size; a body that breaks off is read again."""
        n_bytes, answer = self._client.copy(target, **self._at(path))
        return FileStat(path, n_bytes, None, _plain(answer["ETag"]))

    def read_range(self, path: str, start: int, stop: int) -> bytes:
        """Return the bytes from `start` up to `stop`, fewer where the object ends before."""
        if stop <= start:
            return b""
        try:
            return self._client.read(**self._at(path), Range=f"bytes={start}-{stop - 1}")[0]
        except OSError as err:
            if status_of(err) == 416:
                return b""
            raise

    def write_atomic(self, path: str, data: bytes) -> None:
        """Put the object by one request, a large one by a multipart upload that is seen when it is completed."""
        if len(data) < 2 * self._part_bytes:
            self._client.call("put_object", **self._at(path), **_content_type(path), Body=bytes(data))
        else:
            self._put_in_parts(path, BytesIO(data))

    def write_from(self, path: str, source: BinaryIO) -> None:
        """Put what `source` holds from its start on, part by part where it is large."""
        n_bytes = source.seek(0, SEEK_END)
        source.seek(0)
        if n_bytes < 2 * self._part_bytes:
            self.write_atomic(path, source.read())
        else:
            self._put_in_parts(path, source)

    def put_if_absent(self, path: str, data: bytes) -> bool:
        """Put an object unless there is one, by a conditional PUT or, where the server has none, by a claim."""
        if self._conditional_put is None:
            self._conditional_put = self._probe_conditional_put()
        if not self._conditional_put:
            return self._put_by_claim(path, data)
        return self._put_conditionally(path, data)

    def list(self, prefix: str = "") -> Iterator[FileStat]:
        """Yield all objects below `prefix`, from one recursive listing."""
        for page in self._pages(prefix):
            for found in page.get("Contents", ()):
                if not found["Key"].endswith("/"):
                    path, etag = self._path(found["Key"]), _plain(found.get("ETag", ""))
                    yield FileStat(path, int(found["Size"]), None, etag, _ns(found.get("LastModified")))

    def children(self, prefix: str = "") -> tuple[str, ...]:
        """Return the sorted names of the folders directly below `prefix`."""
        pages = self._pages(prefix, Delimiter="/")
        folders = (found["Prefix"].rstrip("/") for page in pages for found in page.get("CommonPrefixes", ()))
        return tuple(sorted({name.rsplit("/", 1)[-1] for name in folders}))

    def delete(self, paths: Iterable[str]) -> None:
        """Delete objects; one that is not there is fine."""
        for path in paths:
            with contextlib.suppress(FileNotFoundError):
                self._client.call("delete_object", **self._at(path))

    def leftovers(self, prefix: str = "") -> Iterator[FileStat]:
        """Yield multipart uploads that were begun and not ended, by id as etag; none where the server lists none."""
        marker: dict[str, str] = {}
        while True:
            named = {"Bucket": self._bucket, "Prefix": self._below(prefix), **marker}
            try:
                page = self._client.call("list_multipart_uploads", **named)
            except OSError as err:
                if status_of(err) in (
                    400,
                    403,
                    404,
                    405,
                    501,
                ):  # a server that does not know the request, or forbids it
                    return
                raise
            for upload in page.get("Uploads", ()):
                yield FileStat(self._path(upload["Key"]), 0, None, upload["UploadId"], _ns(upload.get("Initiated")))
            if not page.get("IsTruncated"):
                return
            marker = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}

    def delete_leftovers(self, leftovers: Iterable[FileStat]) -> None:
        """Abort multipart uploads."""
        for upload in leftovers:
            with contextlib.suppress(FileNotFoundError):
                self._client.call("abort_multipart_upload", **self._at(upload.path), UploadId=upload.etag)

    def prune(self, paths: Iterable[str]) -> None:
        """Do nothing: a store has no folders."""

    def free_bytes(self) -> None:
        """Tell nothing: a bucket has no end."""

    def local_path(self, path: str) -> None:
        """Tell that the object is on no disk of this machine."""

    def _at(self, path: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": f"{self._prefix}/{path}" if self._prefix else path}

    def _below(self, prefix: str) -> str:
        """Return how the keys below a folder begin."""
        folder = "/".join(filter(None, (self._prefix, prefix.strip("/"))))
        return f"{folder}/" if folder else ""

    def _path(self, key: str) -> str:
        return key[len(self._prefix) + 1 :] if self._prefix else key

    def _pages(self, prefix: str, **named: str) -> Iterator[Any]:
        """Yield the pages of a listing; nothing where the bucket does not exist."""
        named |= {"Bucket": self._bucket, "Prefix": self._below(prefix)}
        while True:
            try:
                page = self._client.call("list_objects_v2", **named)
            except FileNotFoundError:
                return
            yield page
            if not page.get("IsTruncated"):
                return
            if "NextContinuationToken" not in page:
                raise OSError(f"{self.url}: the server cut a listing short and does not say how to go on")
            named["ContinuationToken"] = page["NextContinuationToken"]

    def _put_in_parts(self, path: str, source: BinaryIO) -> None:
        """Upload parts and complete them; until then nothing is seen, and what fails is aborted."""
        upload = self._at(path) | {
            "UploadId": self._client.call("create_multipart_upload", **self._at(path))["UploadId"]
        }
        try:
            parts = []
            for number, part in enumerate(self._parts(source), 1):
                answer = self._client.call("upload_part", **upload, PartNumber=number, Body=part)
                parts.append({"PartNumber": number, "ETag": answer["ETag"]})
            self._complete(path, upload, parts, source)
        except OSError:
            with contextlib.suppress(OSError):
                self._client.call("abort_multipart_upload", **upload)
            raise

    def _complete(self, path: str, upload: dict[str, str], parts: Sequence[dict[str, Any]], source: BinaryIO) -> None:
        try:
            self._client.call("complete_multipart_upload", **upload, MultipartUpload={"Parts": parts})
        except FileNotFoundError:
            # A retried completion can be told that there is no such upload, by its own first success.
            size = self._part_bytes
            parts_there = (
                self.read_range(path, number * size, (number + 1) * size) == part
                for number, part in enumerate(chain(self._parts(source), [b""]))
            )
            if not all(parts_there):
                raise

    def _parts(self, source: BinaryIO) -> Iterator[bytes]:
        """Yield what `source` holds, from its start on, in parts."""
        source.seek(0)
        while part := source.read(self._part_bytes):
            yield part

    def _put_conditionally(self, path: str, data: bytes) -> bool:
        failure: OSError | None = None
        for _ in range(CONFLICT_TRIES):
            try:
                self._client.call("put_object", **self._at(path), Body=data, IfNoneMatch="*")
                return True
            except OSError as err:
                if status_of(err) not in (409, 412):
                    raise
                failure = err
            try:
                # A retried PUT can be answered 412 by its own first success.
                return self.read(path) == data
            except FileNotFoundError:  # two PUTs at once can both be told to try again
                time.sleep(CONFLICT_WAIT_S)
        raise OSError(f"{self.url}/{path}: {CONFLICT_TRIES} conditional PUTs were refused: {failure}") from failure

    def _probe_conditional_put(self) -> bool:
        """Tell whether the server refuses a second conditional PUT; some ignore the condition."""
        path = f"_cleanplate/claims/probe-{uuid.uuid4().hex}"
        self.write_atomic(path, b"1")
        try:
            return not self._put_conditionally(path, b"2")
        finally:
            self.delete([path])

    def _put_by_claim(self, path: str, data: bytes) -> bool:
        """Let the lexically first of the claims write the object.

        Whoever sees the object or an older claim withdraws; all claims that were made at once are listed after
        CLAIM_WAIT_S, so every claimant sees the same set as long as one small PUT takes less than that.
        """
        if self._exists(path):
            return False
        claims = f"_cleanplate/claims/{path.replace('/', '%2F')}"
        mine = f"{claims}/{uuid.uuid4().hex}"
        if not any(True for _ in self.list(claims)):
            self.write_atomic(mine, data)
        time.sleep(CLAIM_WAIT_S)
        standing = sorted(stat.path for stat in self.list(claims))
        try:
            if not self._exists(path):
                self.write_atomic(path, self.read(standing[0]))
        except (FileNotFoundError, IndexError):  # the winner is done meanwhile, and has cleared the claims
            pass
        self.delete([mine, *standing])
        return self.read(path) == data

    def _exists(self, path: str) -> bool:
        try:
            self._client.call("head_object", **self._at(path))
        except FileNotFoundError:
            return False
        return True


def _content_type(path: str) -> dict[str, str]:
    known = CONTENT_TYPES.get(path.rpartition(".")[2])
    return {} if known is None else {"ContentType": known}


def _ns(time_utc: datetime | None) -> int | None:
    return None if time_utc is None else int(time_utc.timestamp()) * 10**9


def _plain(etag: str) -> str:
    return etag.strip('"')
