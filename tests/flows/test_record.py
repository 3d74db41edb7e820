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
from manifests.records import ShardFailure, ShardSummary
from manifests.runs import read_runs
from manifests.storage_memory import MemoryFolder
from manifests.traffic import Traffic

SETTINGS = MatteSettings(model="plate-difference", executor="local", device="cpu", storage_option={"secret": "hunter2"})


def test_a_store_that_has_no_disk_gets_the_log_at_the_end() -> None:
    out = MemoryFolder()
    with logging_to(out, "_cleanplate/runs/r.log"):
        logging.getLogger("cleanplate").info("shard %s", "x")
    (line,) = out.files["_cleanplate/runs/r.log"].splitlines()
    assert json.loads(line)["text"] == "shard x"


def test_the_log_has_what_a_line_is_about_in_fields() -> None:
    out, failure = MemoryFolder(), ShardFailure("_a_0-1_x", "031", "", "a", 2, "store", "it broke", worker="host:1")
    with open_books(out, "/capture", SETTINGS, Selection(), QuietWatcher()) as books:
        summary = Summary("memory://")
        with recorded(books, [Todo("031", {}, 0, 0)], summary):
            QuietWatcher().settled(failure)
    lines = [json.loads(line) for line in out.files[f"_cleanplate/runs/{summary.run_id}.log"].splitlines()]
    (line,) = (line for line in lines if "it broke" in line["text"])
    found = {name: line[name] for name in ("run", "subject", "camera", "shard", "worker")}
    ids = {"subject": "031", "camera": "a", "shard": "_a_0-1_x", "worker": "host:1"}
    assert found == {"run": summary.run_id, **ids} and line["level"] == "ERROR"


def test_a_run_says_what_it_cost() -> None:
    out = MemoryFolder()
    shard = ShardSummary("_a_0-1_x", "031", "", "a", "r", 3, {"ok": 3}, None, 0.1, 10, "host:1", device_s=0.25)
    with open_books(out, "/capture", SETTINGS, Selection(), QuietWatcher()) as books:
        summary = Summary("memory://")
        with recorded(books, [Todo("031", {}, 0, 0)], summary):
            summary.add(shard)
            summary.worker_s = 60.0
            summary.count_traffic({"s3://capture": Traffic({"get": 7}, 2, 100, 0)})
    (run,) = read_runs(out)
    cost = run["cost"]
    assert (cost["device_s"], cost["gpu_s"]) == (0.25, 0)
    assert (cost["retries"], cost["bytes_read"], cost["requests"]["get"]) == (2, 100, 7)
    assert cost["core_s"] >= cost["worker_s"] == 60.0 and cost["held_s"] > 0
    assert cost["frames_per_core_hour"] > 0 and "frames_per_gpu_hour" not in cost


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
