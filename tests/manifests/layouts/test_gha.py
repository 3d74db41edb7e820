"""The layout of Gaussian-Head-Avatar: what a path is, and where masks go."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.layouts import gha
from manifests.layouts.base import Found

SERIALS = st.from_regex(r"[0-9]{9}", fullmatch=True)


@pytest.mark.parametrize(
    ("path", "role", "camera", "frame"),
    [
        ("images/0012/image_222200037.jpg", "frame", "222200037", 12),
        ("images/0012/image_222200037.PNG", "frame", "222200037", 12),
        ("images/123456/image_222200037.jpeg", "frame", "222200037", 123456),
        ("images/0000/visible_222200037.jpg", "visible", "222200037", 0),
        ("images/0000/mask_222200037.jpg", "mask", "222200037", 0),
        ("background/image_222200037.jpg", "plate", "222200037", -1),
        ("images/0003/image_front_left.jpg", "frame", "front_left", 3),
    ],
)
def test_parse_names_role_camera_and_frame_when_a_path_is_of_the_layout(
    path: str, role: str, camera: str, frame: int
) -> None:
    assert gha.parse(path) == Found(role, "", camera, frame)


@pytest.mark.parametrize(
    "path",
    [
        "images/0012/image_222200037.txt",
        "images/0012/image_222200037.jpg.part",
        "images/0012/image_lowres_222200037.jpg",
        "images/0012/visible_lowres_222200037.jpg",
        "images/0012/image_.jpg",
        "images/first/image_222200037.jpg",
        "images/0012/deeper/image_222200037.jpg",
        "images/image_222200037.jpg",
        "backup/images/0012/image_222200037.jpg",
        "background/mask_222200037.jpg",
        "cameras/0000/camera_222200037.npz",
        "",
    ],
)
def test_parse_gives_none_when_a_path_is_something_else(path: str) -> None:
    assert gha.parse(path) is None


def test_parse_gives_none_when_another_size_of_a_frame_is_in_capitals() -> None:
    assert gha.parse("images/0012/IMAGE_LOWRES_222200037.JPG") is None


@given(subject=st.text("abc0123_-", min_size=1), frame=st.integers(0, 10**6), camera=SERIALS)
def test_mask_paths_are_read_back_as_masks_of_their_frame(subject: str, frame: int, camera: str) -> None:
    full, lowres = gha.mask_path(subject, frame, camera), gha.lowres_path(subject, frame, camera)
    assert full != lowres
    for path in (full, lowres):
        assert path.startswith(f"{subject}/")
        found = gha.parse(path.removeprefix(f"{subject}/"))
        assert found is not None
        assert (found.role, found.frame) == ("mask", frame)


def test_mask_paths_lie_where_the_upstream_project_looks_for_them() -> None:
    assert gha.mask_path("031", 7, "222200037") == "031/images/0007/mask_222200037.jpg"
    assert gha.lowres_path("031", 7, "222200037") == "031/images/0007/mask_lowres_222200037.jpg"


def test_parse_names_the_camera_when_a_mask_is_lowres() -> None:
    assert gha.parse("images/0012/mask_lowres_222200037.jpg") == Found("mask", "", "222200037", 12)


def test_the_description_is_an_example_that_parses() -> None:
    frame, plate = gha.describe().split(" with plates ")
    example = frame.removeprefix("<subject>/").replace("<frame:04d>", "0001").replace("<camera>", "222200037")
    assert gha.parse(example) == Found("frame", "", "222200037", 1)
    assert gha.parse(plate.removeprefix("<subject>/").replace("<camera>", "222200037")) == Found(
        "plate", "", "222200037"
    )
