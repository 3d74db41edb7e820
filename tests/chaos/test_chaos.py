"""A short version of the chaos: some rounds of every scenario on a local disk, always the same ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from chaos import faults, kills, two_runs
from chaos.__main__ import main, play_one, scratch
from chaos.rounds import Scenario

N_ROUNDS = {"killed at a failpoint": 8, "killed at random": 5, "disk full at a random byte": 2}
"""Of each scenario, 1 if not given."""
SCENARIOS = [*kills.scenarios(), *faults.scenarios(), *two_runs.scenarios()]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with scratch(None) as made:
        yield made


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[one.name for one in SCENARIOS])
def test_nothing_is_lost_corrupt_or_there_twice(scenario: Scenario, folder: Path) -> None:
    rounds = [play_one(scenario, seed, folder / scenario.name) for seed in range(N_ROUNDS.get(scenario.name, 1))]
    assert all(one.is_good for one in rounds), [one for one in rounds if not one.is_good]
    if scenario.name == "killed at a failpoint":
        assert sum(one.kills for one in rounds) >= len(rounds)
    if scenario.name == "killed at random":  # a round may be over before its kill comes
        assert any(one.kills for one in rounds)
    if scenario.name in ("disk full at a random byte", "access denied"):
        assert sum(one.faults for one in rounds), "nothing was disturbed"


def test_harness_goes_on_with_the_rounds_that_are_not_played_yet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--out", str(tmp_path / "chaos"), "--scratch", str(tmp_path), "--scenario", "two recipes"]
    assert main([*words, "--rounds", "1"]) == 0
    assert main([*words, "--rounds", "2"]) == 2
    assert main([*words, "--rounds", "2", "--resume"]) == 0
    assert len((tmp_path / "chaos/rounds.jsonl").read_text().splitlines()) == 2
    table = (tmp_path / "chaos/table.md").read_text()
    assert "| two runs, two recipes | 2 |" in table
    assert table.split("\n\n")[0] in capsys.readouterr().out
