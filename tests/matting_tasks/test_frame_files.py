from __future__ import annotations

import cv2
import imageio.v3
import numpy as np
import pytest
from fakes import draw_picture

from manifests.errors import InputFault, StoreFault
from manifests.layouts import gha
from matting_tasks.decode import decode_image
from matting_tasks.frame_files import (
    encode_frame_files,
    encode_jpeg,
    encode_plate_file,
    encode_target_files,
    frame_file_paths,
    plate_path,
)
from matting_tasks.geometry import apply, geometry_of, visible_pixels

SIZE = (550, 802)


def smooth_picture(width: int, height: int) -> np.ndarray:
    """Return (height, width, 3) uint8: gradients that differ between the channels."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([255 * x // width, 255 * y // height, 255 - 255 * x // width], axis=2).astype(np.uint8)


def test_a_frame_has_four_pictures_of_the_target_size_and_256() -> None:
    files = encode_frame_files(smooth_picture(*SIZE), geometry_of("gha", *SIZE))
    sizes = {kind: imageio.v3.imread(data).shape for kind, data in files.items()}
    assert sizes == {
        "image": (512, 512, 3),
        "image_lowres": (256, 256, 3),
        "visible": (512, 512, 3),
        "visible_lowres": (256, 256, 3),
    }


def test_images_are_the_frame_behind_the_geometry_in_rgb() -> None:
    geometry, picture = geometry_of("gha", *SIZE), smooth_picture(*SIZE)
    target = apply(geometry, picture)
    files = encode_frame_files(picture, geometry)
    image, lowres = (decode_image(files[kind]).pixels.astype(int) for kind in ("image", "image_lowres"))
    assert np.abs(image - target).mean() < 1.5
    averages = target.reshape(256, 2, 256, 2, 3).mean(axis=(1, 3))
    assert np.abs(lowres - averages).mean() < 1.5


def test_a_frame_that_went_through_the_geometry_gives_the_same_files() -> None:
    geometry, picture = geometry_of("gha", *SIZE), draw_picture(3, SIZE[1], SIZE[0])
    assert encode_target_files(apply(geometry, picture), geometry) == encode_frame_files(picture, geometry)


def test_a_plate_goes_through_the_same_geometry() -> None:
    geometry, picture = geometry_of("gha", *SIZE), smooth_picture(*SIZE)
    assert encode_plate_file(picture, geometry) == encode_frame_files(picture, geometry)["image"]


@pytest.mark.parametrize(
    ("name", "size"),
    [("gha", (2200, 3208)), ("gha", SIZE), ("gha", (734, 1070)), ("gha", (440, 642)), ("half", (31, 45))],
)
def test_visible_files_decode_to_the_visible_pixels(name: str, size: tuple[int, int]) -> None:
    geometry = geometry_of(name, *size)
    target = np.zeros((geometry.target.height, geometry.target.width, 3), np.uint8)
    files = encode_target_files(target, geometry)
    decoded = imageio.v3.imread(files["visible"])
    assert (np.ptp(decoded, axis=2) == 0).all()
    assert np.array_equal(decoded[:, :, 0] >= 128, visible_pixels(geometry))
    lowres = imageio.v3.imread(files["visible_lowres"])[:, :, 0]
    share = cv2.resize(visible_pixels(geometry).astype(np.float32), (256, 256), interpolation=cv2.INTER_AREA)
    assert (lowres[share > 0.75] >= 128).all() and (lowres[share < 0.25] < 128).all()
    for values in (decoded, lowres):
        assert ((values < 48) | (values > 208)).all()  # far from 128, so that any decoder agrees


def test_visible_files_do_not_depend_on_the_frame() -> None:
    geometry = geometry_of("gha", *SIZE)
    first = encode_frame_files(draw_picture(1, SIZE[1], SIZE[0]), geometry)
    second = encode_frame_files(draw_picture(2, SIZE[1], SIZE[0]), geometry)
    assert first["image"] != second["image"]
    assert all(first[kind] == second[kind] for kind in ("visible", "visible_lowres"))


def test_a_frame_of_another_size_is_refused() -> None:
    with pytest.raises(InputFault, match="30x20 pixels; 550x802 were expected"):
        encode_frame_files(draw_picture(1, 20, 30), geometry_of("gha", *SIZE))


def test_gray_and_colour_are_encoded() -> None:
    gray = smooth_picture(64, 48)[:, :, 0]
    assert np.abs(imageio.v3.imread(encode_jpeg(gray)).astype(int) - gray).max() <= 4
    colour = decode_image(encode_jpeg(np.full((16, 16, 3), (250, 10, 40), np.uint8))).pixels
    assert np.abs(colour.astype(int) - (250, 10, 40)).max() <= 4


def test_a_picture_that_jpeg_cannot_hold_is_a_fault_that_names_its_size() -> None:
    with pytest.raises(StoreFault, match="70000x2 pixels"):
        encode_jpeg(np.zeros((2, 70000), np.uint8))


def test_files_lie_where_the_layout_has_them() -> None:
    assert frame_file_paths("031", 7, "222200037") == {
        "image": "031/images/0007/image_222200037.jpg",
        "image_lowres": "031/images/0007/image_lowres_222200037.jpg",
        "visible": "031/images/0007/visible_222200037.jpg",
        "visible_lowres": "031/images/0007/visible_lowres_222200037.jpg",
        "camera": "031/cameras/0007/camera_222200037.npz",
    }
    assert frame_file_paths("031", 12345, "1")["camera"] == "031/cameras/12345/camera_1.npz"
    assert plate_path("031", "222200037") == "031/background/image_222200037.jpg"


def test_the_layout_finds_the_files_again() -> None:
    paths = frame_file_paths("031", 7, "222200037") | {"plate": plate_path("031", "222200037")}
    found = {kind: gha.parse(path.removeprefix("031/")) for kind, path in paths.items()}
    assert {kind: (one.role, one.camera, one.frame) for kind, one in found.items() if one is not None} == {
        "image": ("frame", "222200037", 7),
        "visible": ("visible", "222200037", 7),
        "plate": ("plate", "222200037", -1),
    }
