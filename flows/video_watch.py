"""Watching one video: a progress bar with frames/s and the time left, for a person at a terminal."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from flows.watch import LINE_EVERY_S


class VideoWatcher:
    """Shows how far a video is; where the console is no terminal, a line now and then."""

    def __init__(self, console: Console, quiet: bool) -> None:
        """Draw on `console`; if `quiet`, show warnings only."""
        self._console, self._quiet = console, quiet
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}", style="cyan"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=quiet or not console.is_terminal,
        )
        self._bar = self._progress.add_task("starting", total=None, rate="")
        self._total, self._started, self._next_line_s = 0, 0.0, LINE_EVERY_S

    def say(self, text: str) -> None:
        """Print a line that a person wants to know."""
        if not self._quiet:
            self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        """Print a line that a person should act on."""
        self._console.print(Text.assemble(("! ", "bold yellow"), text), soft_wrap=True)

    def fetched(self, done_bytes: int, total_bytes: int | None) -> None:
        """Say how far the download of the weights is, in MB."""
        total = None if total_bytes is None else round(total_bytes / 1e6, 1)
        self._progress.update(
            self._bar, description="download, MB", completed=round(done_bytes / 1e6, 1), total=total, rate=""
        )

    def begin(self, n_frames: int) -> None:
        """Say that matting begins, of about so many frames."""
        self._progress.reset(self._bar, total=n_frames, description="frames", rate="")
        self._total, self._started = n_frames, time.monotonic()

    def done(self, n_frames: int) -> None:
        """Say how many frames are written."""
        elapsed_s = time.monotonic() - self._started
        rate = f"{n_frames / elapsed_s:.1f} frames/s" if elapsed_s else ""
        self._progress.update(self._bar, completed=n_frames, rate=rate)
        if not self._console.is_terminal and elapsed_s > self._next_line_s:
            self._next_line_s = elapsed_s + LINE_EVERY_S
            self.say(f"{n_frames:,} of {self._total:,} frames, {rate}")

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bar away; where a run is cut short, say that there is nothing."""
        self._progress.stop()
        if isinstance(error, KeyboardInterrupt):
            self.say("Nothing was written: outputs get their names when all frames are in them.")
