from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
from command_line import cleanplate


def make(tmp_path: Path, n_files: int) -> tuple[Path, Path]:
    pred, true = tmp_path / "pred", tmp_path / "true"
    for folder in (pred, true):
        folder.mkdir()
    for number in range(n_files):
        name = f"{chr(97 + number % 26)}{chr(97 + number // 26)}.png"
        cv2.imwrite(str(pred / name), np.full((8, 8), number, np.uint8))
        cv2.imwrite(str(true / name), np.zeros((8, 8), np.uint8))
    return pred, true


def test_a_short_list_is_shown_whole_with_its_mean(tmp_path: Path) -> None:
    ended = cleanplate("evaluate", *make(tmp_path, 3))
    assert ended.code == 0 and "3 files compared" in ended.out and "mean" in ended.out
    # levels 0, 1, 2 of 255: MAD 0, 3.922 and 7.843, mean 3.922
    assert "7.843" in ended.out and ended.out.count("3.922") == 2
    assert "Variant: MAD = mean |p - g| x 1e3" in ended.out


def test_of_a_long_list_the_worst_twenty_are_shown(tmp_path: Path) -> None:
    ended = cleanplate("evaluate", *make(tmp_path, 30))
    shown = [line for line in ended.out.splitlines() if line.startswith("│")]
    assert len(shown) == 21 and "worst 20 by MAD" in ended.out
    assert shown[0].split("│")[1].strip() == "db"  # the 30th


def test_json_csv_and_parquet_hold_the_same_numbers_and_the_variant(tmp_path: Path) -> None:
    pred, true = make(tmp_path, 3)
    (pred / "aa.png").unlink()
    tables = tmp_path / "t.csv", tmp_path / "t.parquet"
    ended = cleanplate("evaluate", pred, true, "--json", "--csv", tables[0], "--parquet", tables[1])
    assert ended.code == 3
    said = json.loads(ended.out)
    with tables[0].open(newline="") as file:
        by_csv = {row["file"]: row for row in csv.DictReader(file)}
    by_parquet = {row["file"]: row for row in pq.read_table(tables[1]).to_pylist()}
    assert len(said["files"]) == len(by_csv) == len(by_parquet) == 3
    for row in said["files"]:
        assert by_parquet[row["file"]] == row | {"variant": said["variant"]}
        assert by_csv[row["file"]]["mad"] == ("" if row["mad"] is None else repr(row["mad"]))
        assert by_csv[row["file"]]["variant"] == said["variant"]
    assert by_csv["aa"]["fault"] == "no matte to compare with the truth"


def test_clips_have_a_table_of_their_own(tmp_path: Path) -> None:
    for side, top in (("pred", 51), ("true", 0)):
        for clip in ("0000", "0001"):
            for frame in range(2):
                path = tmp_path / side / clip / f"{frame:04d}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(path), np.full((8, 8), top, np.uint8))
    ended = cleanplate("evaluate", tmp_path / "pred", tmp_path / "true")
    assert ended.code == 0 and "Clips" in ended.out and "│ 0001 " in ended.out
