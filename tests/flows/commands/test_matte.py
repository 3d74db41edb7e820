from __future__ import annotations

from pathlib import Path

from captures import make_tiny
from command_line import cleanplate


def test_settings_of_a_file_are_used(tmp_path: Path) -> None:
    capture, config = make_tiny(tmp_path / "capture"), tmp_path / "run.toml"
    config.write_text('model = "plate-difference"\nexecutor = "local"\ncameras = ["cam1"]\n')
    ended = cleanplate("matte", capture, "--out", tmp_path / "out", "--config", config)
    assert ended.code == 0 and "3 frames matted" in ended.out


def test_help_teaches_by_example() -> None:
    shown = cleanplate("matte", "--help").out
    assert "cleanplate matte /data/capture --out /data/mattes" in shown and "--refine-sample-pixels" in shown
