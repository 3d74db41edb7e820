"""Traffic: how often a store was asked for what, and how many bytes went each way."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

KINDS = ("list", "get", "put", "head", "delete")


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests by kind, those among them that were made again, and bytes: `bytes_in` were read, `bytes_out` written.

    On a disk a request is a folder that was listed, or a file that was read, written or deleted.
    """

    requests: Mapping[str, int] = field(default_factory=dict)
    n_retries: int = 0
    bytes_in: int = 0
    bytes_out: int = 0

    @property
    def n_requests(self) -> int:
        """Count all requests."""
        return sum(self.requests.values())

    def __add__(self, other: Traffic) -> Traffic:
        """Return both together."""
        requests = dict(Counter(self.requests) + Counter(other.requests))
        n_retries, bytes_in = self.n_retries + other.n_retries, self.bytes_in + other.bytes_in
        return Traffic(requests, n_retries, bytes_in, self.bytes_out + other.bytes_out)


class Meter:
    """Counts the traffic of one folder, for all threads."""

    def __init__(self) -> None:
        """Begin at zero."""
        self._requests: Counter[str] = Counter()
        self._n_retries = self._bytes_in = self._bytes_out = 0
        self._lock = threading.Lock()

    def sent(self, kind: str, n_bytes: int = 0, again: bool = False) -> None:
        """Count a request with so many bytes in its body; `again` if it was made before and failed."""
        with self._lock:
            self._requests[kind] += 1
            self._bytes_out += n_bytes
            self._n_retries += again

    def received(self, n_bytes: int) -> None:
        """Count the bytes of an answer."""
        with self._lock:
            self._bytes_in += n_bytes

    def repeated(self) -> None:
        """Say that the next request is made again."""
        with self._lock:
            self._n_retries += 1

    @property
    def traffic(self) -> Traffic:
        """Return what was counted so far."""
        with self._lock:
            return Traffic(dict(self._requests), self._n_retries, self._bytes_in, self._bytes_out)


@runtime_checkable
class Metered(Protocol):
    """A folder that counts."""

    url: str
    meter: Meter


def traffic_of(*folders: object) -> dict[str, Traffic]:
    """Return what those of the folders that count have counted, by their URL."""
    return joined({folder.url: folder.meter.traffic} for folder in folders if isinstance(folder, Metered))


def joined(parts: Iterable[Mapping[str, Traffic]]) -> dict[str, Traffic]:
    """Add up traffic by URL."""
    total: dict[str, Traffic] = {}
    for part in parts:
        for url, traffic in part.items():
            total[url] = total.get(url, Traffic()) + traffic
    return total
