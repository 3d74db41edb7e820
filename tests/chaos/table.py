"""The table: what all rounds came to, a row a scenario, and how often each failpoint was hit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from chaos.rounds import Round

COLUMNS = (
    *("scenario", "rounds", "kills", "injected faults", "lost", "corrupt", "duplicates"),
    *("failed rounds", "frames recomputed a kill", "seconds"),
)


def write_report(path: Path, rounds: Sequence[Round]) -> str:
    """Write the tables of scenarios and failpoints as markdown, and return that of the scenarios."""
    table = scenario_table(rounds)
    path.write_text(f"{table}\n\n{failpoint_table(rounds)}\n", encoding="utf-8")
    return table


def scenario_table(rounds: Sequence[Round]) -> str:
    """Return a row for each scenario, in the order of their first rounds, and one for all."""
    by_name: dict[str, list[Round]] = {}
    for one in rounds:
        by_name.setdefault(one.scenario, []).append(one)
    rows = [_row(name, some) for name, some in by_name.items()]
    return _markdown(COLUMNS, [*rows, _row("**all**", rounds)])


def failpoint_table(rounds: Sequence[Round]) -> str:
    """Return how often a run was killed at each step of the protocol, by situation."""
    hits = Counter(point for one in rounds for point in one.failpoints)
    by_step: dict[str, Counter[str]] = {}
    for point, number in hits.items():
        situation, step = point.split(": ", 1)
        by_step.setdefault(step, Counter())[situation] += number
    rows = [
        (step, str(found.total()), ", ".join(f"{name} {number}" for name, number in sorted(found.items())))
        for step, found in sorted(by_step.items())
    ]
    return _markdown(("failpoint", "kills", "by situation"), rows)


def _row(name: str, rounds: Sequence[Round]) -> tuple[str, ...]:
    kills, recomputed = sum(one.kills for one in rounds), sum(one.recomputed for one in rounds)
    of_killed = sum(one.recomputed for one in rounds if one.kills)
    counts = [sum(getattr(one, field) for one in rounds) for field in ("faults", "lost", "corrupt", "duplicates")]
    n_failed = sum(one.has_failed for one in rounds)
    a_kill = f"{of_killed / kills:.1f}" if kills else "-" if not recomputed else f"({recomputed} in all)"
    seconds = f"{sum(one.seconds for one in rounds):.0f}"
    return (name, *map(str, (len(rounds), kills, *counts, n_failed)), a_kill, seconds)


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
