from __future__ import annotations

from command_line import cleanplate


def test_help_teaches_by_example() -> None:
    shown = cleanplate("forget", "--help")
    assert shown.code == 0 and "cleanplate forget /data/mattes --subject 031" in " ".join(
        shown.out.replace("│", " ").split()
    )
