from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from manifests.storage import LocalFolder, open_folder
from manifests.traffic import Meter, Traffic, joined, traffic_of


def test_traffic_is_added_up_by_kind_and_by_url() -> None:
    one, two = Traffic({"get": 2, "put": 1}, 1, 10, 20), Traffic({"get": 3}, 0, 5, 0)
    assert one + two == Traffic({"get": 5, "put": 1}, 1, 15, 20)
    assert joined([{"a": one}, {"a": two, "b": two}, {}]) == {"a": one + two, "b": two}
    assert (one.n_requests, Traffic().n_requests) == (3, 0)


def test_a_meter_counts_for_all_threads() -> None:
    meter = Meter()

    def use(number: int) -> None:
        meter.sent("put", 10, again=number % 2 == 0)
        meter.sent("get")
        meter.received(3)
        meter.repeated()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(use, range(400)))
    assert meter.traffic == Traffic({"put": 400, "get": 400}, 600, 1200, 4000)


def test_folders_that_are_one_place_are_one_line(tmp_path: Path) -> None:
    mine, theirs = open_folder(str(tmp_path)), open_folder(str(tmp_path))
    mine.write_atomic("a", b"12")
    theirs.read("a")
    uncounted = LocalFolder(tmp_path)
    assert traffic_of(mine, theirs, uncounted) == {str(tmp_path): Traffic({"put": 1, "get": 1}, 0, 2, 2)}
