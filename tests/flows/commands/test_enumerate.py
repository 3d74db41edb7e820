from __future__ import annotations

from command_line import cleanplate


def test_help_teaches_by_example() -> None:
    shown = cleanplate("enumerate", "--help")
    assert shown.code == 0 and "cleanplate enumerate /data/capture --out" in " ".join(
        shown.out.replace("│", " ").split()
    )
