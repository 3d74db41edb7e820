from __future__ import annotations

import io
import json
import logging

import pytest
from rich.console import Console

from flows.watch import JsonLinesWatcher, QuietWatcher, RichWatcher, WarningsToWatcher, make_watcher
from manifests.records import ShardFailure, ShardSummary

DONE = ShardSummary("_a_0-1_x", "031", "", "a", "r", 2, {"ok": 1, "undecodable": 1}, "broken", 0.5, 10, "host:1")
FAILED = ShardFailure("_b_0-1_y", "031", "", "b", 2, "store", "the store failed", "Traceback ...", "host:1")


def test_json_lines_hold_one_event_each() -> None:
    stream = io.StringIO()
    with JsonLinesWatcher(stream) as watcher:
        watcher.say("hello")
        watcher.planned(4, 2)
        watcher.settled(DONE)
        watcher.settled(FAILED)
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [event["event"] for event in events] == ["info", "plan", "shard", "failure"]
    assert events[2]["by_status"] == {"ok": 1, "undecodable": 1} and events[3]["message"] == "the store failed"


def test_a_terminal_sees_frames_and_failures() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=120)
    with RichWatcher(console) as watcher:
        watcher.say("[not markup]")
        watcher.planned(4, 2)
        watcher.settled(DONE)
        watcher.settled(FAILED)
        watcher.warn("mind this")
    shown = stream.getvalue()
    assert "[not markup]" in shown and "mind this" in shown and "4/4" in shown and "3 not ok" in shown


def test_quiet_says_only_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    watcher = QuietWatcher()
    watcher.say("nothing")
    watcher.settled(DONE)
    watcher.warn("mind this")
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err == "! mind this\n"


def test_every_settled_shard_is_logged_with_its_ids(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="cleanplate"):
        for outcome in (DONE, FAILED):
            QuietWatcher().settled(outcome)
    done, failed = (record.getMessage() for record in caplog.records)
    assert all(word in done for word in ("031", "_a_0-1_x", "host:1", "'ok': 1"))
    assert all(word in failed for word in ("031", "_b_0-1_y", "store", "the store failed"))


def test_warnings_of_loggers_reach_the_watcher() -> None:
    stream = io.StringIO()
    logger = logging.getLogger("test_watch")
    handler = WarningsToWatcher(JsonLinesWatcher(stream))
    logger.addHandler(handler)
    logger.warning("worker %s died", 7)
    logger.info("not this")
    logger.removeHandler(handler)
    (line,) = stream.getvalue().splitlines()
    assert json.loads(line)["text"] == "worker 7 died"


def test_each_mode_has_its_watcher() -> None:
    console = Console(file=io.StringIO())
    kinds = [type(make_watcher(mode, console, io.StringIO())) for mode in ("text", "quiet", "json")]
    assert kinds == [RichWatcher, QuietWatcher, JsonLinesWatcher]
