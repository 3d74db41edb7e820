"""An object store behind the Folder seam: S3 and servers that speak its protocol. The home of fsspec and s3fs."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError
from fsspec.asyn import sync
from s3fs import S3FileSystem
from s3fs.core import S3_RETRYABLE_ERRORS

from manifests.records import FileStat

READ_TRIES = 4
COPY_BYTES = 1 << 20
CLAIM_WAIT_S = 0.5
"""Longer than one small PUT takes; see `_put_by_claim`."""

_CONFIG = {
    "retries": {"mode": "adaptive", "max_attempts": 10},
    "response_checksum_validation": "when_required",
    "request_checksum_calculation": "when_required",
}


class S3Folder:
    """A prefix of a bucket; one PUT makes an object whole, listings are never cached."""

    def __init__(self, url: str, options: dict[str, str]) -> None:
        """Open `s3://bucket/prefix`; `options` are those of s3fs (endpoint_url, key, secret, profile, anon, ...)."""
        self.url = url
        self._root = url.removeprefix("s3://")
        self._bucket, _, self._prefix = self._root.partition("/")
        self._fs = S3FileSystem(
            use_listings_cache=False,
            skip_instance_cache=True,
            max_concurrency=1,  # spares the HEAD before each GET
            config_kwargs=dict(_CONFIG),
            **options,
        )
        self._conditional_put: bool | None = None

    def read(self, path: str) -> bytes:
        """Return the whole object."""
        return self.read_with_stat(path)[0]

    def read_with_stat(self, path: str) -> tuple[bytes, FileStat]:
        """Return the whole object and its etag; a body that breaks off is read again."""
        failure: Exception | None = None
        for _ in range(READ_TRIES):
            response = self._call(self._fs.call_s3, "get_object", Bucket=self._bucket, Key=self._key(path))
            try:
                data: bytes = sync(self._fs.loop, response["Body"].read)
            except S3_RETRYABLE_ERRORS as err:
                failure = err
            else:
                return data, FileStat(path, len(data), None, _plain(response["ETag"]))
        raise OSError(f"{self.url}/{path}: the answer broke off {READ_TRIES} times: {failure!r}") from failure

    def copy_to(self, path: str, target: Path) -> FileStat:
        """Copy an object to the disk block by block, whatever its size; a body that breaks off is read again."""
        failure: Exception | None = None
        for _ in range(READ_TRIES):
            response = self._call(self._fs.call_s3, "get_object", Bucket=self._bucket, Key=self._key(path))
            n_bytes = 0
            try:
                with open(target, "wb") as copy:
                    while block := sync(self._fs.loop, response["Body"].read, COPY_BYTES):
                        n_bytes += copy.write(block)
            except S3_RETRYABLE_ERRORS as err:
                failure = err
                continue
            if n_bytes == response["ContentLength"]:
                return FileStat(path, n_bytes, None, _plain(response["ETag"]))
            failure = OSError(f"{n_bytes} of {response['ContentLength']} bytes")
        raise OSError(f"{self.url}/{path}: the answer broke off {READ_TRIES} times: {failure!r}") from failure

    def read_range(self, path: str, start: int, stop: int) -> bytes:
        """Return the bytes from `start` up to `stop`, fewer where the object ends before."""
        if stop <= start:
            return b""
        try:
            data: bytes = self._call(self._fs.cat_file, self._full(path), start=start, end=stop)
        except OSError as err:
            if "InvalidRange" in str(err) or "not satisfiable" in str(err):
                return b""
            raise
        return data

    def write_atomic(self, path: str, data: bytes) -> None:
        """Put the object by one request (a completed multipart above 100 MiB)."""
        self._call(self._fs.pipe_file, self._full(path), bytes(data))

    def put_if_absent(self, path: str, data: bytes) -> bool:
        """Put an object unless there is one, by a conditional PUT or, where the server has none, by a claim."""
        if self._conditional_put is None:
            self._conditional_put = self._probe_conditional_put()
        if not self._conditional_put:
            return self._put_by_claim(path, data)
        return self._put_conditionally(path, data)

    def list(self, prefix: str = "") -> Iterator[FileStat]:
        """Yield all objects below `prefix`, from one recursive listing."""
        try:
            found: dict[str, Any] = self._call(self._fs.find, self._full(prefix), detail=True)
        except FileNotFoundError:
            return
        for name, info in found.items():
            if info["type"] == "file" and not name.endswith("/"):
                path = name[len(self._root) + 1 :]
                yield FileStat(
                    path, int(info["size"]), None, _plain(info.get("ETag", "")), _ns(info.get("LastModified"))
                )

    def children(self, prefix: str = "") -> tuple[str, ...]:
        """Return the sorted names of the folders directly below `prefix`."""
        try:
            entries = self._call(self._fs.ls, self._full(prefix), detail=True)
        except FileNotFoundError:
            return ()
        folders = (entry["name"].rstrip("/") for entry in entries if entry["type"] == "directory")
        return tuple(sorted(name.rsplit("/", 1)[-1] for name in folders))

    def delete(self, paths: Iterable[str]) -> None:
        """Delete objects; one that is not there is fine."""
        for path in paths:
            self._call(self._fs.call_s3, "delete_object", Bucket=self._bucket, Key=self._key(path))

    def leftovers(self, prefix: str = "") -> Iterator[FileStat]:
        """Yield multipart uploads that were begun and not ended, by id as etag; none where the server lists none."""
        below = self._key(f"{prefix.strip('/')}/" if prefix else "")
        try:
            answer = self._call(self._fs.call_s3, "list_multipart_uploads", Bucket=self._bucket, Prefix=below)
        except OSError:  # servers that do not know the request answer it in many ways
            return
        for upload in answer.get("Uploads", ()):
            path = upload["Key"].removeprefix(self._key(""))
            yield FileStat(path, 0, None, upload["UploadId"], _ns(upload.get("Initiated")))

    def delete_leftovers(self, leftovers: Iterable[FileStat]) -> None:
        """Abort multipart uploads."""
        for upload in leftovers:
            key = {"Bucket": self._bucket, "Key": self._key(upload.path), "UploadId": upload.etag}
            with contextlib.suppress(FileNotFoundError):
                self._call(self._fs.call_s3, "abort_multipart_upload", **key)

    def prune(self, paths: Iterable[str]) -> None:
        """Do nothing: a store has no folders."""

    def free_bytes(self) -> None:
        """Tell nothing: a bucket has no end."""

    def local_path(self, path: str) -> None:
        """Tell that the object is on no disk of this machine."""

    def _call(self, method: Callable[..., Any], *values: Any, **named: Any) -> Any:
        """Call the client; its errors that are none of the system's become OSErrors that name the store."""
        try:
            return method(*values, **named)
        except BotoCoreError as err:
            raise OSError(
                f"{self.url}: {err}. Check the endpoint and the credentials (the AWS environment and profile, or "
                "--storage-option)."
            ) from err

    def _key(self, path: str) -> str:
        return f"{self._prefix}/{path}" if self._prefix else path

    def _full(self, path: str) -> str:
        return f"{self._root}/{path.strip('/')}" if path else self._root

    def _put_conditionally(self, path: str, data: bytes) -> bool:
        try:
            self._call(self._fs.pipe_file, self._full(path), data, mode="create")
        except OSError as err:
            if not _is_precondition_failure(err):
                raise
            # A retried PUT can be answered 412 by its own first success.
            return self.read(path) == data
        return True

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
        return bool(self._call(self._fs.exists, self._full(path)))


def _ns(time_utc: datetime | None) -> int | None:
    return None if time_utc is None else int(time_utc.timestamp()) * 10**9


def _plain(etag: str) -> str:
    return etag.strip('"')


def _is_precondition_failure(err: OSError) -> bool:
    """Tell the answers 412 and 409 (a conditional PUT that raced) from all other failures."""
    answer = getattr(err.__cause__, "response", {})
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return isinstance(err, FileExistsError) or status in (409, 412)
