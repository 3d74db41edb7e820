"""`cleanplate submit`: what it takes."""

from __future__ import annotations

import pytest
from command_line import cleanplate

HEAD = "http://127.0.0.1:1"


@pytest.mark.parametrize("words", [["--list", "--stop", "x"], ["--follow", "x", "--", "qc", "o"], []])
def test_one_thing_at_a_time(words: list[str]) -> None:
    ended = cleanplate("submit", "--ray-address", HEAD, *words)
    assert ended.code == 2 and "Say one thing" in ended.err


def test_the_help_shows_a_command_behind_two_dashes() -> None:
    ended = cleanplate("submit", "--help")
    assert ended.code == 0 and "http://head:8265 -- matte" in " ".join(ended.out.split())
