"""`cleanplate unpack`: what it takes."""

from __future__ import annotations

from pathlib import Path

from captures import make_tiny
from command_line import cleanplate, matte


def test_a_wrong_subject_or_folder_is_told(tmp_path: Path) -> None:
    capture, out = make_tiny(tmp_path / "capture", n_cameras=1, n_frames=2), tmp_path / "out"
    assert cleanplate("unpack", capture, "--to", tmp_path / "to").code == 2
    assert matte(capture, out, "--pack").code == 0
    ended = cleanplate("unpack", out, "--to", tmp_path / "to", "--subjects", "999")
    assert ended.code == 2 and "There is: 031" in ended.err
    ended = cleanplate("unpack", out, "--to", tmp_path / "to", "--output-layout", "{nothing}.jpg")
    assert ended.code == 2 and "--output-layout" in ended.err
