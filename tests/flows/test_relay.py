from __future__ import annotations

import logging

from flows.relay import PassingWatcher, warnings_to
from flows.watch import QuietWatcher
from manifests.records import ShardSummary


class Listening(QuietWatcher):
    def __init__(self) -> None:
        self.heard: list[object] = []

    def say(self, text: str) -> None:
        self.heard.append(("say", text))

    def warn(self, text: str) -> None:
        self.heard.append(("warn", text))

    def planned(self, n_frames: int, n_shards: int) -> None:
        self.heard.append((n_frames, n_shards))

    def settled(self, outcome: object) -> None:
        self.heard.append(outcome)

    def fetched(self, done_bytes: int, total_bytes: int | None) -> None:
        self.heard.append((done_bytes, total_bytes))


def test_all_that_is_heard_is_passed_on() -> None:
    listening = Listening()
    watcher = PassingWatcher(listening)
    shard = ShardSummary("s", "031", "", "7", "r", 4, {"ok": 4}, None, 0.1, 9, "w")
    watcher.say("a")
    watcher.warn("b")
    watcher.planned(8, 2)
    watcher.settled(shard)
    watcher.fetched(1, None)
    assert listening.heard == [("say", "a"), ("warn", "b"), (8, 2), shard, (1, None)]


def test_warnings_of_our_loggers_are_heard_while_it_lasts() -> None:
    listening = Listening()
    with warnings_to(listening):
        logging.getLogger("matting_tasks.pool").warning("a worker died with %d shards", 2)
        logging.getLogger("cleanplate").warning("a watcher has said this itself")
        logging.getLogger("somebody.else").warning("not ours")
    logging.getLogger("matting_tasks.pool").warning("after the end")
    assert listening.heard == [("warn", "a worker died with 2 shards")]
