from __future__ import annotations

import json
from pathlib import Path

import pytest
from benchmarks import simulate


def test_the_command_tells_hours_use_and_the_bottleneck(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["--gpus", "64", "--subjects", "2", "--policy", "serial", "--masks", "packs", "--losses"]
    words += ["--json", str(tmp_path / "s.json")]
    monkeypatch.setattr("sys.argv", ["simulate.py", *words])
    simulate.main()
    printed = capsys.readouterr().out
    assert "waits for" in printed and "quality control" in printed and "spot" in printed
    runs = json.loads((tmp_path / "s.json").read_text())["results"]["runs"]
    assert len(runs) == 2 and {run["tally"]["n_frames"] for run in runs} == {2 * 152_064}
    assert all(run["tally"]["n_given_up"] == 0 for run in runs)


def test_the_policies_differ_in_what_they_leave_idle(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["--gpus", "64", "--subjects", "3", "--policy", "serial,now", "--masks", "packs", "--no-relax"]
    monkeypatch.setattr("sys.argv", ["simulate.py", *words])
    simulate.main()
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("64")]
    busy = [float(next(word for word in row if word.endswith("%")).rstrip("%")) for row in rows]
    assert len(busy) == 2 and busy[1] > 2 * busy[0]
