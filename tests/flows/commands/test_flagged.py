from __future__ import annotations

from command_line import cleanplate


def test_help_teaches_by_example() -> None:
    shown = cleanplate("flagged", "--help")
    said = " ".join(shown.out.replace("│", " ").split())
    assert shown.code == 0 and "--export exclude.txt" in said and "--flagged fail --model rvm-mobilenetv3" in said


def test_an_unknown_verdict_is_a_usage_error() -> None:
    assert cleanplate("flagged", "out", "--verdict", "pass").code == 2
