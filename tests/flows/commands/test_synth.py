from __future__ import annotations

from command_line import cleanplate


def test_help_teaches_by_example() -> None:
    shown = cleanplate("synth", "--help")
    assert shown.code == 0 and "cleanplate synth /tmp/capture" in " ".join(shown.out.replace("│", " ").split())
