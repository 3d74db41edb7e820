"""Ahead: what waits for a store, done for some items before they are asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Found = TypeVar("Found")


def map_ahead(function: Callable[[Item], Found], items: Iterable[Item], n_ahead: int) -> Iterator[Found]:
    """Yield function(item) in order, at most `n_ahead` of them under way or waiting; an error comes in its turn."""
    waiting: deque[Future[Found]] = deque()
    with ThreadPoolExecutor(n_ahead) as threads:
        try:
            for item in items:
                waiting.append(threads.submit(function, item))
                if len(waiting) == n_ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
