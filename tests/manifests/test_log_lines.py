from __future__ import annotations

import contextvars
import json
import logging
import re
import threading

from manifests.log_lines import JsonLines, about, fields_of
from manifests.records import Frame, Plate, Shard, ShardFailure

FAILURE = ShardFailure("_a_0-1_x", "031", "", "a", 2, "store", "it broke", worker="host:1")


def line(text: str = "a line", error: BaseException | None = None, **extra: str) -> dict[str, str]:
    """Return what is written of a line that is logged now."""
    info = None if error is None else (type(error), error, error.__traceback__)
    record = logging.getLogger("flows").makeRecord("flows", logging.INFO, "f.py", 1, text, (), info, extra=extra)
    found: dict[str, str] = json.loads(JsonLines().format(record))
    return found


def test_a_line_outside_of_any_shard_has_its_text_and_a_time_in_utc() -> None:
    found = line("plain")
    assert set(found) == {"time", "level", "logger", "text"} and found["text"] == "plain"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found["time"])


def test_lines_inside_say_what_they_are_about_and_lines_after_do_not() -> None:
    with about(run="r"), about(subject="031", camera="a"):
        inside = line()
        assert (inside["run"], inside["subject"], inside["camera"]) == ("r", "031", "a")
    assert "run" not in line()


def test_two_threads_say_each_its_own() -> None:
    found: dict[str, str] = {}

    def work(name: str, ready: threading.Barrier) -> None:
        with about(shard=name):
            ready.wait(5)
            found[name] = line()["shard"]

    ready = threading.Barrier(2)
    threads = [threading.Thread(target=contextvars.copy_context().run, args=(work, n, ready)) for n in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert found == {"a": "a", "b": "b"}


def test_what_a_line_names_itself_goes_before_what_is_around_it() -> None:
    with about(shard="other", run="r"):
        found = line(**fields_of(FAILURE))
    ids = {"run": "r", "subject": "031", "camera": "a", "shard": "_a_0-1_x", "worker": "host:1"}
    assert {name: found[name] for name in ids} == ids and "sequence" not in found


def test_the_fields_of_a_shard_name_no_worker() -> None:
    frames = (Frame(0, 0, "a.jpg", "image", 1, "f"),)
    shard = Shard("_a_0-0_x", "031", "S", "a", 0, "r", "stat", frames, Plate("031", "a", None, "", "missing"))
    assert fields_of(shard) == {"subject": "031", "sequence": "S", "camera": "a", "shard": "_a_0-0_x"}


def test_an_error_is_kept_with_its_traceback() -> None:
    try:
        raise ValueError("odd")
    except ValueError as err:
        assert "ValueError: odd" in line(error=err)["traceback"]
