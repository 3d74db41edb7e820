from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks import naive
from benchmarks.machine import ROOT


def round_of(naive_rate: float, our_rate: float, local_s: float) -> dict[str, object]:
    return {
        "naive": {"n_frames": 10, "frames_per_s": naive_rate, "process_s": 12.0, "phases_s": {"network": 0.8}},
        "ours": {"frames_per_s": our_rate, "phases_s": {"network": 0.2, "waiting": 0.01}},
        "local": {"process_s": local_s},
    }


def test_medians_of_rounds_are_compared() -> None:
    found = naive.medians([round_of(1.0, 4.0, 4.0), round_of(0.5, 3.0, 3.0), round_of(2.0, 9.0, 5.0)])
    assert found["steady"] == {"naive": 1.0, "ours": 4.0, "ratio": 4.0}
    assert found["local"] == {"naive": 10 / 12.0, "ours": 2.5, "ratio": 3.0}
    assert "ray" not in found
    assert found["ours_phases_s"] == {"network": 0.2, "waiting": 0.01}


def test_frames_must_be_shared_out_evenly(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["naive.py", "--frames", "10", "--cameras", "4"])
    with pytest.raises(SystemExit):
        naive.parse()
    assert "--frames 10 is no multiple of --cameras 4" in capsys.readouterr().err


def test_a_command_that_fails_ends_the_run() -> None:
    with pytest.raises(RuntimeError, match="ended with 3"):
        naive.time_command([sys.executable, "-c", "raise SystemExit(3)"])


@pytest.mark.slow
def test_a_small_run_prints_and_writes_everything(tmp_path: Path) -> None:
    script, path = ROOT / "tests" / "benchmarks" / "naive.py", tmp_path / "naive.json"
    said = "--frames 4 --cameras 2 --size 512 --rounds 1 --model mattingrefine-mobilenetv2 --device cpu --whole-process"
    words = [*said.split(), "--work", str(tmp_path / "work"), "--json", str(path)]
    ended = subprocess.run([sys.executable, str(script), *words], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    results = json.loads(path.read_text())["results"]
    assert results["medians"]["steady"]["ratio"] > 0
    assert results["medians"]["local"]["ratio"] > 0
    assert results["rounds"][0]["ours"]["n_frames"] == results["rounds"][0]["naive"]["n_frames"] == 4
    assert results["rounds"][0]["ours"]["plates_decoded"] == 2
    assert results["masks"]["network"]["n_frames"] == 4
    for text in ("steady state", "waiting", "rounded, not cut off", "averaged over areas"):
        assert text in ended.stdout
