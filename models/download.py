"""One file over HTTP: resumable, retried, and never mistaken for whole while it is not."""

from __future__ import annotations

import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

N_TRIES = 4
N_TRIES_UNREACHED = 2
FIRST_WAIT_S = 0.5
STALL_S = 15.0
READ_BYTES = 1 << 18
HTTP_PARTIAL = 206
HTTP_RANGE_UNSATISFIABLE = 416
HTTP_FINAL = range(400, 500)
HTTP_AGAIN = (408, HTTP_RANGE_UNSATISFIABLE, 429)

Progress = Callable[[int, int | None], None]


class HostUnreachable(OSError):
    """Say that no connection came about: the host's other files need not be tried now."""


def download(
    source: str,
    path: Path,
    progress: Progress | None = None,
    first_wait_s: float = FIRST_WAIT_S,
    stall_s: float = STALL_S,
) -> Path:
    """Read a source into `<path>.part` until it is whole, and return that path; the caller verifies and renames it.

    A part that is there already is gone on with, where the server still has the same file (ETag or Last-Modified, kept
    in `<path>.part.validator`) and knows ranges; else the file is read anew. A few tries, with growing waits; no byte
    for stall_s seconds counts as a failure. Raises OSError when no try succeeds or the server refuses the file, and
    HostUnreachable, sooner, when there is no connection to begin with.
    """
    attempt, n_tries = 0, N_TRIES_UNREACHED
    while True:
        attempt += 1
        try:
            return _read_once(source, path, progress, stall_s)
        except urllib.error.HTTPError as err:
            err.close()
            n_tries = N_TRIES
            refused = err.code in HTTP_FINAL and err.code not in HTTP_AGAIN
            if refused or attempt >= n_tries:
                raise OSError(f"HTTP {err.code} {err.reason}") from err
        except urllib.error.URLError as err:
            # of the connection itself: an unknown name, a refusal, silence, a certificate
            if attempt >= n_tries:
                raise HostUnreachable(f"{err.reason} (after {n_tries} tries)") from err
        except (OSError, http.client.HTTPException) as err:
            n_tries = N_TRIES
            if attempt >= n_tries:
                raise OSError(f"{err} (after {n_tries} tries)") from err
        time.sleep(first_wait_s * 2 ** (attempt - 1))


def discard_part(path: Path) -> None:
    """Delete what a download of `path` that was cut has left."""
    for ending in (".part", ".part.validator"):
        path.with_name(path.name + ending).unlink(missing_ok=True)


def _read_once(source: str, path: Path, progress: Progress | None, stall_s: float) -> Path:
    part = path.with_name(path.name + ".part")
    note = path.with_name(path.name + ".part.validator")
    validator = note.read_text() if note.is_file() else ""
    start = part.stat().st_size if part.is_file() and validator else 0
    # a server whose file changed answers If-Range with the whole file
    headers = {"Range": f"bytes={start}-", "If-Range": validator} if start else {}
    request = urllib.request.Request(source, headers={"User-Agent": "cleanplate", **headers})
    try:
        response = urllib.request.urlopen(request, timeout=stall_s)
    except urllib.error.HTTPError as err:
        if err.code == HTTP_RANGE_UNSATISFIABLE:
            part.unlink()
        raise
    with response:
        found = _validator(response.headers)
        goes_on = response.status == HTTP_PARTIAL and found == validator
        if response.status == HTTP_PARTIAL and not goes_on:
            part.unlink()
            raise OSError("the file changed on the server while it was being read")
        start = start if goes_on else 0
        note.write_text(found)
        _append(response, part, start, progress)
    note.unlink()
    return part


def _append(response: http.client.HTTPResponse, part: Path, start: int, progress: Progress | None) -> None:
    """Write the body behind the first `start` bytes of the part; raise OSError where the connection ended early."""
    length = response.headers.get("Content-Length")
    total = start + int(length) if length else None
    at_hand = start
    with part.open("ab" if start else "wb") as file:
        while block := response.read1(READ_BYTES):
            file.write(block)
            at_hand += len(block)
            if progress is not None:
                progress(at_hand, total)
        file.flush()
        os.fsync(file.fileno())
    if total is not None and at_hand != total:
        raise OSError(f"the connection ended after {at_hand} of {total} bytes")
    if part.stat().st_size != at_hand:
        part.unlink()
        raise OSError(f"{part} was written by another process at the same time")


def _validator(headers: http.client.HTTPMessage) -> str:
    """Return what identifies this version of the file: a strong ETag, else the date, else nothing."""
    etag = headers.get("ETag", "")
    if etag and not etag.startswith("W/"):
        return str(etag)
    return str(headers.get("Last-Modified", ""))
