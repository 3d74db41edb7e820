from __future__ import annotations

from pathlib import Path

import pytest
from captures import make_tiny
from command_line import cleanplate, matte
from nersemble_tree import RawTree, make_v1, make_v2

from flows.enumerate import enumerate_capture
from flows.listing import resolve_listing
from flows.settings import EnumerateSettings
from manifests.errors import CaptureDiffers, NotACapture, UsageError
from manifests.layouts.template import Template
from manifests.manifest import frames_path, listed_subjects, read_manifest
from manifests.numbering import numbering_path
from manifests.storage import LocalFolder
from manifests.storage_memory import MemoryFolder

TREE = RawTree(subjects=("031",), n_cameras=1, n_frames=4)
PATTERN, PLATES = "{subject}/images/{frame:04d}/image_{camera}.jpg", "{subject}/background/image_{camera}.jpg"


def _list(capture: Path, out: MemoryFolder | LocalFolder, **settings: object) -> int:
    found = enumerate_capture(LocalFolder(capture), out, EnumerateSettings(**settings))  # type: ignore[arg-type]
    return sum(one.n_frames for one in found)


def test_the_layout_and_the_plates_of_a_pattern_are_those_of_the_manifest_later_on(tmp_path: Path) -> None:
    capture, out = make_tiny(tmp_path / "capture"), MemoryFolder()
    _list(capture, out, layout=PATTERN, plate=PLATES)
    before = dict(out.files)
    _list(capture, out)
    _list(capture, out, layout=PATTERN)
    assert all(out.files[path] is data for path, data in before.items())
    manifest = read_manifest(out, "031")
    assert manifest is not None and (manifest.layout, manifest.plate_pattern) == (PATTERN, PLATES)
    listing, _ = resolve_listing(LocalFolder(capture), out, EnumerateSettings())
    assert isinstance(listing.layout, Template) and not listing.anew


def test_another_layout_or_numbering_is_taken_while_nothing_was_matted(tmp_path: Path) -> None:
    capture, out = make_v2(tmp_path / "raw", TREE), MemoryFolder()
    assert _list(capture, out, geometry="gha") == 4
    assert numbering_path("031") in out.files
    assert _list(capture, out) == 4
    assert _list(capture, out, geometry="native") == 8
    assert numbering_path("031") not in out.files
    assert _list(make_tiny(tmp_path / "other", ("036",)), out) == 6
    assert listed_subjects(out) == ["036"] and frames_path("031") not in out.files


def test_another_layout_or_numbering_is_refused_once_something_was_matted(tmp_path: Path) -> None:
    capture = make_tiny(tmp_path / "capture")
    assert matte(capture, tmp_path / "out").code == 0
    out = LocalFolder(tmp_path / "out")
    before = out.read(frames_path("031"))
    with pytest.raises(CaptureDiffers, match=r"layout gha, and --layout .*another --out"):
        _list(capture, out, layout=PATTERN, plate=PLATES)
    with pytest.raises(NotACapture, match="images"):
        _list(make_v1(tmp_path / "raw", TREE), out)
    assert _list(capture, out, geometry="native") == 6
    assert out.read(frames_path("031")) == before


def test_another_numbering_is_refused_once_something_was_matted(tmp_path: Path) -> None:
    capture = make_tiny(tmp_path / "capture")
    assert matte(capture, tmp_path / "out", "--layout", PATTERN, "--plate", PLATES).code == 0
    with pytest.raises(CaptureDiffers, match="as in the capture.*--geometry gha numbers them"):
        _list(capture, LocalFolder(tmp_path / "out"), geometry="gha")


def test_later_commands_work_from_the_layout_that_the_manifest_keeps(tmp_path: Path) -> None:
    capture, out = make_tiny(tmp_path / "capture"), tmp_path / "out"
    assert matte(capture, out, "--layout", PATTERN, "--plate", PLATES, "--cameras", "cam0").code == 0
    assert matte(capture, out, "--no-enumerate").code == 0
    assert cleanplate("reprocess", out, "--subject", "031", "--executor", "local").code == 0
    assert cleanplate("status", out).code == 0
    manifest = read_manifest(LocalFolder(out), "031")
    assert manifest is not None and manifest.layout == PATTERN


def test_a_gha_capture_is_not_made_a_gha_dataset_again(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is one already"):
        _list(make_tiny(tmp_path / "capture"), MemoryFolder(), geometry="gha")
