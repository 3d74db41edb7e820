"""Runs whose frames another run decides anew while they are at work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from captures import make_tiny, masks_below
from command_line import cleanplate, matte

from flows.books import Pool, open_books
from flows.finishing import Finisher
from flows.job import Job
from flows.settings import MatteSettings
from flows.summary import Summary
from flows.watch import QuietWatcher
from manifests.decisions import Selection
from manifests.records import Shard, ShardFailure, ShardSummary
from manifests.storage import LocalFolder
from manifests.traffic import Traffic

SETTINGS = MatteSettings(model="plate-difference", executor="local", device="cpu")


class DecidesMeanwhile:
    """A pool that lets another run do something: once, after `n_before` groups; `shown` are the shards it was given."""

    n_workers = 1

    def __init__(self, pool: Pool, n_before: int, meanwhile: Callable[[], object]) -> None:
        self.pool = pool
        self.left = n_before
        self.meanwhile = meanwhile
        self.shown: list[Shard] = []

    def matte(self, groups: Iterable[Sequence[Shard]]) -> Iterator[ShardSummary | ShardFailure]:
        if self.left == 0:
            self._decide()
        for group in groups:
            self.shown += group
            yield from self.pool.matte([group])
            self.left -= 1
            if self.left == 0:
                self._decide()

    def close(self) -> None:
        self.pool.close()

    def traffic(self) -> Mapping[str, Traffic]:
        return self.pool.traffic()

    def _decide(self) -> None:
        self.meanwhile()
        self.left = -1


def run_job(capture: Path, out: Path, n_before: int, meanwhile: Callable[[], object], every_s: float) -> list[Shard]:
    """Run a job that began before what happens `meanwhile`, and return the shards that it handed to its pool."""
    with open_books(LocalFolder(out), str(capture), SETTINGS, Selection(), QuietWatcher()) as books:
        pool = DecidesMeanwhile(books.open_pool(books.recipe, None), n_before, meanwhile)
        summary, watcher = Summary(str(out)), QuietWatcher()
        finisher = Finisher(books, summary, watcher)
        Job(books, books.recipe, pool, summary, watcher, finisher, decisions_every_s=every_s).matte_subject("031")
        pool.close()
    return pool.shown


def test_a_run_that_began_before_a_decision_does_not_speak_for_it(tmp_path: Path) -> None:
    """Run X opens its books; Y decides anew and carries that out; X writes over it: Y's frames are pending again."""
    capture, out = make_tiny(tmp_path / "capture"), tmp_path / "out"
    wanted = tmp_path / "wanted"
    for root in (out, wanted):
        matte(capture, root, "--cameras", "cam0")
    matte(capture, wanted)

    def reprocess() -> None:
        assert cleanplate("reprocess", out, "--subject", "031", "--executor", "local").code == 0

    run_job(capture, out, 0, reprocess, 1000.0)
    status = cleanplate("status", out)
    assert status.code == 1  # cam1 under decision 1 is pending, for X has written over it
    assert matte(capture, out).code == 0
    assert masks_below(out) == masks_below(wanted)


@pytest.mark.parametrize("n_before", [1, 3])
def test_a_run_whose_recipe_is_replaced_begins_no_further_shard(tmp_path: Path, n_before: int) -> None:
    capture, out, wanted = make_tiny(tmp_path / "capture", n_cameras=4), tmp_path / "out", tmp_path / "wanted"
    matte(capture, out, "--cameras", "cam0")
    matte(capture, wanted, "--quality", 80)

    def replace() -> None:
        assert matte(capture, out, "--quality", 80, "--replace").code == 0

    shown = run_job(capture, out, n_before, replace, 0.0)
    assert [shard.camera for shard in shown] == [f"cam{number}" for number in range(1, 1 + n_before)]
    assert matte(capture, out, "--quality", 80).code == 0
    assert masks_below(out) == masks_below(wanted)
    assert cleanplate("verify", out, "--deep").code == 0


def test_what_a_decision_leaves_to_a_run_is_done_by_it(tmp_path: Path) -> None:
    """Another run reprocesses one camera: the others are still this run's, and it goes on with them."""
    capture, out = make_tiny(tmp_path / "capture", n_cameras=4), tmp_path / "out"

    def reprocess() -> None:
        words = ("--subject", "031", "--cameras", "cam0", "--executor", "local")
        assert cleanplate("reprocess", out, *words).code == 0

    matte(capture, out, "--cameras", "cam0")
    shown = run_job(capture, out, 1, reprocess, 0.0)
    assert [shard.camera for shard in shown] == ["cam1", "cam2", "cam3"]
    assert cleanplate("status", out).code == 0
