from __future__ import annotations

from command_line import cleanplate


def test_help_teaches_by_example() -> None:
    shown = " ".join(cleanplate("video", "--help").out.replace("│", " ").split())
    assert "cleanplate video talk.mp4 --out talk_matted" in shown and "--downsample-ratio" in shown
    assert "shot/cam1_%06d.png" in shown and "nothing behind" in shown
