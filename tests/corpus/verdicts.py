"""Verdicts: what became of each bad input, and their table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

NAMED = "named"
"""A row of a receipt with another status than ok, or a message, names the file."""
RIGHT = "read right"
"""Every pixel, row or number is that of the undamaged file: the damage hit nothing that counts."""
VALID = "another valid file"
"""The damaged file is one that the format allows, with other contents: only a checksum could tell."""
OUT_OF_FORM = "out of form"
"""By the letter of the format nobody wrote this, and the decoder reads it without a word."""
SILENT = "silent"
CRASHED = "crashed"
VERDICTS = (NAMED, RIGHT, VALID, OUT_OF_FORM, SILENT, CRASHED)


@dataclass(frozen=True)
class Verdict:
    """What became of one input; `kind` is its line in the table, `about` says which it was and what was found."""

    kind: str
    verdict: str
    about: str = ""


def count(verdicts: Iterable[Verdict], verdict: str, kind: str = "") -> int:
    """Count the inputs of a kind (any if empty) with a verdict."""
    return sum(one.verdict == verdict and one.kind.startswith(kind) for one in verdicts)


def texts(verdicts: Iterable[Verdict], *unwanted: str) -> list[str]:
    """Say which inputs have any of the verdicts: what a failing test shows."""
    return [f"{one.kind}: {one.verdict}: {one.about}" for one in verdicts if one.verdict in unwanted]


def table(verdicts: Iterable[Verdict]) -> str:
    """Return the counts by kind as a table in Markdown."""
    listed = list(verdicts)
    by_kind: dict[str, Counter[str]] = {}
    for one in listed:
        by_kind.setdefault(one.kind, Counter())[one.verdict] += 1
    lines = [_line(("input", "files", *VERDICTS)), _line(("---", *["---:"] * (len(VERDICTS) + 1)))]
    for kind, counts in by_kind.items():
        lines.append(_line((kind, str(counts.total()), *(str(counts[verdict]) for verdict in VERDICTS))))
    total = Counter(one.verdict for one in listed)
    lines.append(_line(("**all**", str(total.total()), *(str(total[verdict]) for verdict in VERDICTS))))
    return "\n".join(lines)


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
