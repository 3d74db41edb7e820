from __future__ import annotations

from command_line import cleanplate


def test_help_teaches_by_example() -> None:
    shown = cleanplate("contact-sheet", "--help")
    words = " ".join(shown.out.replace("│", " ").split())
    assert shown.code == 0 and "cleanplate contact-sheet /data/mattes --to worst.png" in words
