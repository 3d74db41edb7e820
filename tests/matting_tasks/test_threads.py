from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextvars import ContextVar

import pytest

from matting_tasks.threads import map_ahead


def wait_until_gone(before: set[threading.Thread], timeout_s: float = 5.0) -> set[threading.Thread]:
    """Return the threads that are still there, other than those of before, when the time is over."""
    deadline = time.monotonic() + timeout_s
    while (left := set(threading.enumerate()) - before) and time.monotonic() < deadline:
        time.sleep(0.01)
    return left


def test_results_come_in_the_order_of_the_items_when_the_first_take_longest() -> None:
    def slow_start(item: int) -> int:
        time.sleep(0.05 if item < 2 else 0)
        return item * item

    assert list(map_ahead(slow_start, range(20), 4, 6)) == [item * item for item in range(20)]


def test_the_threads_know_what_the_log_is_about() -> None:
    shard = ContextVar("shard", default="none")
    token = shard.set("here")
    assert list(map_ahead(lambda _: shard.get(), range(6), 3, 3)) == ["here"] * 6
    shard.reset(token)
    assert list(map_ahead(lambda _: shard.get(), range(2), 1, 1)) == ["none"] * 2


def test_nothing_comes_when_there_are_no_items() -> None:
    before = set(threading.enumerate())
    assert list(map_ahead(str, [], 3, 4)) == []
    assert not wait_until_gone(before)


@pytest.mark.parametrize(("n_threads", "n_ahead"), [(1, 1), (2, 3), (8, 8), (8, 2)])
def test_items_are_pulled_only_as_places_get_free(n_threads: int, n_ahead: int) -> None:
    n_pulled = 0

    def items() -> Iterator[int]:
        nonlocal n_pulled
        for item in range(50):
            n_pulled += 1
            yield item

    most = 0
    for n_taken, _ in enumerate(map_ahead(str, items(), n_threads, n_ahead)):
        most = max(most, n_pulled - n_taken)
    assert n_pulled == 50
    assert most == n_ahead


def test_nothing_is_pulled_until_the_first_result_is_asked_for() -> None:
    pulled: list[int] = []
    results = map_ahead(str, (pulled.append(item) or item for item in range(5)), 2, 2)
    assert pulled == []
    assert next(results) == "0"
    assert pulled == [0, 1]


def test_items_are_pulled_on_the_thread_of_the_consumer() -> None:
    pullers: set[threading.Thread] = set()
    workers: set[threading.Thread] = set()

    def items() -> Iterator[int]:
        for item in range(10):
            pullers.add(threading.current_thread())
            yield item

    list(map_ahead(lambda _: workers.add(threading.current_thread()), items(), 2, 4))
    assert pullers == {threading.current_thread()}
    assert threading.current_thread() not in workers


def test_several_items_are_worked_on_at_once() -> None:
    meeting = threading.Barrier(3, timeout=10)  # passes only if three threads are in the function together
    assert list(map_ahead(lambda item: meeting.wait() >= 0, range(6), 3, 6)) == [True] * 6


def test_an_error_is_raised_in_its_turn_when_it_happened_early() -> None:
    def fails_at_3(item: int) -> int:
        if item == 3:
            raise ValueError("the third")
        time.sleep(0.02)
        return item

    seen = []
    with pytest.raises(ValueError, match="the third"):
        for result in map_ahead(fails_at_3, range(10), 4, 8):
            seen.append(result)
    assert seen == [0, 1, 2]


def test_an_exit_in_a_thread_reaches_the_consumer() -> None:
    def leaves(item: int) -> None:
        sys.exit(5)

    with pytest.raises(SystemExit) as exit_info:
        list(map_ahead(leaves, [1], 1, 1))
    assert exit_info.value.code == 5


def test_the_traceback_names_the_line_that_failed() -> None:
    def deep(item: int) -> int:
        return 1 // item

    with pytest.raises(ZeroDivisionError) as caught:
        list(map_ahead(deep, [0], 1, 1))
    assert "deep" in [entry.name for entry in caught.traceback]


def test_threads_are_gone_after_the_end() -> None:
    before = set(threading.enumerate())
    list(map_ahead(str, range(30), 4, 8))
    assert not wait_until_gone(before)


def test_threads_are_gone_after_an_error_of_the_function() -> None:
    before = set(threading.enumerate())
    with pytest.raises(ZeroDivisionError):
        list(map_ahead(lambda item: 1 // (item - 2), range(30), 4, 8))
    assert not wait_until_gone(before)


def test_threads_are_gone_after_an_error_of_the_items() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise KeyError("listing broke")

    before = set(threading.enumerate())
    with pytest.raises(KeyError, match="listing broke"):
        list(map_ahead(str, items(), 2, 8))
    assert not wait_until_gone(before)


def test_threads_are_gone_when_the_consumer_closes_early() -> None:
    before = set(threading.enumerate())
    results = map_ahead(str, range(1000), 4, 8)
    next(results)
    assert set(threading.enumerate()) - before
    results.close()  # type: ignore[attr-defined]
    assert not wait_until_gone(before)


def test_items_in_the_queue_are_dropped_when_the_consumer_closes() -> None:
    release, started = threading.Event(), threading.Event()
    done: list[int] = []

    def held(item: int) -> int:
        if item:
            started.set()
            release.wait(10)
        done.append(item)
        return item

    before = set(threading.enumerate())
    results = map_ahead(held, range(20), 1, 8)
    assert next(results) == 0
    assert started.wait(10)
    results.close()  # type: ignore[attr-defined]
    release.set()
    assert not wait_until_gone(before)
    assert done == [0, 1]  # the one in hand was finished, the six behind it were not begun


@pytest.mark.parametrize("how", ["close", "error"])
def test_an_inner_chain_is_closed_when_the_outer_ends(how: str) -> None:
    closed = threading.Event()

    def source() -> Iterator[int]:
        try:
            yield from range(100)
        finally:
            closed.set()

    def outer(item: str) -> str:
        if how == "error" and item == "5":
            raise OSError("full")
        return item

    before = set(threading.enumerate())
    inner = map_ahead(str, source(), 2, 3)  # held here, so that only a close can end it
    results = map_ahead(outer, inner, 2, 3)
    assert next(results) == "0"
    if how == "close":
        results.close()  # type: ignore[attr-defined]
    else:
        with pytest.raises(OSError, match="full"):
            list(results)
    assert closed.is_set()
    assert not wait_until_gone(before)


def test_the_process_ends_when_threads_are_still_busy() -> None:
    script = (
        "import time\n"
        "from matting_tasks.threads import map_ahead\n"
        "results = map_ahead(lambda s: time.sleep(s), [0, 600, 600], 2, 2)\n"
        "next(results)\n"
        "print('on its way out', flush=True)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30)
    assert ended.returncode == 0
    assert ended.stdout == "on its way out\n"
