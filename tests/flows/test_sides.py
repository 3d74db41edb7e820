from __future__ import annotations

from pathlib import Path

import pytest

from flows.sides import listed_by, named_alone, open_side, split_url
from manifests.errors import UsageError
from matting_tasks.pairs import TRUE_PREFIXES


def make(root: Path, *names: str, **texts: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"a picture")
    for name, text in texts.items():
        (root / f"{name}.txt").write_text(text)
    return root


def names(url: Path) -> list[str]:
    side = open_side(str(url), TRUE_PREFIXES, {})
    listed = listed_by(side)
    return [entry.name for entry in side.entries if listed.has(entry)]


def test_lists_beside_the_mattes_say_what_is_compared(tmp_path: Path) -> None:
    files = [f"alpha/{name}.png" for name in ("a_1_o", "b_2_o", "c_3_o")]
    root = make(tmp_path, *files, train="a_1_o\n", val="b_2_o.png\ngone.png\n")
    assert names(root) == ["a_1_o", "b_2_o"]
    assert names(root / "val.txt") == ["b_2_o"]
    side = listed_by(open_side(str(root), TRUE_PREFIXES, {}))
    assert (side.unmatched, side.used) == (["gone.png"], ["train.txt", "val.txt"])


def test_a_text_that_happens_to_name_a_picture_is_no_list(tmp_path: Path) -> None:
    root = make(tmp_path, "pha/0000.png", "pha/0001.png", README="Clips of people.\n0000 is the first.\nHave fun.\n")
    assert names(root) == ["0000", "0001"]


def test_a_list_that_was_named_must_name_something(tmp_path: Path) -> None:
    root = make(tmp_path, "alpha/a.png", val="b\n")
    with pytest.raises(UsageError, match="none of its lines"):
        names(root / "val.txt")


def test_a_folder_may_end_as_a_file_does(tmp_path: Path) -> None:
    assert names(make(tmp_path / "clip.png", "a.png")) == ["a"]


def test_what_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    for url in (tmp_path / "nothing", tmp_path / "a.png", make(tmp_path / "empty", "notes.md")):
        with pytest.raises(UsageError):
            open_side(str(url), TRUE_PREFIXES, {})


def test_a_file_named_by_itself_takes_its_name_among_many(tmp_path: Path) -> None:
    root = make(tmp_path, "x/alpha_a.png", "many/a.png", "many/b.png", "clip.mkv")
    (one,) = open_side(str(root / "x/alpha_a.png"), TRUE_PREFIXES, {}).entries
    many = open_side(str(root / "many"), TRUE_PREFIXES, {}).entries
    assert [entry.name for entry in named_alone([one], many, TRUE_PREFIXES)] == ["a"]
    assert named_alone([one], [one], TRUE_PREFIXES) == [one]
    (video,) = open_side(str(root / "clip.mkv"), TRUE_PREFIXES, {}).entries
    assert named_alone([video], many, TRUE_PREFIXES) == [video]  # its frames are the pictures


def test_urls_are_split_into_folder_and_name(tmp_path: Path) -> None:
    assert split_url("s3://lab/a/b.csv") == ("s3://lab/a", "b.csv")
    assert split_url(str(tmp_path / "b.csv")) == (str(tmp_path), "b.csv")
    assert split_url("b.csv") == (".", "b.csv")
