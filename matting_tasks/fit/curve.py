"""The curve of a training as a table: one CSV row for each step told of and for each validation."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from manifests.errors import UsageError

CURVE = "curve.csv"
PLACE = ("step", "stage")
RATE = "learning_rate"
LOSS, SCORE = "loss/", "validation/"  # begin the names of columns


@dataclass(frozen=True, slots=True)
class Row:
    """What is known after a step, of all stages together, by the name of its column; what is not known is left out."""

    step: int
    stage: str
    numbers: dict[str, float]

    @property
    def has_scores(self) -> bool:
        """Whether it is of a validation."""
        return any(name.startswith(SCORE) for name in self.numbers)


def append_row(path: Path, row: Row) -> None:
    """Add a row in one write, so that a killed process leaves whole rows; for a new column write the table anew."""
    columns = _columns(path)
    missing = [name for name in row.numbers if name not in columns]
    if missing or not columns:
        _write(path, [*columns[len(PLACE) :], *missing], [*(read_curve(path) if columns else ()), row])
        return
    with path.open("a", encoding="utf-8", newline="") as file:
        file.write(_text([_fields(row, columns)]))


def read_curve(path: Path) -> list[Row]:
    """Read all rows but a last one cut short; no file is no row. Raises UsageError for a table that is none."""
    if not path.is_file():
        return []
    text = path.read_bytes().decode("utf-8", errors="replace")
    lines = list(csv.reader(text[: text.rfind("\n") + 1].splitlines()))
    try:
        columns, *fields = lines or [list(PLACE)]
        return [_row(columns, line) for line in fields]
    except ValueError as err:
        raise UsageError(f"{path} is not the curve of a training ({err}): move it away to begin a new one") from err


def cut_curve(path: Path, after_step: int | None, keeps_scores: bool = True) -> list[Row]:
    """Drop the rows after a step, all for None, and return the rest. Raises UsageError as `read_curve` does.

    keeps_scores: False drops those of validations besides.
    """
    rows = [row for row in read_curve(path) if keeps_scores or not row.has_scores]
    kept = [row for row in rows if after_step is not None and row.step <= after_step]
    if kept:
        _write(path, _columns(path)[len(PLACE) :], kept)
    else:
        path.unlink(missing_ok=True)
    return kept


def _columns(path: Path) -> list[str]:
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return next(csv.reader(file), [])


def _row(columns: Sequence[str], fields: Sequence[str]) -> Row:
    named = dict(zip(columns, fields, strict=True))
    step, stage = (named.pop(name, "") for name in PLACE)
    return Row(int(step), stage, {name: float(number) for name, number in named.items() if number})


def _fields(row: Row, columns: Iterable[str]) -> list[str]:
    known = {"step": str(row.step), "stage": row.stage, **{name: repr(float(n)) for name, n in row.numbers.items()}}
    return [known.get(name, "") for name in columns]


def _write(path: Path, names: Sequence[str], rows: Iterable[Row]) -> None:
    columns = [*PLACE, *names]
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text(_text([columns, *(_fields(row, columns) for row in rows)]), encoding="utf-8", newline="")
    os.replace(temporary, path)


def _text(lines: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()
