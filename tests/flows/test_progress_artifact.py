from __future__ import annotations

import time

import pytest

from flows.engines import prepare_engines
from flows.watch import QuietWatcher
from manifests.records import ShardSummary


class Listening(QuietWatcher):
    def __init__(self) -> None:
        self.heard: list[object] = []

    def planned(self, n_frames: int, n_shards: int) -> None:
        self.heard.append(("planned", n_frames, n_shards))

    def settled(self, outcome: object) -> None:
        self.heard.append(outcome)

    def say(self, text: str) -> None:
        self.heard.append(text)

    def fetched(self, done_bytes: int, total_bytes: int | None) -> None:
        self.heard.append((done_bytes, total_bytes))


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_run_goes_on_where_the_api_cannot_be_reached() -> None:
    prepare_engines()  # before Prefect is imported
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from flows.progress_artifact import ProgressWatcher

    listening, started = Listening(), time.monotonic()
    shard = ShardSummary("s", "031", "", "7", "r", 4, {"ok": 4}, None, 0.1, 9, "w")
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        watcher = ProgressWatcher(listening, every_s=0.01)
        watcher.planned(8, 2)
        watcher.settled(shard)
        watcher.say("words")
        watcher.fetched(1, 2)
        watcher.close()
    assert listening.heard == [("planned", 8, 2), shard, "words", (1, 2)]
    assert time.monotonic() - started < 20
