"""Machine: where, when and with what a benchmark ran; its tables on the screen and its numbers as JSON."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

PACKAGES = (
    "cleanplate",
    "torch",
    "numpy",
    "opencv-python-headless",
    "simplejpeg",
    "imageio",
    "pillow",
    "ray",
    "prefect",
    "pyarrow",
)


@dataclass(frozen=True)
class Table:
    """A table of results: `note` says what its numbers are and what they are ratios of."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    note: str = ""


@dataclass(frozen=True)
class Report:
    """What a benchmark found: settings in, results out, and the tables that show them."""

    benchmark: str
    settings: Mapping[str, Any]
    results: Mapping[str, Any]
    tables: Sequence[Table] = field(default_factory=tuple)


def finish(report: Report, json_path: Path | None) -> None:
    """Print the tables of a report, and write all of it as JSON if a file is named."""
    for table in report.tables:
        print(f"\n{as_text(table)}", flush=True)
    if json_path is not None:
        json_path.parent.mkdir(parents=True, exist_ok=True)
        json_path.write_text(json.dumps(asdict(report) | describe(), indent=1, default=str) + "\n")
        print(f"\nWritten: {json_path}")


def describe() -> dict[str, Any]:
    """Return machine, versions, date and command of this process."""
    words = [_from_root(word) for word in sys.argv]
    return {
        "machine": describe_machine(),
        "versions": versions(),
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
        "command": shlex.join(["python", *words]),
    }


def describe_machine() -> dict[str, Any]:
    """Return processor, cores that this process may use, memory, load of the last minute, GPU and system."""
    return {
        "cpu": _cpu_name(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "load": round(os.getloadavg()[0], 2),
        "gpu": gpu_name(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that are installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def gpu_name() -> str | None:
    """Return the name of the first GPU, asked of the driver: torch need not be loaded for it."""
    try:
        asked = subprocess.run(
            ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"], capture_output=True, text=True, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return asked.stdout.splitlines()[0].strip() if asked.returncode == 0 and asked.stdout.strip() else None


def run_child(script: str, words: Sequence[object], environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Run a benchmark script in a process of its own and return the JSON on its last line; raises RuntimeError."""
    command = [sys.executable, str(ROOT / "tests" / "benchmarks" / script), *map(str, words)]
    ended = subprocess.run(command, capture_output=True, text=True, env=os.environ | dict(environment or {}))
    if ended.returncode != 0:
        raise RuntimeError(f"{shlex.join(command)} ended with {ended.returncode}:\n{ended.stdout}\n{ended.stderr}")
    last: dict[str, Any] = json.loads(ended.stdout.strip().splitlines()[-1])
    return last


def as_text(table: Table) -> str:
    """Return a table in columns of plain text."""
    cells = [list(table.columns), *([show(cell) for cell in row] for row in table.rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(table.columns))]
    lines = []
    for first, *others in cells:
        numbers = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
        lines.append("  ".join([first.ljust(widths[0]), *numbers]))
    return "\n".join([table.title, *lines, *([table.note] if table.note else [])])


def as_markdown(table: Table) -> str:
    """Return a table in Markdown."""
    lines = [f"**{table.title}**", ""]
    lines += [_bar(table.columns), _bar(["---", *["---:"] * (len(table.columns) - 1)])]
    lines += [_bar([show(cell) for cell in row]) for row in table.rows]
    return "\n".join([*lines, *(["", table.note] if table.note else [])])


def show(value: Any) -> str:
    """Return a cell: three significant digits, a dash for what is not there."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _bar(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _from_root(word: str) -> str:
    """Return a path inside the repository relative to it, and other words as they are."""
    path = Path(word)
    return str(path.relative_to(ROOT)) if path.is_absolute() and path.is_relative_to(ROOT) else word
