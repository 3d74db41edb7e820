"""The state on disk: as it was, whole or not at all, and never misread."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from manifests.errors import UsageError
from matting_tasks.fit.state import LAST, TrainingState, load_state, save_state


def state_of(step: int) -> TrainingState:
    layer = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(layer.parameters())
    layer(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    return TrainingState(
        asked='{"seed": 1}',
        stage=1,
        step=step,
        done=40,
        n_steps=90,
        seconds=12.5,
        network=dict(layer.state_dict()),
        average=dict(layer.state_dict()),
        optimizer=optimizer.state_dict(),
        finished=[{"name": "base", "n_steps": 40, "seconds": 9.0}],
    )


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    saved = state_of(7)
    save_state(tmp_path / "state", saved)
    found = load_state(tmp_path / "state")
    assert found is not None and found.network is not None and saved.network is not None
    for name in ("asked", "stage", "step", "done", "n_steps", "seconds", "finished"):
        assert getattr(found, name) == getattr(saved, name)
    assert all(torch.equal(found.network[key], saved.network[key]) for key in saved.network)
    moments = (one["state"][0]["exp_avg"] for one in (found.optimizer, saved.optimizer) if one is not None)
    assert torch.equal(*moments)


def test_no_state_is_none(tmp_path: Path) -> None:
    assert load_state(tmp_path) is None and load_state(tmp_path / "nowhere") is None


def test_what_was_cut_off_while_it_was_written_does_not_count(tmp_path: Path) -> None:
    save_state(tmp_path, state_of(7))
    (tmp_path / f".{LAST}.part").write_bytes(b"half a state")
    found = load_state(tmp_path)
    assert found is not None and found.step == 7
    save_state(tmp_path, state_of(8))
    assert [path.name for path in tmp_path.iterdir()] == [LAST]


@pytest.mark.parametrize("kept", [0, 1, 100, 0.3, 0.5, 0.99])
def test_a_torn_file_is_named(tmp_path: Path, kept: float) -> None:
    path = save_state(tmp_path, state_of(7))
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data) if isinstance(kept, float) else kept)])
    with pytest.raises(UsageError, match=LAST):
        load_state(tmp_path)


@pytest.mark.parametrize(
    "written",
    [{"format": 99, "asked": ""}, {"asked": ""}, {"format": 1, "asked": "", "colour": 3}, {"format": 1}, [1, 2]]
    + [torch.ones(3), "text"],
)
def test_what_is_no_state_of_this_version_is_named(tmp_path: Path, written: object) -> None:
    torch.save(written, tmp_path / LAST)
    with pytest.raises(UsageError, match=LAST):
        load_state(tmp_path)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol:UserWarning")
def test_noise_is_named(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(200):
        (tmp_path / LAST).write_bytes(bytes(torch.randint(0, 256, (60,), generator=generator).tolist()))
        with pytest.raises(UsageError, match=LAST):
            load_state(tmp_path)
