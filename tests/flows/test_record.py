from __future__ import annotations

import json
import logging

import pytest

from flows.books import open_books
from flows.record import logging_to, recorded
from flows.settings import MatteSettings
from flows.summary import Summary, Todo
from flows.watch import QuietWatcher
from manifests.decisions import Selection
from manifests.runs import read_runs
from manifests.storage_memory import MemoryFolder

SETTINGS = MatteSettings(model="plate-difference", executor="local", device="cpu", storage_option={"secret": "hunter2"})


def test_a_store_that_has_no_disk_gets_the_log_at_the_end() -> None:
    out = MemoryFolder()
    with logging_to(out, "_cleanplate/runs/r.log"):
        logging.getLogger("cleanplate").info("shard %s", "x")
    (line,) = out.files["_cleanplate/runs/r.log"].splitlines()
    assert json.loads(line)["text"] == "shard x"


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (None, "finished"),
        (ValueError("x"), "failed"),
        (KeyboardInterrupt(), "interrupted"),
        (InterruptedError(), "interrupted"),
    ],
)
def test_a_run_says_how_it_ended(error: BaseException | None, state: str) -> None:
    out = MemoryFolder()
    with open_books(out, "/capture", SETTINGS, Selection(), QuietWatcher()) as books:
        try:
            with recorded(books, [Todo("031", {}, 0, 0)], Summary("memory://")):
                assert read_runs(out)[0]["state"] == "running"
                if error is not None:
                    raise error
        except BaseException as raised:
            assert raised is error
    (run,) = read_runs(out)
    assert (run["state"], run["subjects"]) == (state, ["031"])
    assert b"hunter2" not in b"".join(out.files.values())
