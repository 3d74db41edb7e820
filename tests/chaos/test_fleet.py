"""The fleet: three nodes with two GPUs by name each, two of them lost and two added under a run of 224 shards."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from captures import make_tiny, masks_below
from chaos.fleet import N_CAMERAS, N_FRAMES, N_SHARDS, SUBJECTS, matte, sail
from chaos.ray_stage import RayStage

from manifests.ledger import list_receipts
from manifests.storage import LocalFolder
from manifests.verify import verify

pytestmark = [
    *(pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900)),
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture
def stage() -> Iterator[RayStage]:
    on_sigterm = signal.getsignal(signal.SIGTERM)
    stage = RayStage(3, num_cpus=3, num_gpus=2)
    yield stage
    stage.close()
    signal.signal(signal.SIGTERM, on_sigterm)


def test_a_run_is_complete_and_the_same_while_nodes_come_and_go(stage: RayStage, tmp_path: Path) -> None:
    capture, out = make_tiny(tmp_path / "capture", SUBJECTS, N_CAMERAS, N_FRAMES), tmp_path / "out"
    matte(capture, tmp_path / "undisturbed", None)
    voyage = sail(stage, capture, out, tmp_path / "notes")
    assert N_SHARDS > 200 and voyage.summary.exit_code == 0 and not voyage.summary.failures
    assert masks_below(out) == masks_below(tmp_path / "undisturbed")
    assert not verify(LocalFolder(out), deep=True).damages
    assert all(len(paths) == 1 for paths in list_receipts(LocalFolder(out)).values())
    assert voyage.most_workers > 2 and len(voyage.devices) > 6, "new nodes got workers"
    assert set(voyage.devices) == {"0", "1"}, "each worker saw one device"
    assert 0 < voyage.utilisation <= 1
    print(f"utilisation {voyage.utilisation:.0%} of {voyage.held_s:.0f} s of workers")
