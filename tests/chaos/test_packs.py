"""A short version of the chaos with packs: some rounds on a disk, and the folder in which packs grow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from captures import make_tiny
from chaos import situations
from chaos.__main__ import play_one, scratch
from chaos.job import Job
from chaos.packs import (
    PacksDenied,
    PacksFullDisk,
    PacksKilledAtFailpoints,
    PacksKilledAtRandom,
    PacksSameRecipe,
    on_disk,
)
from chaos.rounds import Scenario
from chaos.situations import PACKED_BY_NAME, PACKED_REPAIRED, REPACKED
from chaos.stage import Stage, zygote
from chaos.staged import Staged

FEW = (PACKED_BY_NAME["packed fresh"], REPACKED, PACKED_REPAIRED)
N_ROUNDS = {PacksKilledAtFailpoints: 2, PacksKilledAtRandom: 2, PacksFullDisk: 1, PacksDenied: 1, PacksSameRecipe: 1}
SHORT = (PacksKilledAtFailpoints, PacksFullDisk)
"""What `make test` plays as well."""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with scratch(None) as made:
        yield made


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[] if kind in SHORT else pytest.mark.slow, id=kind.__name__) for kind in N_ROUNDS]
)
def test_nothing_is_lost_corrupt_or_there_twice(kind: type[Staged], folder: Path) -> None:
    scenario = kind()
    scenario.known = scenario.standings = FEW  # type: ignore[attr-defined]
    rounds = [play_one(scenario, seed, folder / scenario.name) for seed in range(N_ROUNDS[kind])]
    assert all(one.is_good for one in rounds), [one for one in rounds if not one.is_good]
    if kind is PacksKilledAtFailpoints:
        assert sum(one.kills for one in rounds) >= len(rounds)
    if kind in (PacksFullDisk, PacksDenied):
        assert sum(one.faults for one in rounds), "nothing was disturbed"


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("scenario", on_disk(), ids=[one.name for one in on_disk()])
def test_a_round_of_every_scenario(scenario: Scenario, folder: Path) -> None:
    assert (one := play_one(scenario, 1, folder / scenario.name)).is_good, one


def test_masks_in_packs_are_those_of_files(folder: Path) -> None:
    stage = Stage(folder / "stage of two")
    packed, files = stage.stand(PACKED_BY_NAME["packed fresh"]), stage.stand(situations.FRESH)
    assert packed.tree.files == files.tree.files and len(files.tree.files) == 2 * len(files.tree.frames) == 72
    assert {step.split()[-1] for step in packed.hits if step.startswith("pack ")} == {
        *("grown", "come", "opened", "written", "place", "done")
    }
    assert any(step == "pack half written" for step in packed.hits)


def test_where_packs_cannot_grow_the_folder_for_temporary_files_is_named(tmp_path: Path) -> None:
    capture, gone = make_tiny(tmp_path / "capture"), tmp_path / "gone"
    words = ("matte", str(capture), "--out", str(tmp_path / "out"), *situations.MODEL, "--pack")
    log = tmp_path / "log"
    assert zygote().run(Job(words, log=str(log), pack_memory=1000, temporary=str(gone))) == 1
    assert f"in {gone}, this machine's folder for temporary files" in log.read_text()
    assert not list((tmp_path / "out").rglob("*.tar"))
    assert zygote().run(Job(words, log=str(log), pack_memory=1000)) == 0
