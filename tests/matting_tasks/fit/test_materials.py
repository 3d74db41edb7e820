from __future__ import annotations

from pathlib import Path

import pytest
from fits import tiny_plan

from matting_tasks.fit.card import Picture
from matting_tasks.fit.materials import licence_of, materials_of, pictures_of


def kinds(**changes: object) -> dict[str, tuple[int, str]]:
    return {one.kind: (one.count, one.licence) for one in materials_of(tiny_plan(**changes))}


def test_what_is_drawn_by_cleanplate_alone_is_under_its_licence() -> None:
    assert licence_of(tiny_plan()) == "Apache-2.0"
    assert kinds() == {"people": (0, "Apache-2.0"), "patterns": (0, "Apache-2.0")}


def test_what_else_it_learned_from_is_named_in_the_licence() -> None:
    plan = tiny_plan(start="/w/rvm.pth", plates=("/p/a.jpg",), foregrounds=("/f",))
    assert licence_of(plan).endswith("of the weights it began from and the plates and the foregrounds allow")
    found = kinds(start="/w/rvm.pth", plates=("/p/a.jpg",), foregrounds=("/f",), pictures=("/q/b.jpg",))
    assert found["plates"] == (1, "the user's own") and found["foregrounds"][0] == 1
    assert found["pictures"] == (1, "the user's own") and "patterns" not in found


@pytest.mark.parametrize(
    ("start", "licence"),
    [
        ("imagenet", "BSD-3-Clause"),
        ("/cache/rvm_mobilenetv3.pth", "GPL-3.0"),
        ("/cache/pytorch_mobilenetv2.pth", "MIT"),
        ("/fits/mine.safetensors", "that of their own card or source"),
    ],
)
def test_weights_to_begin_from_bring_their_licence(start: str, licence: str) -> None:
    count, found = kinds(start=start)["weights"]
    assert count == 1 and found.startswith(licence)


def test_pictures_are_listed_with_licence_and_source(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "LICENCES.tsv").write_text(
        "file\ttitle\tauthor\tlicence\tsource\ntrain/a.jpg\tA hall\tAnna\tCC0\thttps://example.org/a\n"
    )
    (tmp_path / "train/LICENCES.tsv").write_text("file\tlicence\nb.jpg\tCC-BY-4.0\n")
    files = tuple(str(tmp_path / "train" / name) for name in ("a.jpg", "b.jpg", "c.jpg"))
    plan = tiny_plan(pictures=files[:2], held_pictures=files[2:])
    assert pictures_of(plan) == (
        Picture("a.jpg: A hall, by Anna", "CC0", "https://example.org/a"),
        Picture("b.jpg: , by unknown", "CC-BY-4.0", ""),
    )
    assert {one.kind: one.licence for one in materials_of(plan)}["held-out pictures"] == "see below"
    assert pictures_of(tiny_plan(pictures=("/nowhere/a.jpg",))) == ()
