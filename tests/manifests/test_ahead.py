from __future__ import annotations

import threading

import pytest

from manifests.ahead import map_ahead


def test_results_come_in_order_and_no_more_than_asked_are_under_way() -> None:
    lock, under_way, most = threading.Lock(), 0, 0
    together = threading.Barrier(3)

    def double(number: int) -> int:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        together.wait(30)
        with lock:
            under_way -= 1
        return 2 * number

    assert list(map_ahead(double, range(9), 3)) == [2 * number for number in range(9)]
    assert most == 3


def test_only_so_many_items_are_taken_ahead_of_whoever_asks() -> None:
    taken = []

    def items() -> object:
        for number in range(100):
            taken.append(number)
            yield number

    results = map_ahead(str, items(), 4)
    assert next(results) == "0"
    assert taken == [0, 1, 2, 3]
    results.close()


def test_an_error_comes_in_its_turn() -> None:
    results = map_ahead(lambda number: 6 // number, [3, 2, 0, 1], 2)
    assert [next(results), next(results)] == [2, 3]
    with pytest.raises(ZeroDivisionError):
        next(results)
