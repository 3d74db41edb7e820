from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from command_line import Ended, cleanplate, matte, matte_by_rvm
from nersemble_tree import SEQUENCES, RawTree, Stream, make_v2, put_video
from output_roots import all_masks, changes, read_levels, read_rgb, rows_of, touched
from videos import read_stamp

from manifests.layouts.rig import RIG_CAMERAS
from manifests.manifest import read_manifest
from manifests.storage import LocalFolder

LAUGH, CHEEKS = SEQUENCES
NO_PLATE, SHORT, ABSENT, TRUNCATED = (RIG_CAMERAS[number] for number in (3, 1, 2, 4))
TAKEN = (0, 3, 6, 9, 12)
FULL_SIZE = 802, 550
KINDS = ("image", "image_lowres", "visible", "visible_lowres", "mask", "mask_lowres")


@dataclass(frozen=True)
class Made:
    """A raw tree, what a command made of it, and how that ended."""

    tree: RawTree
    raw: Path
    out: Path
    weights: Path
    ended: Ended

    def again(self) -> Ended:
        return make_dataset(self.raw, self.out, self.weights)

    def expected(self) -> Iterator[tuple[str, str, str, int, int]]:
        """Yield (subject, sequence, camera, frame, source frame) of all that can be matted."""
        for subject in self.tree.subjects:
            for rank, sequence in enumerate(self.tree.sequences):
                for camera in self.tree.cameras:
                    if (subject, sequence, camera) in (("031", CHEEKS, ABSENT), ("036", LAUGH, TRUNCATED)):
                        continue
                    n_taken = 3 if (subject, sequence, camera) == ("031", LAUGH, SHORT) else len(TAKEN)
                    for number, source_frame in enumerate(TAKEN[:n_taken]):
                        yield subject, sequence, camera, rank * len(TAKEN) + number, source_frame


def make_dataset(raw: Path, out: Path, weights: Path) -> Ended:
    return matte_by_rvm(raw, out, weights, "--geometry", "gha", "--write-frames", "--batch-size", 4, "--chunk", 7)


@pytest.fixture(
    scope="module", params=[(96, 66), pytest.param(FULL_SIZE, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])]
)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, rvm_weights: Path) -> Made:
    tree = RawTree(
        n_cameras=16,
        n_frames=13,
        cut_frames=5,
        size=request.param,
        mixed=True,
        distinct=True,
        no_plate=Stream("031", "", NO_PLATE),
        short=Stream("031", LAUGH, SHORT),
        absent=Stream("031", CHEEKS, ABSENT),
        truncated=Stream("036", LAUGH, TRUNCATED),
    )
    root = tmp_path_factory.mktemp("raw")
    raw, out = make_v2(root / "raw", tree), root / "out"
    return Made(tree, raw, out, rvm_weights, make_dataset(raw, out, rvm_weights))


def uncropped(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Put a picture of the gha crop back to where it was cut from; what was cut off repeats the border."""
    height, width = size
    side, left, top = (round(number * width / 2200) for number in (2600, 200, 304))
    window = cv2.resize(pixels, (side, side))[:, left : left + width]
    below = height - top - len(window)
    return cv2.copyMakeBorder(window, top, below, 0, 0, cv2.BORDER_REPLICATE)


def test_a_raw_tree_becomes_a_whole_dataset_and_what_is_bad_is_named(made: Made) -> None:
    assert made.ended.code == 3, made.ended.err
    said = " ".join(made.ended.out.split())
    assert f"subject 031, sequence {LAUGH}, camera {SHORT}: 8 frames, others have 13" in said
    assert f"subject 031, sequence {CHEEKS}, camera {ABSENT}: video absent" in said
    assert f"subject 036, sequence {LAUGH}, camera {TRUNCATED}: video unreadable" in said
    assert f"subject 031, camera {NO_PLATE}: plate missing" in said
    assert "the video has 8 frames, frame 9 is wanted" in said and "index (moov) is missing" in said
    assert "308 frames matted" in said and "7 frames could not be matted" in said

    wanted = set()
    for subject, _, camera, frame, _ in made.expected():
        wanted |= {f"{subject}/images/{frame:04d}/{kind}_{camera}.jpg" for kind in KINDS}
        wanted.add(f"{subject}/cameras/{frame:04d}/camera_{camera}.npz")
    plates = {(subject, camera) for subject in made.tree.subjects for camera in made.tree.cameras}
    wanted |= {f"{s}/background/image_{camera}.jpg" for s, camera in plates - {("031", NO_PLATE)}}
    assert {path for path in touched(made.out) if not path.startswith("_cleanplate")} == wanted


def test_each_written_frame_is_the_one_that_its_number_stands_for(made: Made) -> None:
    for subject, sequence, camera, frame, source_frame in made.expected():
        pixels = read_rgb(made.out / f"{subject}/images/{frame:04d}/image_{camera}.jpg")
        wanted = made.tree.first_stamp(subject, sequence, camera) + source_frame
        assert read_stamp(uncropped(pixels, made.tree.size)) == wanted, (subject, sequence, camera, frame)


def test_masks_fit_their_frames_and_are_black_outside_the_sensor(made: Made) -> None:
    height, width = made.tree.size
    side = round(2048 * width / 2200)
    different = set()
    for subject, _, camera, frame, _ in made.expected():
        folder = made.out / f"{subject}/images/{frame:04d}"
        mask, image = read_levels(folder / f"mask_{camera}.jpg"), read_rgb(folder / f"image_{camera}.jpg")
        visible = read_levels(folder / f"visible_{camera}.jpg")
        assert mask.shape == image.shape == visible.shape == (side, side, 3)
        assert read_levels(folder / f"mask_lowres_{camera}.jpg").shape == (256, 256, 3)
        inside, outside = cv2.erode(visible, np.ones((17, 17))) > 127, cv2.dilate(visible, np.ones((17, 17))) < 128
        assert mask[inside].min() > 90 and mask[inside].std() > 0.5
        assert not outside.any() or mask[outside].max() <= 4  # JPEG rings near the border
        different.add(mask.tobytes())
    assert len(different) > 0.9 * len(list(made.expected()))


def test_manifest_and_receipts_keep_where_each_frame_is_from(made: Made) -> None:
    wanted = {(subject, *rest) for subject, *rest in made.expected()}
    for subject in made.tree.subjects:
        rows = rows_of(made.out, subject)
        found = {(subject, *key, row.source_frame) for key, row in rows.items() if row.status == "ok"}
        assert found == {row for row in wanted if row[0] == subject}
        manifest = read_manifest(LocalFolder(made.out), subject)
        assert manifest is not None
        frames = manifest.frames
        columns = frames.sequence, frames.camera, frames.frame.tolist(), frames.source_frame.tolist()
        listed = {(subject, *row) for row in zip(*columns, strict=True)}
        assert found <= listed and len(listed) == len(frames) == len(rows)
    short = rows_of(made.out)
    assert [short[LAUGH, SHORT, frame].status for frame in range(5)] == ["ok"] * 3 + ["short_video"] * 2


def test_a_point_projects_to_the_same_place_of_the_crop(made: Made) -> None:
    """The rig's focal length of 8200 px, brought to the videos' size and then to the crop, worked out by hand."""
    height, width = made.tree.size
    side, target, left, top = {66: (78, 61, 6, 9), 550: (650, 512, 50, 76)}[width]
    shrunk = target / side
    x_focal, y_focal = 8200 * width / 2200 * shrunk, 8200 * height / 3208 * shrunk
    wanted = [[x_focal, 0, left * shrunk], [0, y_focal, -top * shrunk], [0, 0, 1]]
    with np.load(made.out / f"036/cameras/0007/camera_{RIG_CAMERAS[9]}.npz") as camera:
        np.testing.assert_allclose(camera["intrinsic"], wanted, atol=1e-9)
        np.testing.assert_array_equal(camera["extrinsic"], np.eye(4)[:3])


def test_the_dataset_is_itself_a_capture(made: Made, tmp_path: Path) -> None:
    listed = cleanplate("enumerate", made.out, "--out", tmp_path / "out")
    assert listed.code == 0 and "layout gha" in listed.out and "2 subjects" in listed.out
    ended = matte(made.out, tmp_path / "out", "--subjects", "036", "--frames", "4:6")
    assert ended.code == 0, ended.err
    rows = rows_of(tmp_path / "out", "036")
    assert len(rows) == 10 * 16 - 5 and all(row.status == "ok" for row in rows.values())
    assert len(all_masks(tmp_path / "out")) == 2 * len(rows)


def test_a_second_run_touches_no_file(made: Made) -> None:
    before = touched(made.out)
    again = made.again()
    assert again.code == 3 and "Nothing to do" in again.out
    assert touched(made.out) == before


def test_a_video_that_is_made_whole_is_matted_and_nothing_else(tmp_path: Path, rvm_weights: Path) -> None:
    tree = RawTree(("031",), n_cameras=3, n_frames=13, size=(96, 66), distinct=True)
    cut = RawTree(("031",), n_cameras=3, n_frames=13, size=(96, 66), distinct=True, short=Stream("", LAUGH, SHORT))
    raw, out = make_v2(tmp_path / "raw", cut), tmp_path / "out"
    assert make_dataset(raw, out, rvm_weights).code == 3
    before = touched(out)
    put_video(raw / f"031/sequences/{LAUGH}/images/cam_{SHORT}.mp4", tree, "031", LAUGH, SHORT)
    assert make_dataset(raw, out, rvm_weights).code == 0
    redone = {path for path in changes(before, touched(out)) if "background" not in path}
    assert redone == {
        f"031/{folder}/{frame:04d}/{name}"
        for frame in range(5)
        for folder, name in [("cameras", f"camera_{SHORT}.npz"), *(("images", f"{k}_{SHORT}.jpg") for k in KINDS)]
    }
    assert {row.status for row in rows_of(out).values()} == {"ok"}
    make_dataset(make_v2(tmp_path / "whole", tree), tmp_path / "wanted", rvm_weights)
    assert all_masks(out) == all_masks(tmp_path / "wanted")


def test_a_video_that_arrives_later_fills_its_hole(tmp_path: Path, rvm_weights: Path) -> None:
    tree = RawTree(("031",), n_cameras=3, n_frames=7, size=(96, 66), distinct=True)
    raw, out = make_v2(tmp_path / "raw", tree), tmp_path / "out"
    late = raw / f"031/sequences/{LAUGH}/images/cam_{SHORT}.mp4"
    late.rename(tmp_path / "late.mp4")
    assert make_dataset(raw, out, rvm_weights).code == 0
    before = touched(out)
    (tmp_path / "late.mp4").rename(late)
    assert make_dataset(raw, out, rvm_weights).code == 0
    new = {path for path in changes(before, touched(out)) if "background" not in path}
    assert len(new) == 3 * 7 and all(SHORT in path and int(path.split("/")[2]) < 3 for path in new)
    make_dataset(make_v2(tmp_path / "whole", tree), tmp_path / "wanted", rvm_weights)
    assert all_masks(out) == all_masks(tmp_path / "wanted")


def test_a_later_sequence_gets_numbers_behind_the_others(tmp_path: Path, rvm_weights: Path) -> None:
    tree = RawTree(("031",), n_cameras=2, n_frames=7, size=(96, 66), distinct=True)
    first = RawTree(("031",), (CHEEKS,), n_cameras=2, n_frames=7, size=(96, 66))
    raw, out = make_v2(tmp_path / "raw", first), tmp_path / "out"
    assert make_dataset(raw, out, rvm_weights).code == 0
    before = touched(out)
    for camera in tree.cameras:
        put_video(raw / f"031/sequences/{LAUGH}/images/cam_{camera}.mp4", tree, "031", LAUGH, camera)
    assert make_dataset(raw, out, rvm_weights).code == 0
    new = {path for path in changes(before, touched(out)) if "background" not in path}
    assert {int(path.split("/")[2]) for path in new} == {3, 4, 5}  # LAUGH sorts first, and its numbers come last
    assert {key[2] for key, row in rows_of(out).items() if key[0] == LAUGH and row.status == "ok"} == {3, 4, 5}
