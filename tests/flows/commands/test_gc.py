from __future__ import annotations

from command_line import cleanplate


def test_help_teaches_by_example() -> None:
    shown = cleanplate("gc", "--help")
    assert shown.code == 0 and "cleanplate gc /data/mattes --older-than 2w --delete" in " ".join(
        shown.out.replace("│", " ").split()
    )
