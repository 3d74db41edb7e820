from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BUSY = 2 * len(os.sched_getaffinity(0))
"""A load above which other work than the run's own makes it late."""


@pytest.mark.slow
@pytest.mark.ray
def test_a_real_run_takes_about_what_the_simulation_says(tmp_path: Path) -> None:
    found = tmp_path / "found.json"
    words = ["--workers", "2", "--rate", "8", "--subjects", "1", "--json", str(found)]
    script = Path(__file__).with_name("bench_simulated.py")
    subprocess.run([sys.executable, str(script), *words], check=True, capture_output=True)
    for said, real in json.loads(found.read_text())["results"]["pairs"].values():
        assert real > 0.85 * said
        if os.getloadavg()[0] < BUSY:
            assert real < 1.15 * said
