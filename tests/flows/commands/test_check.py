from __future__ import annotations

from command_line import cleanplate


def test_help_teaches_by_example() -> None:
    shown = cleanplate("check", "--help")
    assert shown.code == 0 and "cleanplate check /data/capture" in " ".join(shown.out.replace("│", " ").split())
