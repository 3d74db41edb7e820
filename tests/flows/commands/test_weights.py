from __future__ import annotations

from command_line import cleanplate


def test_help_teaches_by_example() -> None:
    shown = cleanplate("weights", "fetch", "--help")
    assert shown.code == 0 and "mattingrefine-resnet101" in " ".join(shown.out.replace("│", " ").split())
