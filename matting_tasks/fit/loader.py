"""The loader: processes make turns of the stream ahead of the training, in order, from any step on."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
from torch.utils.data import DataLoader, Dataset

from matting_tasks.fit.compose import Batch
from matting_tasks.fit.stream import REUSE, Sources, StreamSettings, make_turn


@dataclass(frozen=True, slots=True, eq=False)
class Share:
    """Hold what one of `size` trainers makes of each batch: the examples at every size-th place, from `rank` on."""

    rank: int = 0
    size: int = 1

    def own(self, n_examples: int) -> range:
        """Return the places of a batch that are this trainer's."""
        return range(self.rank, n_examples, self.size)


class _Turns(Dataset[list[Batch]]):
    """Turns by number, for processes that make them."""

    def __init__(self, settings: StreamSettings, sources: Sources, own: range, n_turns: int) -> None:
        self.settings, self.sources, self.own, self.n_turns = settings, sources, own, n_turns

    def __len__(self) -> int:
        return self.n_turns

    def __getitem__(self, turn: int) -> list[Batch]:
        return make_turn(self.settings, self.sources, turn, self.own)


def batches(
    settings: StreamSettings, sources: Sources, steps: range, n_processes: int, share: Share | None = None
) -> Iterator[tuple[int, Batch]]:
    """Give the batches of these steps with their numbers; n_processes 0 makes them here.

    Whatever range is asked for, the batch of a step is the same.
    """
    if not len(steps):
        return
    own = (share or Share()).own(settings.n_examples)
    turns = range(steps.start // REUSE, (steps.stop - 1) // REUSE + 1)
    loader = DataLoader(
        _Turns(settings, sources, own, turns.stop),
        batch_size=None,
        sampler=turns,
        num_workers=n_processes,
        prefetch_factor=2 if n_processes else None,
        worker_init_fn=_alone,
        multiprocessing_context="spawn" if n_processes else None,
    )
    for turn, made in zip(turns, loader, strict=True):
        for step, batch in enumerate(made, start=turn * REUSE):
            if step in steps:
                yield step, batch


def _alone(worker: int) -> None:
    """Keep a process of the loader to one thread, and alive where a signal asks the trainer to stop: it ends it.

    A terminal sends Ctrl-C to all processes of a job, systemd and Slurm SIGTERM.
    """
    cv2.setNumThreads(1)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
