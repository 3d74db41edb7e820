from __future__ import annotations

from command_line import cleanplate


def test_help_teaches_by_example() -> None:
    shown = cleanplate("verify", "--help")
    assert shown.code == 0 and "cleanplate verify /data/mattes --deep --repair" in " ".join(
        shown.out.replace("│", " ").split()
    )
