"""Watching a run: what happens, said to a person, to a log or to another program."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Protocol, Self, TextIO

from rich.console import Console
from rich.progress import ProgressColumn, Task, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from flows.bars import Bars
from manifests.log_lines import fields_of
from manifests.records import ShardFailure, ShardSummary

log = logging.getLogger("cleanplate")

Outcome = ShardSummary | ShardFailure


class Watcher(Protocol):
    """Whoever is told how a run goes."""

    def say(self, text: str) -> None:
        """Say one line that a person wants to know."""

    def warn(self, text: str) -> None:
        """Say one line that a person should act on."""

    def planned(self, n_frames: int, n_shards: int) -> None:
        """Say how much is to do."""

    def settled(self, outcome: Outcome) -> None:
        """Say that a shard is committed, or failed."""

    def fetched(self, done_bytes: int, total_bytes: int | None) -> None:
        """Say how far a download is."""

    def __enter__(self) -> Self:
        """Begin to show."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End showing."""


class QuietWatcher:
    """Says nothing but warnings."""

    def say(self, text: str) -> None:
        """Say nothing."""
        log.info("%s", text)

    def warn(self, text: str) -> None:
        """Print a warning on standard error, and log it."""
        log.warning("%s", text)
        print(f"! {text}", file=sys.stderr)

    def planned(self, n_frames: int, n_shards: int) -> None:
        """Say nothing."""

    def settled(self, outcome: Outcome) -> None:
        """Log what became of a shard, a line each."""
        if isinstance(outcome, ShardFailure):
            text = "subject %s shard %s worker %s: %s: %s"
            said: tuple[object, ...] = (outcome.kind, outcome.message)
            log.error(text, outcome.subject, outcome.shard_id, outcome.worker, *said, extra=fields_of(outcome))
        else:
            text = "subject %s shard %s worker %s: %s in %.2f s"
            said = (outcome.by_status, outcome.seconds)
            log.info(text, outcome.subject, outcome.shard_id, outcome.worker, *said, extra=fields_of(outcome))

    def fetched(self, done_bytes: int, total_bytes: int | None) -> None:
        """Say nothing."""

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""


class JsonLinesWatcher(QuietWatcher):
    """Writes one JSON object a line for each thing that happens."""

    def __init__(self, stream: TextIO) -> None:
        """Write to `stream`."""
        self._stream = stream

    def event(self, kind: str, values: Mapping[str, Any]) -> None:
        """Write one line."""
        line = {"event": kind, "time": round(time.time(), 3), **values}
        print(json.dumps(line, default=str), file=self._stream, flush=True)

    def say(self, text: str) -> None:
        """Write an info event."""
        self.event("info", {"text": text})

    def warn(self, text: str) -> None:
        """Write a warning event, and log it."""
        log.warning("%s", text)
        self.event("warning", {"text": text})

    def planned(self, n_frames: int, n_shards: int) -> None:
        """Write a plan event."""
        self.event("plan", {"frames": n_frames, "shards": n_shards})

    def settled(self, outcome: Outcome) -> None:
        """Write a shard event."""
        super().settled(outcome)
        record = {name: getattr(outcome, name) for name in outcome.__slots__}
        self.event("failure" if isinstance(outcome, ShardFailure) else "shard", record)


class RichWatcher(QuietWatcher):
    """A progress bar with frames done, frames/s, time left and failures, for a person at a terminal."""

    def __init__(self, console: Console) -> None:
        """Draw on `console`; where it is no terminal, lines are printed and no bar."""
        columns = _Rate(), TimeElapsedColumn(), _Left(), TextColumn("{task.fields[trouble]}", style="red")
        self._bars = Bars(console, *columns)
        self._frames: TaskID | None = None
        self._download: TaskID | None = None
        self._trouble = self._done = self._total = 0
        self._started = 0.0

    def say(self, text: str) -> None:
        """Print a line above the bar, and log it."""
        super().say(text)
        self._bars.say(text)

    def warn(self, text: str) -> None:
        """Print a line above the bar, marked, and log it."""
        log.warning("%s", text)
        self._bars.warn(text)

    def planned(self, n_frames: int, n_shards: int) -> None:
        """Draw the bar."""
        self._frames = self._bars.progress.add_task("frames", total=n_frames, trouble="")
        self._total, self._started = n_frames, time.monotonic()

    def settled(self, outcome: Outcome) -> None:
        """Move the bar on."""
        super().settled(outcome)
        if self._frames is None:
            return
        bad = outcome.n_frames if isinstance(outcome, ShardFailure) else outcome.n_failed
        self._trouble += bad
        trouble = f"{self._trouble} not ok" if self._trouble else ""
        self._bars.progress.update(self._frames, advance=outcome.n_frames, trouble=trouble)
        self._done += outcome.n_frames if isinstance(outcome, ShardSummary) else 0
        if self._bars.is_line_due():
            rate = self._done / max(time.monotonic() - self._started, 1e-6)
            self.say(f"{self._done:,} of {self._total:,} frames, {rate:.1f} frames/s {trouble}".strip())

    def fetched(self, done_bytes: int, total_bytes: int | None) -> None:
        """Draw the bar of a download, in MB."""
        if self._download is None:
            self._download = self._bars.progress.add_task("download, MB", trouble="")
        total = None if total_bytes is None else round(total_bytes / 1e6, 1)
        self._bars.progress.update(self._download, completed=round(done_bytes / 1e6, 1), total=total)

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._bars.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bar away; where a run is cut short, say what of it is kept."""
        self._bars.__exit__(kind, error, trace)
        if error is not None and self._total:
            self.say(f"{self._done:,} of {self._total:,} frames are finished and kept.")


class _Rate(ProgressColumn):
    """Frames per second since the start: shards end in bursts, and a momentary rate would be nonsense."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.completed / task.elapsed:.1f}/s" if task.completed and task.elapsed else "", style="cyan")


class _Left(ProgressColumn):
    """The time that is left at the rate since the start."""

    def render(self, task: Task) -> Text:
        if not task.completed or not task.elapsed or task.total is None:
            return Text("")
        seconds = int(task.elapsed * (task.total - task.completed) / task.completed)
        return Text(f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02} left", style="cyan")


class WarningsToWatcher(logging.Handler):
    """Passes warnings of our own loggers on to a watcher, so that they appear above the progress bar."""

    def __init__(self, watcher: Watcher) -> None:
        """Listen from level WARNING on."""
        super().__init__(logging.WARNING)
        self._watcher = watcher

    def emit(self, record: logging.LogRecord) -> None:
        """Pass one record on."""
        self._watcher.warn(record.getMessage())


def make_watcher(mode: str, console: Console, stream: TextIO) -> Watcher:
    """Return the watcher of a mode: text | verbose | quiet | json."""
    if mode == "json":
        return JsonLinesWatcher(stream)
    return QuietWatcher() if mode == "quiet" else RichWatcher(console)
