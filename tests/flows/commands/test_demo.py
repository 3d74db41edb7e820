from __future__ import annotations

from command_line import cleanplate


def test_help_teaches_by_example() -> None:
    shown = cleanplate("demo", "--help")
    said = " ".join(shown.out.replace("│", " ").split())
    assert shown.code == 0 and "finds nothing to do" in said and "small network, which is part of the package" in said
