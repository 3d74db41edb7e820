from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from captures import make_tiny, masks_below
from command_line import Ended, cleanplate, matte
from corpus import good
from corpus.world import Around

from manifests.ledger import read_receipts
from manifests.manifest import listed_subjects
from manifests.storage import LocalFolder

ODD = (
    "..a",
    "a..",
    "...",
    "a b",
    " a",
    "a\nb",
    "a\tb",
    "a\\b",
    "a%2Fb",
    "%2e%2e",
    "..%2f..%2fetc",
    "~",
    "-rf",
    "--out",
    "$(touch gone)",
    "`touch gone`",
    "a;b",
    "{frame}",
    "{0.__class__}",
    "%s%n",
    "*",
    "?",
    "[x]",
    "[red]a",
    "ü",
    "u\u0308",
    "日本",
    "\u202egpj",
    "a\u200bb",
    "CON",
    "_cleanplate2",
    "mask_a",
    "lowres_a",
    "A" * 200,
    "é" * 100,
)
"""Names of a camera that a disk takes."""
SUBJECTS = tuple(name for name in ODD[::3] if not name.startswith("."))
"""Some of them for subjects, of which those with a dot before them are hidden folders."""
OUTSIDE = (
    "../{subject}_{camera}_{frame}.jpg",
    "/tmp/{subject}_{camera}_{frame}.jpg",
    "a/../../{camera}_{frame}.jpg",
    "{subject}/../../{camera}_{frame}.jpg",
    "..",
    "{frame}/..",
    "{subject.__class__}/{frame}.jpg",
    "{frame:0999999999d}.jpg",
    "{subject}\0{frame}.jpg",
    "{frame:>999999999}.jpg",
    "_cleanplate/{camera}_{frame}.jpg",
    "_cleanplate/ledger/{subject}/{frame}.jpg",
    "./../{camera}_{frame}.jpg",
)
"""Patterns of output layouts that lead out of the output root, or into its books."""


def test_odd_names_of_subjects_stay_inside_and_are_matted(tmp_path: Path) -> None:
    capture, out = make_tiny(tmp_path / "world/capture", SUBJECTS, n_cameras=1, n_frames=1), tmp_path / "world/out"
    around = Around(tmp_path, out)
    ended = matte(capture, out)
    around.check()
    assert ended.code == 0, ended.err
    assert set(listed_subjects(LocalFolder(out))) == set(SUBJECTS)
    for subject in SUBJECTS:
        assert [row.status for row in read_receipts(LocalFolder(out), subject)] == ["ok"]
    assert len(masks_below(out)) == 2 * len(SUBJECTS)
    assert cleanplate("verify", out, "--deep").code == 0
    assert "Nothing to do" in matte(capture, out).out
    around.check()


def test_odd_names_of_cameras_stay_inside_and_are_matted(tmp_path: Path) -> None:
    capture, out = tmp_path / "world/capture", tmp_path / "world/out"
    _write_cameras(capture / "031", ODD)
    around = Around(tmp_path, out)
    assert matte(capture, out).code == 0
    around.check()
    rows = read_receipts(LocalFolder(out), "031")
    assert {row.camera for row in rows} >= {name for name in ODD if not name.startswith("lowres_")}
    assert {row.status for row in rows} == {"ok"}
    assert cleanplate("verify", out, "--deep").code == 0


def test_a_name_that_is_too_long_for_its_mask_is_said_and_the_others_are_matted(tmp_path: Path) -> None:
    capture, out = tmp_path / "capture", tmp_path / "out"
    longest = "x" * (255 - len("image_.jpg"))  # image_x.jpg can be, mask_lowres_x.jpg cannot
    _write_cameras(capture / "031", ["cam0", longest])
    around = Around(tmp_path, out)
    ended = matte(capture, out)
    around.check()
    assert ended.code == 1 and longest[:40] in ended.out + ended.err
    assert len([path for path in masks_below(out) if "cam0" in path]) == 2


def test_names_that_collide_are_told_apart_or_said(tmp_path: Path) -> None:
    capture, out = tmp_path / "capture", tmp_path / "out"
    _write_cameras(capture / "031", ["a", "A", "a%41", "a.b", "a_b"])
    shutil.copytree(capture / "031/images/0000", capture / "031/images/0")  # the same frame under two names
    shutil.copy(capture / "031/images/0000/image_a.jpg", capture / "031/images/0000/image_a.png")
    ended = matte(capture, out)
    assert ended.code == 0 and "left out" in ended.out
    assert len(masks_below(out)) == 2 * 5


@pytest.mark.parametrize("layout", OUTSIDE)
def test_patterns_that_lead_out_of_the_root_are_refused(tmp_path: Path, layout: str) -> None:
    capture, out = make_tiny(tmp_path / "world/capture", n_cameras=1, n_frames=1), tmp_path / "world/out"
    around = Around(tmp_path, out)
    ended = matte(capture, out, "--output-layout", layout)
    around.check()
    assert ended.code == 2, ended.err[:2000]
    assert not list(out.rglob("*.jpg"))


@pytest.mark.parametrize(
    "words", [("--layout", "../{subject}/{frame}.jpg"), ("--layout", "/etc/{subject}/{frame}.jpg")]
)
def test_patterns_that_read_outside_of_the_capture_are_refused(tmp_path: Path, words: Sequence[str]) -> None:
    assert matte(make_tiny(tmp_path / "capture"), tmp_path / "out", *words).code == 2
    assert not (tmp_path / "out").exists()


def test_a_link_out_of_the_capture_is_read_and_never_written_to(tmp_path: Path) -> None:
    secret = make_tiny(tmp_path / "elsewhere", n_cameras=1, n_frames=1)
    capture = make_tiny(tmp_path / "capture", n_cameras=1, n_frames=1)
    (capture / "032").symlink_to(secret / "031")
    (capture / "031/images/loop").symlink_to(capture / "031")
    around = Around(tmp_path, tmp_path / "out")
    assert _ended(matte(capture, tmp_path / "out")).code == 0
    around.check()


def _ended(ended: Ended) -> Ended:
    assert "Traceback" not in ended.err
    return ended


def _write_cameras(root: Path, names: Sequence[str]) -> None:
    for name in names:
        for path in (root / "images/0000", root / "background"):
            path.mkdir(parents=True, exist_ok=True)
            (path / f"image_{name}.jpg").write_bytes(good.jpegs()["opencv" if path.name == "0000" else "opencv-q60"])
