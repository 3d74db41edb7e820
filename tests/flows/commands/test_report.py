from __future__ import annotations

from command_line import cleanplate


def test_help_teaches_by_example() -> None:
    shown = cleanplate("report", "--help")
    assert shown.code == 0 and "cleanplate report /data/mattes" in " ".join(shown.out.replace("│", " ").split())
