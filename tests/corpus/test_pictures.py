from __future__ import annotations

import resource
from pathlib import Path

import pytest
from corpus.pictures import FRAMES, PLATES, VISIBLE, Bad, damaged_jpegs, damaged_pngs, odd_pictures, run_pictures
from corpus.verdicts import CRASHED, NAMED, OUT_OF_FORM, RIGHT, SILENT, VALID, count, texts

ALWAYS_NAMED = ("JPEG: cut", "PNG: cut", "CMYK", "no JPEG or PNG", "decompression bomb")
ALWAYS_RIGHT = ("whole", "EXIF")
MOST_OUT_OF_FORM = 0.06
"""Of the damaged JPEGs: libjpeg decodes them without a word. About 2 % were measured, see docs/bad_input.md."""
MOST_MEMORY_KB = 700_000


@pytest.mark.parametrize(
    ("role", "n_each"),
    [
        (FRAMES, 9),
        (PLATES, 3),
        (VISIBLE, 2),
        pytest.param(FRAMES, 40, marks=[pytest.mark.slow, pytest.mark.timeout(1800)]),
        pytest.param(PLATES, 12, marks=[pytest.mark.slow, pytest.mark.timeout(1800)]),
    ],
)
def test_bad_pictures_are_named_and_the_good_frames_have_their_masks(tmp_path: Path, role: str, n_each: int) -> None:
    bads: list[Bad] = [*odd_pictures(), *damaged_jpegs(n_each), *damaged_pngs(n_each)]
    memory_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    verdicts = run_pictures(tmp_path, bads, role)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory_kb < MOST_MEMORY_KB
    assert texts(verdicts, CRASHED, SILENT) == []
    for one in verdicts:
        if one.kind.startswith(ALWAYS_NAMED):
            assert one.verdict == NAMED, one
        elif one.kind.startswith(ALWAYS_RIGHT):
            assert one.verdict == RIGHT, one
    assert not count(verdicts, VALID, "PNG") and not count(verdicts, OUT_OF_FORM, "PNG")
    n_jpegs = sum(one.kind.startswith("JPEG") for one in verdicts)
    assert count(verdicts, OUT_OF_FORM) <= MOST_OUT_OF_FORM * n_jpegs
