"""The table of docs/bad_input.md: `PYTHONPATH=tests python -m corpus.tabulate` in the repository's folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from corpus.books import bad_books, judge_books
from corpus.cameras import bad_cameras, judge_cameras
from corpus.clips import bad_clips, run_clips
from corpus.pictures import FRAMES, PLATES, VISIBLE, damaged_jpegs, damaged_pngs, odd_pictures, run_pictures
from corpus.verdicts import SILENT, Verdict, table, texts

N_EACH = {FRAMES: 40, PLATES: 10, VISIBLE: 4}
N_CLIPS, N_CAMERAS, N_BOOKS = 12, 40, 24


def judge_all() -> Iterator[list[Verdict]]:
    """Yield the verdicts of each part of the corpus."""
    for role, n_each in N_EACH.items():
        with TemporaryDirectory() as folder:
            bads = [*odd_pictures(), *damaged_jpegs(n_each), *damaged_pngs(n_each)]
            yield run_pictures(Path(folder), bads, role)
    with TemporaryDirectory() as folder:
        yield run_clips(Path(folder), list(bad_clips(N_CLIPS)))
    yield judge_cameras(bad_cameras(N_CAMERAS))
    yield judge_books(bad_books(N_BOOKS))


if __name__ == "__main__":
    judged = [verdict for part in judge_all() for verdict in part]
    print(table(judged))
    print("\n".join(texts(judged, SILENT)))
