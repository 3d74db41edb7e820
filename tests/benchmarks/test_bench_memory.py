from __future__ import annotations

import os

import pytest
from benchmarks.bench_memory import table_of_lengths, table_of_workers, two_cores


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core")
def test_two_workers_get_two_processors() -> None:
    first, second = two_cores()
    assert first != second
    assert {first, second} <= os.sched_getaffinity(0)


def test_growth_is_told_against_the_first_length() -> None:
    found = [{"n_frames": n, "frames_per_s": 9.0, "host_peak_mb": mb} for n, mb in ((100, 400.0), (1000, 410.0))]
    assert [row[3] for row in table_of_lengths(found).rows] == pytest.approx([0, 0.025])


def test_plates_that_are_decoded_twice_are_seen() -> None:
    once, twice = ({"plates_decoded": n, "n_cameras": 2} for n in (2, 4))
    found = {
        "rounds": [{"alone": once, "together": [once, twice]}],
        "alone": 2.0,
        "together": 3.5,
        "ratio": 1.75,
        "share_a_core": False,
        "recipe": {"model": "m"},
    }
    table = table_of_workers(found)
    assert table.rows == [["m", 2.0, 3.5, 1.75]]
    assert table.note.endswith("Plates decoded by a worker for its cameras: 2 for 2, 4 for 2.")
