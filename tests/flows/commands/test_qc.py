from __future__ import annotations

from command_line import cleanplate


def test_help_teaches_by_example() -> None:
    shown = cleanplate("qc", "--help")
    words = " ".join(shown.out.replace("│", " ").split())
    assert shown.code == 0 and "cleanplate qc /data/mattes --json" in words and "[holes] review = 0.01" in words


def test_limits_that_are_no_file_are_usage(tmp_path: object) -> None:
    assert cleanplate("qc", tmp_path, "--limits", f"{tmp_path}/none.toml").code == 2
