"""Print the tables of benchmark results in Markdown, each with machine, date, command and versions.

Run: python tests/benchmarks/tables.py bench/*.json
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.machine import Table, as_markdown


def markdown_of(record: Mapping[str, Any]) -> str:
    """Return the tables of one result, and below them where they come from."""
    tables = [as_markdown(Table(**table)) for table in record["tables"]]
    return "\n\n".join([*tables, source_of(record)])


def source_of(record: Mapping[str, Any]) -> str:
    """Return one line: machine, date, command and versions."""
    machine = record["machine"]
    parts = [machine["cpu"], f"{machine['cores']} cores", f"{machine['memory_gib']} GiB"]
    parts += [machine["gpu"]] if machine.get("gpu") else []
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    return (
        f"{', '.join(parts)}; load {machine['load']} at the end; {record['date']}; `{record['command']}`; {versions}."
    )


def main() -> None:
    for name in sys.argv[1:]:
        record = json.loads(Path(name).read_text())
        if "tables" in record:
            print(f"\n## {record['benchmark']}\n\n{markdown_of(record)}")


if __name__ == "__main__":
    main()
