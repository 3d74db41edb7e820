from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from captures import make_tiny, masks_below
from command_line import cleanplate, matte
from corpus import damage
from corpus.books import bad_books, judge_books
from corpus.verdicts import CRASHED, SILENT, texts

SUBJECTS = tuple(f"{number:03d}" for number in range(8))


def test_bad_books_are_refused_by_their_path() -> None:
    assert texts(judge_books(bad_books(24)), CRASHED, SILENT) == []


def test_damaged_receipts_are_named_and_their_frames_are_matted_again(tmp_path: Path) -> None:
    capture, out = make_tiny(tmp_path / "capture", SUBJECTS, n_cameras=1, n_frames=1), tmp_path / "out"
    assert matte(capture, out).code == 0
    wanted = masks_below(out)
    receipts = sorted((out / "_cleanplate/ledger").rglob("*.parquet"))
    assert len(receipts) == len(SUBJECTS)
    rng = np.random.default_rng(7)
    for path in receipts:
        path.write_bytes(damage.cut(rng, path.read_bytes()))
    found = cleanplate("verify", out, "--json")
    assert found.code == 3
    named = {entry["path"] for entry in json.loads(found.out)["damages"]}
    assert named == {str(path.relative_to(out)) for path in receipts}
    assert cleanplate("verify", out, "--repair").code == 3
    assert matte(capture, out).code == 0
    assert cleanplate("verify", out, "--deep").code == 0
    assert masks_below(out) == wanted


def test_damaged_manifests_are_made_again(tmp_path: Path) -> None:
    capture, out = make_tiny(tmp_path / "capture", SUBJECTS[:4], n_cameras=1, n_frames=1), tmp_path / "out"
    assert matte(capture, out).code == 0
    wanted = masks_below(out)
    manifests = sorted((out / "_cleanplate/manifest").glob("*.parquet"))
    whole = {path: path.read_bytes() for path in manifests}
    rng = np.random.default_rng(8)
    for path in manifests:
        path.write_bytes(damage.noise(64)(rng, whole[path]))
    refused = matte(capture, out, "--no-enumerate")
    assert refused.code == 4 and any(str(path.relative_to(out)) in refused.err for path in manifests)
    assert matte(capture, out).code == 0
    assert {path: path.read_bytes() for path in manifests} == whole
    assert masks_below(out) == wanted and cleanplate("verify", out, "--deep").code == 0
