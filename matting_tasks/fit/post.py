"""The post between the leading worker of a fit and its driver: news go one way, the wish to stop the other."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from matting_tasks.fit.fit import Tell

Told = list[tuple[str, tuple[Any, ...]]]
"""Calls of a Tell: its field, and with what it is called."""
EVERY_S = 0.25  # between two exchanges
KILLED = "killed"


class Post:
    """Lies between both, in a process of its own; where it is lost, a new one knows all that matters soon."""

    def __init__(self) -> None:
        """Begin with nothing told."""
        self._told: Told = []
        self._n_begun, self._stops = 0, False
        self._reason = KILLED
        self._error: Exception | None = None

    def begin(self) -> None:
        """Take note that workers have begun, and where others had before, tell why those are no more."""
        self._n_begun += 1
        if self._n_begun > 1:
            words = f"Workers ended ({self._reason}): all go on from what was saved last."
            self._told.append(("warn", (words,)))
        self._reason = KILLED

    def tell(self, told: Told) -> bool:
        """Take calls of a Tell, and answer whether to stop."""
        self._told += told
        return self._stops

    def note(self, reason: str) -> None:
        """Take why a worker ended; others end because of the first."""
        if self._reason == KILLED:
            self._reason = reason

    def fail(self, err: Exception) -> None:
        """Take an error that another attempt would meet again."""
        self._error = self._error or err

    def collect(self, stops: bool) -> tuple[Told, bool, Exception | None]:
        """Give the driver what was told since, whether workers have begun, and the error; take its wish to stop."""
        told, self._told, self._stops = self._told, [], stops
        return told, self._n_begun > 0, self._error


class Line:
    """The leading worker's end of the post; what it says of steps waits a moment, so that quick ones need not."""

    def __init__(self, send: Callable[[Told], bool]) -> None:
        """Send by a function that answers whether to stop."""
        self._send = send
        self._told: Told = []
        self._next_s = 0.0
        self._stops = False

    def tell(self) -> Tell:
        """Return what a fit is to tell."""
        return Tell(
            step=lambda *words: self._told.append(("step", words)),
            validated=lambda *words: self._say("validated", *words),
            stop=self._stop,
            warn=lambda *words: self._say("warn", *words),
        )

    def flush(self) -> None:
        """Send what waits."""
        told, self._told = self._told, []
        self._stops = self._send(told)
        self._next_s = time.monotonic() + EVERY_S

    def _say(self, name: str, *words: Any) -> None:
        self._told.append((name, words))
        self.flush()

    def _stop(self) -> bool:
        if time.monotonic() > self._next_s:
            self.flush()
        return self._stops
