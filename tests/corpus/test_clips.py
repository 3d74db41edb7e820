from __future__ import annotations

from pathlib import Path

import pytest
from corpus.clips import bad_clips, run_clips
from corpus.verdicts import CRASHED, NAMED, SILENT, texts

ALWAYS_NAMED = ("video: cut", "no video", "video: 32 zeros in the pictures")

MOST_SILENT = 0.1
"""Of damages to the index of an mp4, whose tables have no checksum: of 240, 3 showed another frame's picture."""


@pytest.mark.parametrize("n_each", [3, pytest.param(15, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
def test_bad_videos_are_named_and_whole_ones_have_their_masks(tmp_path: Path, n_each: int) -> None:
    verdicts = run_clips(tmp_path, list(bad_clips(n_each)))
    in_index = [one for one in verdicts if one.kind.endswith("in the index")]
    assert texts(verdicts, CRASHED) == []
    assert texts([one for one in verdicts if one not in in_index], SILENT) == []
    assert len(texts(in_index, SILENT)) <= MOST_SILENT * len(in_index)
    assert [one for one in verdicts if one.kind.startswith(ALWAYS_NAMED) and one.verdict != NAMED] == []
