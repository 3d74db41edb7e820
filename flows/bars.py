"""Progress bars for a person at a terminal, with lines above them; elsewhere a line now and then."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, SpinnerColumn, TextColumn
from rich.text import Text

LINE_EVERY_S = 30.0
"""Between two lines about progress, where the console is no terminal."""


class Bars:
    """Bars on a console: what is done, its count, and the columns that are given; `progress` has their tasks."""

    def __init__(
        self, console: Console, *columns: ProgressColumn, quiet: bool = False, first_line_s: float = LINE_EVERY_S
    ) -> None:
        """Draw on `console`; if `quiet`, show warnings only. first_line_s: how soon the first line may come."""
        self._console, self._quiet = console, quiet
        self.progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            *columns,
            console=console,
            transient=True,
            disable=quiet or not console.is_terminal,
        )
        self._next_line_s = time.monotonic() + first_line_s

    def say(self, text: str) -> None:
        """Print a line that a person wants to know."""
        if not self._quiet:
            self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        """Print a line that a person should act on, marked."""
        self._console.print(Text.assemble(("! ", "bold yellow"), text), soft_wrap=True)

    def is_line_due(self) -> bool:
        """Tell whether to say how far it is: no bar shows it, and it is long ago that this was answered with yes."""
        now = time.monotonic()
        if self._console.is_terminal or now < self._next_line_s:
            return False
        self._next_line_s = now + LINE_EVERY_S
        return True

    def __enter__(self) -> Self:
        """Begin to draw."""
        self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bars away."""
        self.progress.stop()
