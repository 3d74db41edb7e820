"""Watching one video: a progress bar with frames/s and the time left, for a person at a terminal."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import TextColumn, TimeElapsedColumn, TimeRemainingColumn

from flows.bars import Bars


class VideoWatcher(Bars):
    """Shows how far a video is; where the console is no terminal, a line now and then."""

    def __init__(self, console: Console, quiet: bool) -> None:
        """Draw on `console`; if `quiet`, show warnings only."""
        columns = TextColumn("{task.fields[rate]}", style="cyan"), TimeElapsedColumn(), TimeRemainingColumn()
        super().__init__(console, *columns, quiet=quiet)
        self._bar = self.progress.add_task("starting", total=None, rate="")
        self._total, self._started = 0, 0.0

    def fetched(self, done_bytes: int, total_bytes: int | None) -> None:
        """Say how far the download of the weights is, in MB."""
        total = None if total_bytes is None else round(total_bytes / 1e6, 1)
        self.progress.update(
            self._bar, description="download, MB", completed=round(done_bytes / 1e6, 1), total=total, rate=""
        )

    def begin(self, n_frames: int) -> None:
        """Say that matting begins, of about so many frames."""
        self.progress.reset(self._bar, total=n_frames, description="frames", rate="")
        self._total, self._started = n_frames, time.monotonic()

    def done(self, n_frames: int) -> None:
        """Say how many frames are written."""
        elapsed_s = time.monotonic() - self._started
        rate = f"{n_frames / elapsed_s:.1f} frames/s" if elapsed_s else ""
        self.progress.update(self._bar, completed=n_frames, rate=rate)
        if self.is_line_due():
            self.say(f"{n_frames:,} of {self._total:,} frames, {rate}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bar away; where a run is cut short, say that there is nothing."""
        super().__exit__(kind, error, trace)
        if isinstance(error, KeyboardInterrupt):
            self.say("Nothing was written: outputs get their names when all frames are in them.")
