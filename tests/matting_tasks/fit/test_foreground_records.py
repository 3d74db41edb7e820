"""Pairs of pictures and alphas: what their headers say of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from matting_tasks.fit.foreground_records import Pair, checked, folders_of, has_alpha, header_of
from tests.cut_people import disc, pure, write


def test_pairs_that_do_not_fit_are_named_with_both_sizes(tmp_path: Path) -> None:
    alpha = disc()
    fg, small = write(tmp_path / "fg.png", pure(alpha)), write(tmp_path / "small.png", alpha[:40])
    whole = write(tmp_path / "whole.png", alpha)
    found = checked([Pair("good", fg, whole), Pair("bad", fg, small), Pair("opaque", fg, fg)], (), {"x": "before"})
    assert [pair.name for pair in found.pictures] == ["good"]
    assert found.faults["x"] == "before"
    assert found.faults["bad"] == "the picture is 60x80 pixels, its alpha 60x40"
    assert "no alpha channel" in found.faults["opaque"]


def test_files_that_are_no_pictures_are_named(tmp_path: Path) -> None:
    fg = write(tmp_path / "fg.png", pure(disc()))
    text = tmp_path / "alpha.png"
    text.write_text("hello")
    found = checked([Pair("a", fg, text), Pair("b", fg, tmp_path / "gone.png")], (), {})
    assert found.pictures == ()
    assert found.faults == {
        "a": "alpha.png cannot be read as a JPEG or PNG",
        "b": "gone.png cannot be read as a JPEG or PNG",
    }


def test_only_pngs_with_a_fourth_channel_have_an_alpha(tmp_path: Path) -> None:
    alpha = disc()
    cut = write(tmp_path / "cut.png", np.dstack([pure(alpha), alpha]))
    assert has_alpha(cut)
    assert not has_alpha(write(tmp_path / "rgb.png", pure(alpha)))
    assert not has_alpha(write(tmp_path / "rgb.jpg", pure(alpha)))
    header = header_of(cut)
    assert header is not None
    assert (header.width, header.height) == (60, 80)


def test_folders_are_compared_in_small_letters() -> None:
    assert folders_of("Train/FG/a.png") == {"train", "fg"}
