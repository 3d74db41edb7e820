from __future__ import annotations

import tempfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from command_line import cleanplate, matte, matte_by_rvm
from nersemble_tree import SEQUENCES, SIZE, RawTree, make_v1, make_v2
from output_roots import all_masks, read_levels, read_rgb, rows_of, touched
from videos import overwrite, packet_places, read_stamp, stamp, write_video

from manifests.storage import open_folder
from matting_tasks.decode_video import VideoReader

LAUGH, CHEEKS = SEQUENCES
TREE = RawTree(("031",), n_cameras=2, n_frames=5, distinct=True)
ONE = RawTree(("031",), (LAUGH,), n_cameras=2, n_frames=5, distinct=True)
CAMERA = TREE.cameras[0]


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_v2(tmp_path_factory.mktemp("raw") / "raw", TREE)


@pytest.fixture(scope="module")
def by_rvm(raw: Path, tmp_path_factory: pytest.TempPathFactory, rvm_weights: Path) -> list[bytes]:
    """Matte the raw tree and return its masks in the order of sequences and cameras, full ones first."""
    out = tmp_path_factory.mktemp("by-rvm")
    assert matte_by_rvm(raw, out, rvm_weights).code == 0
    masks = list(all_masks(out).values())
    assert len(set(masks)) == len(masks) == 2 * 2 * 2 * 5
    return masks


def with_people(root: Path, width: int, height: int) -> Path:
    """Make one sequence of two cameras over a plate of noise: nobody in frames 0 to 2, a bright box from 3 on."""
    tree = RawTree(("031",), (LAUGH,), n_cameras=2, size=(height, width))
    make_v2(root, tree)
    plate = cv2.GaussianBlur(np.random.default_rng(5).integers(40, 200, (height, width, 3), dtype=np.uint8), (9, 9), 0)
    person = plate.copy()
    person[height // 3 :, width // 4 : -width // 4] = (40, 200, 230)
    for camera in tree.cameras:
        cv2.imwrite(str(root / f"031/sequences/BACKGROUND/image_{camera}.jpg"), plate[:, :, ::-1])
        video = root / f"031/sequences/{LAUGH}/images/cam_{camera}.mp4"
        write_video(video, [plate] * 3 + [person] * 3, crf=4, pix_fmt="yuv444p")
    return root


@pytest.mark.parametrize(
    ("geometry", "side", "person"), [("native", (96, 66), 3), ("half", (48, 33), 3), ("gha", (61, 61), 1)]
)
def test_plates_pass_through_the_geometry_of_the_frames(
    tmp_path: Path, geometry: str, side: tuple[int, int], person: int
) -> None:
    capture = with_people(tmp_path / "raw", 66, 96)
    ended = matte(capture, tmp_path / "out", "--geometry", geometry, "--output-layout", "gha", "--format", "png")
    assert ended.code == 0, ended.err
    empty = read_levels(tmp_path / f"out/031/images/0000/mask_{CAMERA}.png")
    full = read_levels(tmp_path / f"out/031/images/{person:04d}/mask_{CAMERA}.png")
    assert empty.shape == full.shape == side
    assert empty.max() == 0 and full.max() == 255 and 0.1 < (full > 128).mean() < 0.6


def test_a_size_that_is_not_of_the_rig_is_refused_by_gha_with_its_reason(tmp_path: Path) -> None:
    capture = make_v2(tmp_path / "raw", RawTree(("031",), (LAUGH,), n_cameras=2, n_frames=4, size=(96, 96)))
    ended = matte(capture, tmp_path / "out", "--geometry", "gha", "--check", "off")
    assert ended.code == 3
    assert "96x96" in ended.out and "2200x3208" in ended.out and not all_masks(tmp_path / "out")


def test_masks_lie_where_the_output_layout_says(raw: Path, tmp_path: Path) -> None:
    wanted = {
        "beside": f"031/sequences/{CHEEKS}/images/mask_cam_{CAMERA}_000004.jpg",
        "vhap": f"031/sequences/{CHEEKS}/alpha_maps/cam_{CAMERA}_000004.png",
        "{subject}/{camera}/{sequence}/{frame:03d}.png": f"031/{CAMERA}/{CHEEKS}/004.png",
    }
    for number, (layout, path) in enumerate(wanted.items()):
        out = tmp_path / f"{number}"
        ended = matte(raw, out, "--output-layout", layout)
        assert ended.code == 0, ended.err
        assert read_levels(out / path).shape[:2] == SIZE, layout
        rows = rows_of(out).values()
        assert {row.mask_path for row in rows} | {row.lowres_path for row in rows} == {
            path for path in touched(out) if not path.startswith("_cleanplate")
        }
        assert "Nothing to do" in matte(raw, out, "--output-layout", layout).out
        assert "Nothing to do" in matte(raw, out).out


@pytest.mark.parametrize("layout", ["gha", "{subject}/{camera}/{frame:05d}.jpg"])
def test_layouts_that_would_lose_masks_are_refused(raw: Path, tmp_path: Path, layout: str) -> None:
    refused = matte(raw, tmp_path / "out", "--output-layout", layout)
    assert refused.code == 2
    assert LAUGH in refused.err and CHEEKS in refused.err and "--geometry" in refused.err and "vhap" in refused.err
    assert not all_masks(tmp_path / "out") and not (tmp_path / "out/_cleanplate/root.json").exists()
    assert matte(raw, tmp_path / "out", "--output-layout", "vhap").code == 0


def test_formats_hold_one_alpha(raw: Path, tmp_path: Path, rvm_weights: Path) -> None:
    found = {}
    for name, suffix in {"jpg": "jpg", "png": "png", "png16": "png"}.items():
        out = tmp_path / name
        words = "--format", name, "--sequences", LAUGH, "--cameras", CAMERA
        assert matte_by_rvm(raw, out, rvm_weights, *words).code == 0
        folder = out / f"031/sequences/{LAUGH}/images"
        found[name] = read_levels(folder / f"mask_cam_{CAMERA}_000003.{suffix}")
        assert read_levels(folder / f"mask_lowres_cam_{CAMERA}_000003.{suffix}").dtype == np.uint8
    jpg, png, png16 = found["jpg"], found["png"], found["png16"]
    assert jpg.shape == (*SIZE, 3) and png.shape == png16.shape == SIZE
    assert (jpg.dtype, png.dtype, png16.dtype) == (np.uint8, np.uint8, np.uint16)
    assert (png16 % 257 != 0).mean() > 0.5 and png16.std() > 257  # more than 8 bits, and no flat picture
    assert np.abs(png16 / 257 - png).max() <= 0.51
    assert np.abs(jpg[:, :, 0].astype(float) - png).max() <= 4


def test_version_1_gives_the_masks_of_version_2(tmp_path: Path, rvm_weights: Path, by_rvm: list[bytes]) -> None:
    v1 = make_v1(tmp_path / "v1", TREE)
    ended = matte_by_rvm(v1, tmp_path / "out", rvm_weights)
    assert ended.code == 0 and "nersemble-v1" in ended.out
    assert sorted(all_masks(tmp_path / "out").values()) == sorted(by_rvm)


def test_a_pattern_of_videos_gives_the_masks_of_the_named_layout(
    raw: Path, tmp_path: Path, rvm_weights: Path, by_rvm: list[bytes]
) -> None:
    pattern = "{subject}/sequences/{sequence}/images/cam_{camera}.mp4"
    assert matte_by_rvm(raw, tmp_path, rvm_weights, "--layout", pattern).code == 0
    assert list(all_masks(tmp_path).values()) == by_rvm
    assert "Nothing to do" in matte_by_rvm(raw, tmp_path, rvm_weights).out


def test_numbered_pictures_without_any_folder_are_one_stream(tmp_path: Path, rvm_weights: Path) -> None:
    capture = tmp_path / "pictures"
    capture.mkdir()
    for frame in range(12):
        cv2.imwrite(str(capture / f"frame_{frame}.png"), stamp(frame)[:, :, ::-1])
    before = touched(capture)
    words = "--layout", "frame_{frame}.png", "--format", "png16"
    for out in (tmp_path / "out", capture):  # also beside the frames
        ended = matte_by_rvm(capture, out, rvm_weights, *words)
        assert ended.code == 0 and "12 frames matted" in ended.out, ended.err
        masks = all_masks(out)
        assert {path for path in masks if "lowres" not in path} == {f"mask_frame_{frame}.png" for frame in range(12)}
        assert [row.frame for row in rows_of(out, "").values()] == list(range(12))
        assert len(set(masks.values())) == 24
        assert "Nothing to do" in matte_by_rvm(capture, out, rvm_weights, *words).out
    assert before.items() <= touched(capture).items()
    # one stream, in the order of the numbers: frame 10 remembers frame 9
    one_by_one = tmp_path / "one-by-one"
    assert matte_by_rvm(capture, one_by_one, rvm_weights, *words, "--split", 1, "--lead-in", 0).code == 0
    paths = [f"mask_frame_{frame}.png" for frame in (0, 10)]
    same = [(one_by_one / path).read_bytes() == (tmp_path / "out" / path).read_bytes() for path in paths]
    assert same == [True, False]


def test_a_damaged_frame_is_a_row_and_the_memory_passes_over_it(tmp_path: Path, rvm_weights: Path) -> None:
    """Frames 5 to 7 of 16 cannot be decoded: the others are matted as if those had never been."""
    capture = make_v2(tmp_path / "raw", ONE)
    video = capture / f"031/sequences/{LAUGH}/images/cam_{CAMERA}.mp4"
    write_video(video, [stamp(number) for number in range(16)], g=8, bf=0)
    offset, n_bytes, _ = next(place for place in packet_places(video) if place[2] == 5)
    overwrite(video, offset, bytes(n_bytes))
    words = "--cameras", CAMERA, "--format", "png16", "--output-layout", "gha", "--write-frames"
    ended = matte_by_rvm(capture, tmp_path / "out", rvm_weights, *words)
    assert ended.code == 3 and "frame 5" in ended.out
    rows = rows_of(tmp_path / "out")
    assert [frame for (_, _, frame), row in rows.items() if row.status == "undecodable"] == [5, 6, 7]
    whole = [frame for (_, _, frame), row in rows.items() if row.status == "ok"]
    assert whole == [*range(5), *range(8, 16)]

    pictures = tmp_path / "pictures"
    pictures.mkdir()
    reader = VideoReader(video)
    for frame in whole:
        assert read_stamp(read_rgb(tmp_path / f"out/031/images/{frame:04d}/image_{CAMERA}.jpg")) == frame
        cv2.imwrite(str(pictures / f"{frame}.png"), reader.read(frame)[:, :, ::-1])
    reader.close()
    assert matte_by_rvm(pictures, tmp_path / "p", rvm_weights, "--layout", "{frame}.png", "--format", "png16").code == 0
    for frame in whole:
        mask = (tmp_path / f"out/031/images/{frame:04d}/mask_{CAMERA}.png").read_bytes()
        assert mask == (tmp_path / f"p/mask_{frame}.png").read_bytes(), frame


def test_retry_failed_of_a_stream_redoes_what_failed_and_nothing_else(tmp_path: Path, rvm_weights: Path) -> None:
    capture, out = make_v2(tmp_path / "raw", ONE), tmp_path / "out"
    video = capture / f"031/sequences/{LAUGH}/images/cam_{CAMERA}.mp4"
    write_video(video, [stamp(number) for number in range(12)], g=6, bf=0)
    offset, n_bytes, _ = next(place for place in packet_places(video) if place[2] == 4)
    overwrite(video, offset, bytes(n_bytes))
    assert matte_by_rvm(capture, out, rvm_weights, "--cameras", CAMERA).code == 3
    before = touched(out / "031")
    assert matte_by_rvm(capture, out, rvm_weights, "--cameras", CAMERA, "--retry-failed").code == 3
    assert touched(out / "031") == before
    statuses = [row.status for row in rows_of(out).values()]
    assert statuses == ["ok"] * 4 + ["undecodable"] * 2 + ["ok"] * 6
    assert "Nothing to do" in matte_by_rvm(capture, out, rvm_weights, "--cameras", CAMERA).out


@pytest.mark.s3
@pytest.mark.parametrize("server_name", ["moto_s3", "rclone_s3"])
def test_a_raw_tree_on_an_object_store_gives_the_bytes_of_a_disk(
    request: pytest.FixtureRequest, server_name: str, tmp_path: Path, rvm_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = request.getfixturevalue(server_name)
    tree = RawTree(("031",), n_cameras=2, n_frames=7, size=(96, 66), distinct=True, mixed=True)
    capture, out = make_v2(tmp_path / "raw", tree), tmp_path / "out"
    words = "--geometry", "gha", "--write-frames"
    assert matte_by_rvm(capture, out, rvm_weights, *words).code == 0
    wanted = {path: (out / path).read_bytes() for path in touched(out) if not path.startswith("_cleanplate")}
    assert any("+" in path for path in touched(capture))

    bucket = server.new_bucket()
    store = open_folder(bucket, server.options)
    for path in touched(capture):
        store.write_atomic(f"raw/{path}", (capture / path).read_bytes())
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    options = [word for name, value in server.options.items() for word in ("--storage-option", f"{name}={value}")]
    ended = matte_by_rvm(f"{bucket}/raw", f"{bucket}/out", rvm_weights, *words, *options)
    assert ended.code == 0, ended.out + ended.err
    found = {stat.path.removeprefix("out/"): store.read(stat.path) for stat in store.list("out/031")}
    assert found == wanted
    assert not list((tmp_path / "temporary").iterdir())
    assert "Nothing to do" in matte_by_rvm(f"{bucket}/raw", f"{bucket}/out", rvm_weights, *words, *options).out
    assert cleanplate("status", f"{bucket}/out", *options).code == 0
