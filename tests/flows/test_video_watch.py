from __future__ import annotations

import io

import pytest
from rich.console import Console

from flows.video_watch import VideoWatcher


def console(terminal: bool) -> tuple[Console, io.StringIO]:
    shown = io.StringIO()
    return Console(file=shown, force_terminal=terminal, width=160), shown


def test_a_terminal_has_a_bar_with_frames_rate_and_time() -> None:
    screen, shown = console(True)
    with VideoWatcher(screen, False) as watcher:
        watcher.fetched(5_000_000, 15_000_000)
        watcher.begin(40)
        watcher.done(10)
    assert "10/40" in shown.getvalue() and "frames/s" in shown.getvalue()


def test_elsewhere_lines_are_printed_and_no_bar() -> None:
    screen, shown = console(False)
    with VideoWatcher(screen, False) as watcher:
        watcher.say("two [words]")
        watcher.begin(40)
        watcher.done(10)
        watcher.warn("mind the step")
    assert shown.getvalue() == "two [words]\n! mind the step\n"


def test_quiet_shows_warnings_only() -> None:
    screen, shown = console(True)
    with VideoWatcher(screen, True) as watcher:
        watcher.say("nothing")
        watcher.warn("mind the step")
    assert "nothing" not in shown.getvalue() and "mind the step" in shown.getvalue()


def test_who_interrupts_is_told_that_there_is_nothing() -> None:
    screen, shown = console(False)
    with pytest.raises(KeyboardInterrupt), VideoWatcher(screen, False):
        raise KeyboardInterrupt
    assert "Nothing was written" in shown.getvalue()
