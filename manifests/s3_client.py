"""The S3 client: requests that are made again where that helps, end in time, and are counted. The home of s3fs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from aiobotocore.session import AioSession
from aiohttp import ClientError as ConnectionBroke
from botocore.exceptions import BotoCoreError
from botocore.parsers import ResponseParserError
from fsspec.asyn import sync
from s3fs import S3FileSystem

from manifests.errors import UsageError
from manifests.traffic import Meter

Taken = TypeVar("Taken")

TRIES = 4
"""Of an answer whose body broke off, or that could not be understood; all else is tried again by botocore."""
COPY_BYTES = 1 << 20
NUMBERS = {"max_attempts": 10, "connect_timeout": 10, "read_timeout": 30, "deadline": 600}
"""Options that are numbers, and their defaults: attempts after the first one; seconds until there is a connection,
without any byte, and for one call with all its attempts. The last is for a server that stops reading in the middle of a
body: nothing else would end that."""
SWITCHES = ("anon", "use_ssl", "requester_pays")
TEXTS = ("endpoint_url", "region_name", "profile", "key", "secret", "token")

_KINDS = {"List": "list", "Get": "get", "Head": "head", "Delete": "delete", "Abort": "delete"}


class S3Client:
    """A connection to one store; whatever fails in it is an OSError."""

    def __init__(self, url: str, options: Mapping[str, str], meter: Meter) -> None:
        """Read the options; nothing is sent yet. Raises UsageError for an option that there is not."""
        self._url = url
        self._meter = meter
        texts, numbers, switches = _parse_options(options)
        session = AioSession(profile=texts.pop("profile", None))
        session.register("before-send.s3", _send_body_at_once)
        session.register("before-send.s3", self._count_request)
        session.register("response-received.s3", self._count_answer)
        self._deadline_s = numbers["deadline"]
        region = texts.pop("region_name", None)
        self._fs = S3FileSystem(
            use_listings_cache=False,
            skip_instance_cache=True,
            session=session,
            client_kwargs={} if region is None else {"region_name": region},
            config_kwargs={
                "retries": {"mode": "adaptive", "max_attempts": int(numbers["max_attempts"])},
                "connect_timeout": numbers["connect_timeout"],
                "read_timeout": numbers["read_timeout"],
                "response_checksum_validation": "when_required",
                "request_checksum_calculation": "when_required",
            },
            **texts,
            **switches,
        )
        self._fs.retries = 1  # botocore has its own

    def call(self, method: str, **named: Any) -> Any:
        """Make one request of botocore's and return its answer."""
        failure: Exception | None = None
        for number in range(TRIES):
            if number:
                self._meter.repeated()
            try:
                return self._fs.call_s3(method, timeout=self._deadline_s, **named)
            except (ResponseParserError, ConnectionBroke) as err:
                failure = err
            except TimeoutError as err:
                if err.errno is not None:  # the server's own word
                    raise
                if not isinstance(err.__cause__, ConnectionBroke):
                    raise OSError(f"{self._url}: {method} had no answer within {self._deadline_s:g} s") from err
                failure = err
            except (PermissionError, BotoCoreError) as err:
                raise self._refused(err, method, named) from err.__cause__ or err
        raise OSError(f"{self._url}: no answer to {method} could be understood, of {TRIES}: {failure!r}") from failure

    def _refused(self, err: Exception, method: str, named: Mapping[str, Any]) -> OSError:
        """Return the error that says what was refused, or what to check where nobody was asked."""
        if isinstance(err, PermissionError):
            about = "/".join(named[name] for name in ("Bucket", "Key", "Prefix") if named.get(name))
            return PermissionError(f"{err} ({method} of s3://{about})")
        return OSError(
            f"{self._url}: {err}. Check the endpoint and the credentials (the AWS environment and profile, or "
            "--storage-option)."
        )

    def read(self, **named: Any) -> tuple[bytes, Any]:
        """Return the whole body of an object and the answer; a body that breaks off is read again."""
        return self._taken(self._read_body, named)

    def copy(self, target: Path, **named: Any) -> tuple[int, Any]:
        """Copy an object to the disk block by block and return its size; a body that breaks off is read again."""
        return self._taken(lambda answer: self._copy_body(answer, target), named)

    def _taken(self, take: Callable[[Any], Taken], named: dict[str, Any]) -> tuple[Taken, Any]:
        failure: Exception | None = None
        for number in range(TRIES):
            if number:
                self._meter.repeated()
            answer = self.call("get_object", **named)
            try:
                return take(answer), answer
            except (BotoCoreError, ConnectionBroke, TimeoutError, _Short) as err:
                failure = err
        raise OSError(f"{self._url}/{named['Key']}: the answer broke off {TRIES} times: {failure!r}") from failure

    def _read_body(self, answer: Any) -> bytes:
        data: bytes = sync(self._fs.loop, answer["Body"].read, timeout=self._deadline_s)
        _check_length(answer, len(data))
        return data

    def _copy_body(self, answer: Any, target: Path) -> int:
        n_bytes = 0
        with open(target, "wb") as copy:
            while block := sync(self._fs.loop, answer["Body"].read, COPY_BYTES, timeout=self._deadline_s):
                n_bytes += copy.write(block)
        _check_length(answer, n_bytes)
        return n_bytes

    def _count_request(self, request: Any, event_name: str, **_: Any) -> None:
        operation = event_name.rsplit(".", 1)[-1]
        kind = next((kind for word, kind in _KINDS.items() if operation.startswith(word)), "put")
        again = b"attempt=1" not in _as_bytes(request.headers.get("amz-sdk-request", "attempt=1")).split(b"; ")
        self._meter.sent(kind, int(request.headers.get("Content-Length", 0)), again)

    def _count_answer(self, response_dict: Any, **_: Any) -> None:
        if response_dict is not None:
            body = response_dict["body"]
            n_bytes = len(body) if isinstance(body, bytes) else int(response_dict["headers"].get("content-length", 0))
            self._meter.received(n_bytes)


class _Short(Exception):
    """A body that is shorter than its answer said."""


def status_of(err: OSError) -> int | None:
    """Return the HTTP status that an error stands for, None where there was no answer."""
    answer = getattr(err.__cause__, "response", {})
    status: int | None = answer.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status


def _send_body_at_once(request: Any, **_: Any) -> None:
    """Ask for no word of the server before the body is sent: aiohttp waits for that word without any limit of time."""
    request.headers.pop("Expect", None)


def _check_length(answer: Any, n_bytes: int) -> None:
    expected = answer.get("ContentLength")
    if expected not in (None, n_bytes):
        raise _Short(f"{n_bytes} of {expected} bytes")


def _parse_options(options: Mapping[str, str]) -> tuple[dict[str, str], dict[str, float], dict[str, bool]]:
    """Sort options into texts, numbers and switches; no message says a value, for it may be secret."""
    texts, numbers, switches = {}, {name: float(value) for name, value in NUMBERS.items()}, {}
    for name, value in options.items():
        if name in TEXTS:
            texts[name] = value
        elif name in NUMBERS:
            numbers[name] = _number(name, value)
        elif name in SWITCHES:
            switches[name] = _switch(name, value)
        else:
            known = ", ".join((*TEXTS, *NUMBERS, *SWITCHES))
            raise UsageError(f"--storage-option {name}: there is no such option. There is: {known}.")
    return texts, numbers, switches


def _number(name: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number < 1e6 or (name != "max_attempts" and not number):
        raise UsageError(f"--storage-option {name}: a number above 0 is wanted, such as {name}={NUMBERS[name]}.")
    return number


def _switch(name: str, value: str) -> bool:
    if value.lower() not in ("true", "false"):
        raise UsageError(f"--storage-option {name}: true or false is wanted.")
    return value.lower() == "true"


def _as_bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()
