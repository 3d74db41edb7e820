from __future__ import annotations

import time
from pathlib import Path

import pytest
from benchmarks.phases import PROBES, Phases, probed, timed_build

from manifests.storage import LocalFolder


class Slow:
    def matte(self, seconds: float) -> float:
        time.sleep(seconds)
        return seconds


def test_seconds_and_calls_add_up_by_phase() -> None:
    phases = Phases()
    wait = phases.timed("to device", time.sleep)
    wait(0.01)
    wait(0.02)
    assert phases.calls["to device"] == 2
    assert 0.03 <= phases.seconds["to device"] < 0.3
    phases.clear()
    assert not phases.calls


def test_waiting_is_what_the_devices_line_leaves_over() -> None:
    phases = Phases()
    phases.seconds.update({"network": 2.0, "to device": 0.5, "decode": 8.0})
    by_frame = phases.by_frame(n_frames=2, wall_s=4.0)
    assert by_frame == {"decode": 4.0, "to device": 0.25, "network": 1.0, "waiting": 0.75}


def test_an_error_goes_through_and_its_time_counts() -> None:
    phases = Phases()
    with pytest.raises(ValueError, match="sleep length"):
        phases.timed("read", time.sleep)(-1)
    assert phases.calls["read"] == 1


def test_probes_stand_around_the_products_functions_for_a_while(tmp_path: Path) -> None:
    phases, folder = Phases(), LocalFolder(tmp_path)
    with probed(phases) as missing:
        folder.write_atomic("a", b"b")
        folder.read_with_stat("a")
    folder.read_with_stat("a")
    assert missing == []
    assert phases.calls == {"write": 1, "read": 1}


def test_a_probe_whose_function_is_gone_is_named() -> None:
    gone = {"decode": ("matting_tasks.frames.no_such_thing", "no_such_package.at_all", "manifests.storage.Gone.read")}
    with probed(Phases(), gone) as missing:
        assert missing == list(gone["decode"])


def test_the_models_of_a_timed_builder_are_timed() -> None:
    phases = Phases()
    model = timed_build(phases, Slow, "cpu")()
    assert model.matte(0.01) == 0.01
    assert phases.calls["network"] == 1
    assert phases.seconds["network"] >= 0.01
    assert "network" not in PROBES
