"""Lists of foregrounds in the layouts of PPM-100 and Composition-1k."""

from __future__ import annotations

from pathlib import Path

from matting_tasks.fit.foreground_lists import read_list
from tests.cut_people import disc, photograph, pure, write, write_pair


def test_a_line_names_a_picture_and_its_alpha(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / f"val/fg/{name}.jpg", photograph(disc()))
        write(tmp_path / f"val/alpha/{name}.png", disc())
    listed = tmp_path / "val.txt"
    listed.write_text("val/fg/a.jpg val/alpha/a.png\n\nval/fg/b.jpg,val/alpha/b.png\n")
    found = read_list(listed)
    assert [(pair.name, pair.alpha.name) for pair in found.pictures] == [
        ("val/fg/a.jpg", "a.png"),
        ("val/fg/b.jpg", "b.png"),
    ]
    assert not found.faults


def test_the_alpha_is_beside_where_a_line_names_a_background(tmp_path: Path) -> None:
    write_pair(tmp_path / "train", "one", disc())
    for name in ("x.jpg", "y.jpg"):
        write(tmp_path / "coco" / name, photograph(disc()))
    write(tmp_path / "train/trimap/one.png", disc())
    listed = tmp_path / "train.txt"
    listed.write_text("train/fg/one.png coco/x.jpg\ntrain/fg/one.png coco/y.jpg train/trimap/one.png\n")
    found = read_list(listed)
    assert [pair.alpha for pair in found.pictures] == [tmp_path / "train/alpha/one.png"]
    assert found.backgrounds == (tmp_path / "coco/x.jpg", tmp_path / "coco/y.jpg")


def test_names_are_looked_for_from_the_folder_above_too_and_may_hold_blanks(tmp_path: Path) -> None:
    write(tmp_path / "fg/a person.png", pure(disc()))
    write(tmp_path / "alpha/a person.jpg", disc())
    listed = tmp_path / "lists" / "all.txt"
    listed.parent.mkdir()
    listed.write_text("fg/a person.png\n")
    assert [pair.alpha.name for pair in read_list(listed).pictures] == ["a person.jpg"]


def test_two_plain_files_are_a_picture_and_its_alpha(tmp_path: Path) -> None:
    write(tmp_path / "one.png", pure(disc()))
    write(tmp_path / "two.png", disc())
    listed = tmp_path / "pairs.csv"
    listed.write_text("one.png;two.png\n")
    assert [pair.alpha.name for pair in read_list(listed).pictures] == ["two.png"]


def test_lines_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    write_pair(tmp_path, "good", disc())
    write(tmp_path / "fg/lone.png", pure(disc()))
    write(tmp_path / "bg/wall.png", pure(disc()))
    listed = tmp_path / "all.txt"
    listed.write_text("fg/good.png alpha/good.png\nfg/gone.png alpha/gone.png\nfg/lone.png bg/wall.png\n")
    found = read_list(listed)
    assert len(found.pictures) == 1
    assert found.faults["line 2"] == "fg/gone.png is not there"
    assert found.faults["line 3"].startswith("no alpha for lone.png")
