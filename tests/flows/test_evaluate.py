from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from captures import make_synth
from command_line import Ended, cleanplate, matte
from s3_servers import S3Server
from videos import write_video

from manifests.storage import open_folder


def write(path: Path, level: int, size: int = 8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((size, size), level, np.uint8))


def evaluated(pred: object, true: object, *words: object) -> dict[str, object]:
    ended = cleanplate("evaluate", pred, true, "--json", *words)
    assert ended.code in (0, 3), ended.err
    found: dict[str, object] = json.loads(ended.out)
    return found


def near(value: float) -> object:
    return pytest.approx(value, rel=1e-9)


def mads(found: dict[str, object]) -> dict[str, float]:
    return {row["file"]: row["mad"] for row in found["files"]}  # type: ignore[attr-defined, index]


def test_masks_of_a_run_meet_the_alphas_of_the_capture(tmp_path: Path) -> None:
    capture, out = make_synth(tmp_path / "capture", n_cameras=2, n_frames=3, size_px=64), tmp_path / "out"
    matte(capture, out)
    found = evaluated(out, capture)
    assert len(found["files"]) == 6 and len(found["clips"]) == 2  # type: ignore[arg-type]
    mean = found["mean"]
    values = [row["mad"] for row in found["files"]]  # type: ignore[attr-defined, index]
    assert mean["mad"] == pytest.approx(sum(values) / 6, rel=1e-12)  # type: ignore[index]
    changes = [row["dtssd"] for row in found["files"] if row["dtssd"] is not None]  # type: ignore[attr-defined, index]
    assert len(changes) == 4 and mean["dtssd"] == pytest.approx(sum(changes) / 4)  # type: ignore[index]
    one = next(path for path in sorted(out.glob("031/images/0000/mask_2*.jpg")))
    truth = capture / one.relative_to(out).with_name(f"alpha_{one.stem.removeprefix('mask_')}.png")
    by_hand = np.abs(cv2.imread(str(one), 0).astype(float) - cv2.imread(str(truth), 0)).mean() / 255 * 1000
    assert mads(found)[f"031/images/0000/{one.stem.removeprefix('mask_')}"] == pytest.approx(by_hand, rel=1e-12)
    assert "whole picture" in str(found["variant"]) and "not stretched" in str(found["variant"])


def test_a_dataset_with_lists_is_read_by_its_lists(tmp_path: Path) -> None:
    for name in ("a_1_o", "b_2_o", "c_3_o"):
        write(tmp_path / f"ppm/alpha/{name}.jpg", 0)
        write(tmp_path / f"ppm/fg/{name}.jpg", 99)
        write(tmp_path / f"pred/{name}.png", 51)
    (tmp_path / "ppm/val.txt").write_text("fg/a_1_o.jpg alpha/a_1_o.jpg\nb_2_o\n")
    (tmp_path / "ppm/README.txt").write_text("PPM: portraits of people.\nSuch as c_3_o\nof 2020.\n")
    assert mads(evaluated(tmp_path / "pred", tmp_path / "ppm")) == {"a_1_o": near(200), "b_2_o": near(200)}
    assert set(mads(evaluated(tmp_path / "pred", tmp_path / "ppm/val.txt"))) == {"a_1_o", "b_2_o"}
    assert "lists: val.txt." in cleanplate("evaluate", tmp_path / "pred", tmp_path / "ppm").out
    (tmp_path / "ppm/val.txt").unlink()
    assert len(mads(evaluated(tmp_path / "pred", tmp_path / "ppm"))) == 3


def test_a_line_of_a_list_without_its_file_is_named(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / f"true/matte/{name}.png", 0)
        write(tmp_path / f"pred/{name}.png", 0)
    (tmp_path / "true/test.txt").write_text("a.png\ngone.png\n")
    ended = cleanplate("evaluate", tmp_path / "pred", tmp_path / "true")
    assert ended.code == 3 and "gone.png" in ended.err


def test_a_file_meets_a_file_and_one_of_many(tmp_path: Path) -> None:
    write(tmp_path / "x.png", 51)
    for name in ("x", "y"):
        write(tmp_path / f"true/{name}.png", 0)
    assert mads(evaluated(tmp_path / "x.png", tmp_path / "true/y.png")) == {"x.png": near(200)}
    found = cleanplate("evaluate", tmp_path / "x.png", tmp_path / "true", "--json")
    assert found.code == 3 and mads(json.loads(found.out))["x"] == near(200)


def test_a_video_meets_a_folder_of_its_frames(tmp_path: Path) -> None:
    pictures = [np.full((32, 32, 3), level, np.uint8) for level in (0, 51, 102)]
    write_video(tmp_path / "alpha.mkv", pictures, "ffv1", pix_fmt="gray")
    for place in range(3):
        write(tmp_path / f"true/frame_{place:03d}.png", 0, 32)
    found = evaluated(tmp_path / "alpha.mkv", tmp_path / "true")
    assert mads(found) == {"alpha.mkv#0": 0.0, "alpha.mkv#1": near(200), "alpha.mkv#2": near(400)}
    assert [row["dtssd"] for row in found["files"]] == [None, near(20), near(20)]  # type: ignore[attr-defined, index]


def test_trimaps_split_known_from_unknown_pixels(tmp_path: Path) -> None:
    write(tmp_path / "pred/a.png", 51)
    write(tmp_path / "true/a.png", 0)
    trimap = np.zeros((8, 8), np.uint8)
    trimap[:2] = 128
    (tmp_path / "trimaps").mkdir()
    cv2.imwrite(str(tmp_path / "trimaps/a.png"), trimap)
    found = evaluated(tmp_path / "pred", tmp_path / "true", "--trimap", tmp_path / "trimaps")
    (row,) = found["files"]  # type: ignore[misc, attr-defined]
    # 16, 48 and 64 pixels that are 0.2 too high
    assert [row[name] for name in ("sad", "sad_known", "sad_whole")] == pytest.approx([0.0032, 0.0096, 0.0128])
    assert "trimap" in str(found["variant"])
    (tmp_path / "trimaps/a.png").rename(tmp_path / "trimaps/b.png")
    assert cleanplate("evaluate", tmp_path / "pred", tmp_path / "true", "--trimap", tmp_path / "trimaps").code == 2


def test_nothing_in_common_is_a_usage_error_that_shows_names(tmp_path: Path) -> None:
    write(tmp_path / "pred/a.png", 0)
    write(tmp_path / "true/b.png", 0)
    ended = cleanplate("evaluate", tmp_path / "pred", tmp_path / "true")
    assert ended.code == 2 and "(a, ...)" in ended.err and "(b, ...)" in ended.err
    for wrong in ((tmp_path / "nothing", tmp_path / "true"), (tmp_path / "pred/z.png", tmp_path / "true")):
        assert cleanplate("evaluate", *wrong).code == 2


def faulty(tmp_path: Path) -> Ended:
    write(tmp_path / "pred/good.png", 51)
    write(tmp_path / "true/good.png", 0)
    write(tmp_path / "pred/small.png", 0)
    write(tmp_path / "true/small.png", 0, 16)
    (tmp_path / "pred/cut.png").write_bytes((tmp_path / "pred/good.png").read_bytes()[:50])
    write(tmp_path / "true/cut.png", 0)
    write(tmp_path / "true/lacking.png", 0)
    return cleanplate("evaluate", tmp_path / "pred", tmp_path / "true", "--json")


def test_what_cannot_be_compared_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    ended = faulty(tmp_path)
    assert ended.code == 3
    rows = {row["file"]: row for row in json.loads(ended.out)["files"]}
    assert rows["good"]["mad"] == near(200) and rows["good"]["fault"] is None
    assert "8x8 and 16x16" in rows["small"]["fault"] and rows["small"]["mad"] is None
    assert "truncated" in rows["cut"]["fault"] and "no matte" in rows["lacking"]["fault"]
    assert json.loads(ended.out)["mean"]["mad"] == near(200)
    for name in ("small", "cut", "lacking"):
        assert name in ended.err


def test_stretching_is_named_and_changes_grad_alone(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    for side, top in (("pred", 100), ("true", 256)):
        (tmp_path / side).mkdir()
        cv2.imwrite(str(tmp_path / side / "a.png"), rng.integers(0, top, (16, 16)).astype(np.uint8))
    plain, stretched = (evaluated(tmp_path / "pred", tmp_path / "true", *words) for words in ((), ("--stretch",)))
    assert plain["variant"] != stretched["variant"]
    changed = {name for name, value in plain["mean"].items() if value != stretched["mean"][name]}  # type: ignore[attr-defined, index]
    assert changed == {"grad"}


@pytest.mark.s3
@pytest.mark.filterwarnings("ignore::DeprecationWarning:(botocore|boto3|aiobotocore|s3fs|fsspec).*")
def test_both_sides_and_the_tables_may_lie_in_a_store(moto_s3: S3Server, tmp_path: Path) -> None:
    bucket = moto_s3.new_bucket()
    for side, level in (("pred", 51), ("true/alpha", 0)):
        write(tmp_path / f"{side}/a.png", level, 32)
        data = (tmp_path / f"{side}/a.png").read_bytes()
        open_folder(f"{bucket}/{side}", moto_s3.options).write_atomic("a.png", data)
    video = write_video(tmp_path / "v.mkv", [np.full((32, 32, 3), 51, np.uint8)] * 2, "ffv1", pix_fmt="gray")
    open_folder(bucket, moto_s3.options).write_atomic("v.mkv", video.read_bytes())
    options = [word for name, value in moto_s3.options.items() for word in ("--storage-option", f"{name}={value}")]
    found = evaluated(f"{bucket}/pred", f"{bucket}/true", "--csv", f"{bucket}/tables/all.csv", *options)
    assert mads(found) == {"a": near(200)}
    assert b"a.png" in open_folder(bucket, moto_s3.options).read("tables/all.csv")
    found = evaluated(f"{bucket}/v.mkv", video, *options)
    assert mads(found) == {"v.mkv#0": 0.0, "v.mkv#1": 0.0}
    assert mads(evaluated(f"{bucket}/pred/a.png", tmp_path / "true/alpha/a.png", *options)) == {"a.png": near(200)}
