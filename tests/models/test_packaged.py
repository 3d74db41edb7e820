"""Files of this package, found on any machine."""

from __future__ import annotations

from pathlib import Path

import pytest

import models
from models.packaged import here, packaged_file


def test_only_files_of_the_package_are_found() -> None:
    assert packaged_file("nothing.safetensors") is None and packaged_file("") is None
    assert packaged_file("../weights.py") is None


def test_a_path_that_is_there_or_that_nobody_knows_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "w.pth").touch()
    assert here(tmp_path / "w.pth") == tmp_path / "w.pth"
    assert here(tmp_path / "other.pth") == tmp_path / "other.pth"


def test_a_file_of_the_package_is_found_where_the_package_lies_on_this_machine(tmp_path: Path) -> None:
    folder = Path(models.__file__).parent / "data"
    shipped = sorted(folder.glob("*.safetensors"))
    if not shipped:
        pytest.skip("not shipped yet")
    assert here(tmp_path / "elsewhere" / shipped[0].name) == shipped[0]
