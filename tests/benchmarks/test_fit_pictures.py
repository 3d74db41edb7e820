"""The pictures of the default: the table that fetches them is that of its card, and judges by none it learned from."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from benchmarks import fit_pictures

REPOSITORY = Path(__file__).parents[2]
CARD = REPOSITORY / "models" / "data" / "mattingrefine-mobilenetv2.cleanplate.md"


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with fit_pictures.TABLE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def test_every_picture_of_the_card_is_in_the_table_with_its_licence(rows: list[dict[str, str]]) -> None:
    on_card = re.findall(r"^\| (\S+\.jpg): .*? \| (.+?) \| .* \|$", CARD.read_text(), re.M)
    assert sorted(on_card) == sorted((row["file"], row["licence"]) for row in rows)


def test_no_picture_is_both_learned_from_and_judged_by(rows: list[dict[str, str]]) -> None:
    sources = {
        split: {(row["package"], row["path"]) for row in rows if row["split"] == split}
        for split in ("train", "heldout")
    }
    assert sources["train"] and sources["heldout"]
    assert not sources["train"] & sources["heldout"]


def test_a_view_looks_where_it_says() -> None:
    """A panorama whose colour is the heading: four views of a quarter each see a quarter of it each, mid-grey ahead."""
    heading = np.linspace(0, 255, 1024, dtype=np.uint8)
    panorama = np.broadcast_to(heading[None, :, None], (512, 1024, 3)).copy()
    for number in range(1, 5):
        view = fit_pictures._view(panorama, number, 4)
        assert view.shape == (720, 960, 3)
        assert abs(float(view[360, 480, 0]) - 255 * (number - 0.5) / 4) < 2
        assert view[360, 40:-40, 0].min() > 255 * (number - 1) / 4 - 3
        assert view[360, 40:-40, 0].max() < 255 * number / 4 + 3


def test_a_picture_is_cut_out_and_shrunk(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    cv2.imwrite(str(tmp_path / "package" / "wall.png"), np.full((2000, 4000, 3), 90, np.uint8))
    row = {"package": "walls", "version": "1", "path": "wall.png", "view": "whole"}
    assert fit_pictures._picture(tmp_path, row).shape == (800, 1600, 3)
    assert fit_pictures._picture(tmp_path, {**row, "view": "detail 1"}).shape == (800, 1600, 3)
    with pytest.raises(SystemExit, match=r"walls 1 has no gone\.png"):
        fit_pictures._picture(tmp_path, {**row, "path": "gone.png"})
