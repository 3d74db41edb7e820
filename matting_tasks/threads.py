"""Threads that work ahead of a consumer, in order, with a bounded queue; the one place that carries errors over."""

from __future__ import annotations

import contextvars
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_ahead(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    n_threads: int,
    n_ahead: int,
    patience_s: float = 5.0,
) -> Generator[Result, None, None]:
    """Yield `function(item)` in the order of `items`, at most `n_ahead` of them under way on `n_threads` threads.

    `items` is pulled on the consumer's thread, only when a place is free: chains of generators stay bounded. An error
    of `function` is raised here, in its item's turn. The threads end when the generator ends, and are waited for that
    long: neither an error nor an interruption leaves one behind, and no thread is inside a C++ library when the process
    ends, which would abort it. They are daemons, so that one that hangs cannot keep the process.
    """
    tasks: SimpleQueue[tuple[Item, Future[Result]] | None] = SimpleQueue()
    stopped = threading.Event()
    run = [contextvars.copy_context().run for _ in range(n_threads)]  # what the log says of the shard goes along
    threads = [threading.Thread(target=one, args=(_work, function, tasks, stopped), daemon=True) for one in run]
    under_way: deque[Future[Result]] = deque()
    try:
        for thread in threads:
            thread.start()
        for item in items:
            place: Future[Result] = Future()
            under_way.append(place)
            tasks.put((item, place))
            if len(under_way) >= n_ahead:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        stopped.set()
        for _ in range(n_threads):
            tasks.put(None)
        close = getattr(items, "close", None)
        if close is not None:
            close()
        _join(threads, patience_s)


def _join(threads: Sequence[threading.Thread], patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    for thread in threads:
        if thread.ident is not None:  # else it was never started
            thread.join(max(0.0, deadline - time.monotonic()))


def _work(
    function: Callable[[Item], Result],
    tasks: SimpleQueue[tuple[Item, Future[Result]] | None],
    stopped: threading.Event,
) -> None:
    while (task := tasks.get()) is not None and not stopped.is_set():
        item, place = task
        try:
            place.set_result(function(item))
        except BaseException as err:
            place.set_exception(err)
        del task, item, place  # an error holds this frame by its traceback, and with it all that its frame holds
