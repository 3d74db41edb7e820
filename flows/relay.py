"""Relay: what a watcher hears passed on to another one, and warnings of our loggers passed on to a watcher."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from flows.record import OUR_LOGGERS
from flows.watch import Outcome, QuietWatcher, WarningsToWatcher, Watcher


class PassingWatcher(QuietWatcher):
    """Passes everything on to another watcher; whoever wants to hear of it, too, says so for that method."""

    def __init__(self, watcher: Watcher) -> None:
        """Pass on to `watcher`."""
        self._watcher = watcher

    def say(self, text: str) -> None:
        """Pass on."""
        self._watcher.say(text)

    def warn(self, text: str) -> None:
        """Pass on."""
        self._watcher.warn(text)

    def planned(self, n_frames: int, n_shards: int) -> None:
        """Pass on."""
        self._watcher.planned(n_frames, n_shards)

    def settled(self, outcome: Outcome) -> None:
        """Pass on."""
        self._watcher.settled(outcome)

    def fetched(self, done_bytes: int, total_bytes: int | None) -> None:
        """Pass on."""
        self._watcher.fetched(done_bytes, total_bytes)


@contextmanager
def warnings_to(watcher: Watcher) -> Iterator[None]:
    """Show warnings of our own loggers through the watcher, and keep their records from the engines' handlers."""
    handler, shown = WarningsToWatcher(watcher), logging.NullHandler()
    ours = [logging.getLogger(name) for name in OUR_LOGGERS]
    for logger in ours:
        logger.propagate = False
        logger.addHandler(shown if logger.name == "cleanplate" else handler)  # what a watcher logs it has shown
    try:
        yield
    finally:
        for logger in ours:
            logger.removeHandler(handler)
            logger.removeHandler(shown)
