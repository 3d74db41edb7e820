"""The loader: the same batches from any step on, made here or by processes that signals to the trainer do not end."""

from __future__ import annotations

import os
import signal

import psutil
import pytest
import torch

from matting_tasks.fit.compose import Batch
from matting_tasks.fit.loader import Share, batches
from matting_tasks.fit.pictures import Pictures
from matting_tasks.fit.stream import Sources, StreamSettings

SETTINGS = StreamSettings(seed=9, n_examples=3, least_px=32, most_px=64)
SOURCES = Sources(Pictures([]), Pictures([]))


def made(steps: range, share: Share | None = None) -> dict[int, Batch]:
    return dict(batches(SETTINGS, SOURCES, steps, 0, share))


def same(first: Batch, second: Batch) -> bool:
    return (
        torch.equal(first.foreground, second.foreground)
        and torch.equal(first.background, second.background)
        and all(torch.equal(first.numbers[name], second.numbers[name]) for name in first.numbers)
    )


def test_the_batch_of_a_step_is_the_same_whatever_range_is_asked_for() -> None:
    whole = made(range(14))
    assert list(whole) == list(range(14))
    for steps in (range(3, 9), range(8, 12), range(13, 14), range(5, 5)):
        part = made(steps)
        assert list(part) == list(steps) and all(same(part[step], whole[step]) for step in steps)


def test_shares_of_trainers_are_the_examples_of_one() -> None:
    whole = made(range(2))
    parts = [made(range(2), Share(rank, 2)) for rank in range(2)]
    for step in range(2):
        both = torch.empty_like(whole[step].background)
        both[0::2], both[1::2] = parts[0][step].background, parts[1][step].background
        assert torch.equal(both, whole[step].background)


def test_an_endless_range_begins_at_once() -> None:
    step, _ = next(batches(SETTINGS, SOURCES, range(6, 10**9), 0))
    assert step == 6


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_process_makes_the_same_batches_and_outlives_what_asks_the_trainer_to_stop(sent: signal.Signals) -> None:
    before = set(psutil.Process().children(recursive=True))
    found = {}
    for step, batch in batches(SETTINGS, SOURCES, range(3, 30), 1):
        found[step] = batch
        if step == 3:
            # a terminal, or Slurm, sends it to all processes; the trainer alone is to answer it
            for process in set(psutil.Process().children(recursive=True)) - before:
                if "resource_tracker" not in " ".join(process.cmdline()):
                    os.kill(process.pid, sent)
    wanted = made(range(3, 30))
    assert list(found) == list(wanted) and all(same(found[step], wanted[step]) for step in wanted)
    assert not [one for one in set(psutil.Process().children(recursive=True)) - before if "spawn_main" in one.cmdline()]
