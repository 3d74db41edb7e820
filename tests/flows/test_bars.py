"""Bars: one for a terminal, lines now and then elsewhere, warnings always."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.progress import TextColumn

from flows.bars import LINE_EVERY_S, Bars


def console(terminal: bool) -> tuple[Console, io.StringIO]:
    shown = io.StringIO()
    return Console(file=shown, force_terminal=terminal, width=160), shown


def test_a_terminal_has_the_bar_with_its_columns_and_no_lines() -> None:
    screen, shown = console(True)
    with Bars(screen, TextColumn("{task.fields[rate]}"), first_line_s=0) as bars:
        bars.progress.add_task("frames", total=40, completed=10, rate="7 of them a second")
        assert not bars.is_line_due()
    assert "10/40" in shown.getvalue() and "7 of them a second" in shown.getvalue()


def test_elsewhere_a_line_comes_every_half_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    bars = Bars(console(False)[0])
    due = []
    for second in range(70):
        now[0] = 100.0 + second
        due += [second] if bars.is_line_due() else []
    assert due == [LINE_EVERY_S, 2 * LINE_EVERY_S]


def test_quiet_says_warnings_only_and_markup_is_text() -> None:
    screen, shown = console(False)
    loud, quiet = Bars(screen), Bars(screen, quiet=True, first_line_s=0)
    loud.say("two [red]words[/red]")
    quiet.say("nothing")
    quiet.warn("mind [the] step")
    assert shown.getvalue() == "two [red]words[/red]\n! mind [the] step\n"
