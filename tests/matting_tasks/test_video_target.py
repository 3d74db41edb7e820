from __future__ import annotations

from pathlib import Path

import pytest

from matting_tasks.video_target import Form, Target


@pytest.mark.parametrize(("form", "name"), [("mp4", "alpha.mp4"), ("ffv1", "alpha.mkv"), ("png", "alpha")])
def test_a_form_has_its_name(tmp_path: Path, form: Form, name: str) -> None:
    target = Target(tmp_path, "alpha", form)
    assert target.path == tmp_path / name and not target.taken()
    assert target.temporary().parent == tmp_path and target.temporary() != target.temporary()
    target.path.touch()
    assert target.taken()


def test_a_folder_is_taken_by_its_own_pictures_only(tmp_path: Path) -> None:
    target = Target(tmp_path, "alpha", "png16")
    target.path.mkdir()
    (target.path / "mine.png").touch()
    assert not target.taken()
    (target.path / target.picture_name(12)).touch()
    assert target.taken() and [path.name for path in target.old_pictures()] == ["alpha_000012.png"]


def test_only_an_alpha_is_deep() -> None:
    assert [Target(Path(), name, "png16").levels for name in ("alpha", "composite")] == [65535, 255]
