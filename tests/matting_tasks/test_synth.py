from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from matting_tasks.synth import CAMERAS, FAULTS, Fault, SynthSettings, make_capture, parse_fault

FRONT = "222200037"
SIZE = 128


def capture(root: Path, **settings: object) -> Path:
    make_capture(root, SynthSettings(**{"n_cameras": 1, "n_frames": 2, "size_px": SIZE} | settings))
    return root / "031"


def wrong(root: Path, name: str, **settings: object) -> Path:
    return capture(root, faults=(Fault(name, FRONT),), **settings)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return capture(tmp_path_factory.mktemp("clean"))


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return capture(tmp_path_factory.mktemp("wide"), n_cameras=16, n_subjects=2, n_frames=1)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def plate(subject: Path, camera: str = FRONT) -> np.ndarray:
    return cv2.imread(str(subject / "background" / f"image_{camera}.jpg")).astype(float)


def picture(subject: Path, kind: str, frame: int = 0, camera: str = FRONT) -> np.ndarray:
    end = "png" if kind == "alpha" else "jpg"
    flag = cv2.IMREAD_GRAYSCALE if kind in ("alpha", "visible") else cv2.IMREAD_UNCHANGED
    return cv2.imread(str(subject / "images" / f"{frame:04d}" / f"{kind}_{camera}.{end}"), flag).astype(float)


def seen(values: np.ndarray) -> np.ndarray:
    return values[:, 16:112]  # well inside the pads


def test_layout_is_that_of_gha(clean: Path) -> None:
    of_frame = ("alpha_{}.png", "image_{}.jpg", "image_lowres_{}.jpg", "visible_{}.jpg")
    expected = {f"background/image_{FRONT}.jpg"}
    for frame in ("0000", "0001"):
        expected |= {f"images/{frame}/{name.format(FRONT)}" for name in of_frame}
        expected.add(f"cameras/{frame}/camera_{FRONT}.npz")
    assert set(contents(clean)) == expected
    assert picture(clean, "image").shape == (SIZE, SIZE, 3)
    assert picture(clean, "image_lowres").shape == (256, 256, 3)


def test_bytes_repeat_when_made_again_by_other_threads(tmp_path: Path) -> None:
    settings = SynthSettings(n_cameras=3, n_frames=1, size_px=64)
    made = []
    for n_threads in (1, 3):
        make_capture(tmp_path / str(n_threads), settings, n_threads=n_threads)
        made.append(contents(tmp_path / str(n_threads)))
    assert made[0] == made[1]


def test_bytes_stay_when_more_is_made_around_them(tmp_path: Path) -> None:
    few = capture(tmp_path / "few", n_cameras=4, size_px=64)
    many = capture(tmp_path / "many", n_cameras=6, n_frames=3, n_subjects=2, size_px=64)
    few_files, many_files = contents(few), contents(many)
    assert few_files.items() <= many_files.items()


def test_pictures_differ_when_the_seed_does(clean: Path, tmp_path: Path) -> None:
    other = capture(tmp_path, seed=1)
    assert np.abs(plate(clean) - plate(other)).mean() > 5
    assert np.abs(picture(clean, "alpha") - picture(other, "alpha")).mean() > 1


def test_alpha_is_solid_inside_and_soft_at_hair(clean: Path) -> None:
    alpha = picture(clean, "alpha")
    assert (alpha.min(), alpha.max()) == (0, 255)
    assert 0.25 < (alpha == 255).mean() < 0.6
    assert ((alpha > 12) & (alpha < 243)).mean() > 0.01
    assert alpha[-1].max() == 255  # the torso reaches the bottom
    assert alpha[0].max() == 0


def test_frame_is_the_plate_where_alpha_is_zero(clean: Path) -> None:
    difference = np.abs(picture(clean, "image") - plate(clean)).mean(axis=2)
    alpha = picture(clean, "alpha")
    beside = cv2.dilate(alpha, np.ones((17, 17))) == 0  # chroma of a JPEG spreads over 16 pixels
    assert difference[beside].mean() < 4
    assert np.median(difference[alpha == 255]) > 15


def test_subject_moves_from_frame_to_frame(tmp_path: Path) -> None:
    moving = capture(tmp_path, n_frames=5, size_px=64)
    alphas = [picture(moving, "alpha", frame) for frame in range(5)]
    for before, after in zip(alphas, alphas[1:], strict=False):
        assert np.abs(after - before).mean() / 255 > 0.005


def test_noise_is_another_in_every_picture(clean: Path) -> None:
    pictures = [picture(clean, "image", 0), picture(clean, "image", 1), plate(clean)]
    corner = [p[:8, 16:112] for p in pictures]  # above the hair
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert 0.5 < (corner[a] - corner[b]).std() < 5


def test_plates_differ_between_cameras_and_subjects(wide: Path) -> None:
    plates = [plate(wide, camera) for camera in CAMERAS] + [plate(wide.parent / "032")]
    for k, one in enumerate(plates):
        assert all(np.abs(one - other).mean() > 4 for other in plates[:k])


def test_calibration_puts_the_head_inside_every_alpha(wide: Path) -> None:
    for camera in CAMERAS:
        with np.load(wide / "cameras" / "0000" / f"camera_{camera}.npz") as calibration:
            extrinsic, intrinsic = calibration["extrinsic"], calibration["intrinsic"]
        assert (extrinsic.shape, intrinsic.shape) == ((3, 4), (3, 3))
        column, row, depth = intrinsic @ (extrinsic @ np.array([0.0, 0.0, 0.0, 1.0]))
        alpha = picture(wide, "alpha", camera=camera)
        around = alpha[round(row / depth) - 3 : round(row / depth) + 4, round(column / depth) - 3 :][:, :7]
        assert around.min() == 255


def test_pads_are_black_and_without_alpha(clean: Path) -> None:
    visible = picture(clean, "visible") > 127
    assert visible[:, 11:117].all()
    assert not visible[:, :9].any() and not visible[:, 119:].any()
    for values in (picture(clean, "image"), plate(clean)):
        assert values[:, :4].max() < 12 and values[:, 124:].max() < 12  # JPEG rings near the edge
    alpha = picture(clean, "alpha")
    assert alpha[~visible].max() == 0


def test_one_camera_is_the_front_one_when_few_are_made(tmp_path: Path) -> None:
    two = capture(tmp_path, n_cameras=2, n_frames=1, size_px=32)
    names = {p.name for p in (two / "background").iterdir()}
    assert names == {f"image_{FRONT}.jpg", f"image_{CAMERAS[0]}.jpg"}


def test_progress_counts_every_picture(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    settings = SynthSettings(n_cameras=2, n_frames=2, size_px=32)
    make_capture(tmp_path, settings, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(k, 6) for k in range(1, 7)]


def test_no_temporary_files_are_left(clean: Path) -> None:
    assert not list(clean.rglob(".cleanplate-*"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_cameras": 0}, "n_cameras must be 1 to 16; found 0"),
        ({"n_cameras": 17}, "n_cameras must be 1 to 16; found 17"),
        ({"n_subjects": 0}, "n_subjects must be 1 or more"),
        ({"n_frames": 0}, "n_frames must be 1 or more"),
        ({"size_px": 31}, "size_px must be 32 or more; found 31"),
        ({"seed": -1}, "seed must be 0 or more"),
        ({"faults": (Fault("missing", "1"),)}, "no camera '1' among those made: 222200037"),
        ({"faults": (Fault("lost", FRONT),)}, "no fault 'lost'; known are missing"),
    ],
)
def test_settings_that_cannot_be_are_refused(tmp_path: Path, settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        capture(tmp_path, **settings)
    assert not list(tmp_path.iterdir())


def test_every_fault_changes_only_the_files_of_its_camera(tmp_path: Path) -> None:
    settings = {"n_cameras": 2, "n_frames": 2, "size_px": 32}
    right = contents(capture(tmp_path / "right", **settings))
    for name in FAULTS:
        made = contents(wrong(tmp_path / name, name, **settings))
        changed = {path for path in right if made.get(path) != right[path]}
        assert changed and all(FRONT in path for path in changed), name
        assert not any("camera_" in path for path in changed), name
        assert made.keys() <= right.keys()


def test_missing_takes_away_the_plate_of_an_earlier_run(tmp_path: Path) -> None:
    assert (capture(tmp_path, size_px=32) / "background" / f"image_{FRONT}.jpg").exists()
    assert not (wrong(tmp_path, "missing", size_px=32) / "background" / f"image_{FRONT}.jpg").exists()


def test_unreadable_cuts_the_plate_to_a_third(clean: Path, tmp_path: Path) -> None:
    name = f"background/image_{FRONT}.jpg"
    whole, cut = (clean / name).read_bytes(), (wrong(tmp_path, "unreadable") / name).read_bytes()
    assert cut == whole[: len(whole) // 3]


def test_size_halves_the_plate(tmp_path: Path) -> None:
    assert plate(wrong(tmp_path, "size")).shape == (SIZE // 2, SIZE // 2, 3)


def test_swapped_gives_the_plate_of_the_next_camera(wide: Path, tmp_path: Path) -> None:
    following = CAMERAS[CAMERAS.index(FRONT) + 1]
    swapped = wrong(tmp_path, "swapped") / "background" / f"image_{FRONT}.jpg"
    assert swapped.read_bytes() == (wide / "background" / f"image_{following}.jpg").read_bytes()


def test_shifted_moves_the_plate_by_two_percent(clean: Path, tmp_path: Path) -> None:
    right, shifted = (seen(p).mean(axis=2) for p in (plate(clean), plate(wrong(tmp_path, "shifted"))))
    errors = [np.abs(right[:, : 96 - k] - shifted[:, k:]).mean() for k in range(6)]
    assert int(np.argmin(errors)) == round(0.02 * SIZE)


def test_relit_brightens_the_plate(clean: Path, tmp_path: Path) -> None:
    right, relit = seen(plate(clean)), seen(plate(wrong(tmp_path, "relit")))
    usable = (right > 30) & (right < 180)
    assert np.median(relit[usable] / right[usable]) == pytest.approx(1.3, abs=0.02)


def test_contaminated_leaves_the_person_in_the_plate(clean: Path, tmp_path: Path) -> None:
    left = plate(wrong(tmp_path, "contaminated"))
    assert np.abs(left - picture(clean, "image")).mean() < 3
    assert np.abs(left - plate(clean)).mean() > 10


def test_frame_set_lacks_the_last_frame(tmp_path: Path) -> None:
    subject = wrong(tmp_path, "frame_set")
    assert (subject / "images" / "0000" / f"image_{FRONT}.jpg").exists()
    assert not list((subject / "images").glob(f"0001/*{FRONT}*"))


def test_truncated_and_zero_cut_the_first_frame(clean: Path, tmp_path: Path) -> None:
    name = f"images/0000/image_{FRONT}.jpg"
    whole = (clean / name).read_bytes()
    assert (wrong(tmp_path / "a", "truncated") / name).read_bytes() == whole[: len(whole) // 2]
    assert (wrong(tmp_path / "b", "zero") / name).read_bytes() == b""


def test_gray_writes_frames_of_one_channel(clean: Path, tmp_path: Path) -> None:
    subject = wrong(tmp_path, "gray")
    assert picture(subject, "image", 0).ndim == 2 and picture(subject, "image", 1).ndim == 2
    assert np.abs(picture(subject, "image") - picture(clean, "image") @ (0.114, 0.587, 0.299)).mean() < 2


def test_cmyk_writes_a_first_frame_of_four_channels(tmp_path: Path) -> None:
    from PIL import Image

    subject = wrong(tmp_path, "cmyk")
    modes = []
    for frame in ("0000", "0001"):
        with Image.open(subject / "images" / frame / f"image_{FRONT}.jpg") as image:
            modes.append(image.mode)
    assert modes == ["CMYK", "RGB"]


def test_faults_are_read_from_text() -> None:
    assert parse_fault(f"relit:{FRONT}") == Fault("relit", FRONT)
