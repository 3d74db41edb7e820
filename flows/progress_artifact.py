"""How far a run is, kept in Prefect while it is under way; an API that cannot be reached costs the run nothing."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from flows.artifacts import if_reachable
from flows.relay import PassingWatcher
from flows.telling import count
from flows.watch import Outcome, Watcher

PROGRESS = "matte-progress"
EVERY_S = 3.0
"""Between two updates."""
PATIENCE_S = 10.0
"""How long the last update is waited for."""


@contextmanager
def told_progress(watcher: Watcher, every_s: float = EVERY_S) -> Iterator[Watcher]:
    """Give a watcher that also keeps a progress artifact of the flow run that is under way."""
    telling = ProgressWatcher(watcher, every_s)
    try:
        yield telling
    finally:
        telling.close()


class ProgressWatcher(PassingWatcher):
    """Passes everything on to another watcher, and tells Prefect from a thread of its own how far the run is."""

    def __init__(self, watcher: Watcher, every_s: float = EVERY_S) -> None:
        """Pass on to `watcher`; update at most every so many seconds."""
        super().__init__(watcher)
        self._every_s = every_s
        self._done = self._total = 0
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._thread: threading.Thread | None = None

    def planned(self, n_frames: int, n_shards: int) -> None:
        """Pass on, and create the artifact where there is something to do."""
        super().planned(n_frames, n_shards)
        if not n_frames or self._thread is not None:
            return
        self._total = n_frames
        with if_reachable():
            artifact = create_progress_artifact(0.0, key=PROGRESS, description=self._words())
            context = contextvars.copy_context()
            self._thread = threading.Thread(target=context.run, args=(self._tell, artifact), daemon=True)
            self._thread.start()

    def settled(self, outcome: Outcome) -> None:
        """Pass on, and count."""
        super().settled(outcome)
        with self._lock:
            self._done += outcome.n_frames

    def close(self) -> None:
        """Tell the last state; an API that does not answer is not waited for long."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(PATIENCE_S)

    def _tell(self, artifact: UUID) -> None:
        told = 0
        while True:
            is_last = self._stop.wait(self._every_s)
            if self._done != told:
                with if_reachable():
                    told = self._done
                    percent = min(100.0, 100 * told / self._total)
                    update_progress_artifact(artifact, percent, self._words())
            if is_last:
                return

    def _words(self) -> str:
        return f"{self._done:,} of {count(self._total, 'frame')}"
