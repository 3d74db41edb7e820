from __future__ import annotations

import json
from pathlib import Path

import pytest
from benchmarks import tables
from benchmarks.machine import Report, Table, finish


def test_results_become_markdown_with_their_source(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "r.json"
    finish(Report("network", {}, {}, [Table("Bare network", ("model", "frames/s"), [["a", 5.0]], "Note.")]), path)
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"found": 1}))
    capsys.readouterr()
    monkeypatch.setattr("sys.argv", ["tables.py", str(path), str(other)])
    tables.main()
    printed = capsys.readouterr().out
    assert printed.startswith("\n## network\n\n**Bare network**\n\n| model | frames/s |\n| --- | ---: |\n| a | 5 |\n")
    assert "torch " in printed
    assert printed.count("##") == 1
