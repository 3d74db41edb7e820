"""Patterns: what they match, and how one that makes no sense teaches."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.errors import UsageError
from manifests.layouts.base import Found
from manifests.layouts.pattern import Matched, parse_layout, parse_plate

NAMES = st.text("abcXYZ019+-_ .()é", min_size=1, max_size=8).filter(lambda text: text.strip(".") != "")


@given(subject=NAMES, sequence=NAMES, camera=NAMES, frame=st.integers(0, 2**31 - 1))
def test_fields_are_read_back_whatever_their_names(subject: str, sequence: str, camera: str, frame: int) -> None:
    pattern = parse_layout("data/{subject}/{sequence}/cam_{camera}/{frame:06d}.png")
    path = f"data/{subject}/{sequence}/cam_{camera}/{frame:06d}.png"
    assert pattern.match(path) == Matched(subject, sequence, camera, frame)
    assert pattern.match(f"{path}.part") is None and pattern.match(f"x/{path}") is None


@pytest.mark.parametrize(
    ("pattern", "path", "found"),
    [
        ("frame_{frame}.jpg", "frame_7.jpg", Matched("", "", "", 7)),
        ("frame_{frame}.jpg", "frame_0007.jpg", Matched("", "", "", 7)),
        ("{frame:04d}.jpg", "12345.jpg", Matched("", "", "", 12345)),
        ("{frame:04d}.jpg", "123.jpg", None),
        ("{frame}.jpg", "99999999999.jpg", None),
        ("{frame}.jpg", "a.jpg", None),
        ("{subject}/{frame}/{subject}_{frame:04d}.png", "a/7/a_0007.png", Matched("a", "", "", 7)),
        ("{subject}/{frame}/{subject}_{frame:04d}.png", "a/7/b_0007.png", None),
        ("{subject}/{frame}/{subject}_{frame:04d}.png", "a/7/a_0008.png", None),
        ("{sequence}/{camera}.mp4", "EMO-1-shout+laugh/c.mp4", Matched("", "EMO-1-shout+laugh", "c", -1)),
        ("a.b/{camera}.mov", "axb/c.mov", None),
        ("clip.webm", "clip.webm", Matched()),
    ],
)
def test_paths_match_or_do_not(pattern: str, path: str, found: Matched | None) -> None:
    assert parse_layout(pattern).match(path) == found


def test_masks_of_ours_beside_frames_are_no_frames() -> None:
    pattern = parse_layout("{camera}_{frame}.png")
    assert pattern.found("c_1.png") == ("", Found("frame", "", "c", 1))
    assert pattern.found("mask_c_1.png") == pattern.found("mask_lowres_c_1.png") == ("", Found("mask", "", "c", 1))
    assert parse_layout("mask_{frame}.png").found("mask_1.png") == ("", Found("frame", "", "", 1))


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("{subjekt}/{frame}.png", r"\{subjekt\} is not a field here.*\{subject\}, \{sequence\}, \{camera\}, \{frame\}"),
        ("{subject}/image.png", r"no \{frame\} in it.*\.mp4 \.mov"),
        ("{subject}/{frame}", "ends neither as a picture.*nor as a video"),
        ("{subject}/{frame}.exr", r"\.jpg \.jpeg \.png"),
        ("{subject}/{frame}.mp4", "counted by themselves"),
        ("{subject/{frame}.png", "a brace is open"),
        ("{subject}}/{frame}.png", "a brace is open"),
        ("{camera}{frame}.png", "side by side"),
        ("{camera:3s}/{frame}.png", r"\{camera:3s\} cannot be read"),
        ("{frame:x}.png", r"such as \{frame:06d\}"),
        ("/data/{frame}.png", "a path below the capture"),
        ("../{frame}.png", "a path below the capture"),
        ("a//{frame}.png", "a path below the capture"),
        ("{frame}.png/", "a path below the capture"),
        ("a\\{frame}.png", "divided by /"),
        ("{subject}/*/{frame}.png", "wildcards are not needed"),
        ("", "a path below the capture"),
    ],
)
def test_a_pattern_that_makes_no_sense_teaches(pattern: str, said: str) -> None:
    with pytest.raises(UsageError, match=f"(?s)--layout.*{said}.*An example"):
        parse_layout(pattern)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("{sequence}/{camera}.png", r"\{sequence\} is not a field here.*\{subject\}, \{camera\}"),
        ("plates/{camera}.mp4", "a plate is a picture"),
    ],
)
def test_a_pattern_of_plates_that_makes_no_sense_teaches(pattern: str, said: str) -> None:
    with pytest.raises(UsageError, match=f"(?s)--plate.*{said}.*An example: --plate"):
        parse_plate(pattern)
    assert not parse_plate("plate.png").fields
