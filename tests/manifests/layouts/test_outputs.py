from __future__ import annotations

from collections.abc import Callable

import pytest

from manifests.errors import UsageError
from manifests.layouts.outputs import check_output_layout, fields_of, mask_paths, mask_regex, mask_root
from manifests.recipe import Recipe
from manifests.records import Frame

Recipes = Callable[..., Recipe]

PICTURE = Frame(7, 21, "031/images/0007/image_222200037.jpg", "image", 1, "1-0")
VIDEO = Frame(7, 7, "031/sequences/EMO-1-shout+laugh/images/cam_222200037.mp4", "video", 1, "1-0")
TAKE = "EMO-1-shout+laugh"


@pytest.mark.parametrize(
    ("layout", "mask_format", "frame", "full", "lowres"),
    [
        ("gha", "jpg", PICTURE, "031/images/0007/mask_222200037.jpg", "031/images/0007/mask_lowres_222200037.jpg"),
        ("gha", "png16", PICTURE, "031/images/0007/mask_222200037.png", "031/images/0007/mask_lowres_222200037.png"),
        (
            "beside",
            "jpg",
            PICTURE,
            "031/images/0007/mask_image_222200037.jpg",
            "031/images/0007/mask_lowres_image_222200037.jpg",
        ),
        (
            "beside",
            "png",
            VIDEO,
            f"031/sequences/{TAKE}/images/mask_cam_222200037_000007.png",
            f"031/sequences/{TAKE}/images/mask_lowres_cam_222200037_000007.png",
        ),
        (
            "vhap",
            "png",
            VIDEO,
            f"031/sequences/{TAKE}/alpha_maps/cam_222200037_000007.png",
            f"031/sequences/{TAKE}/alpha_maps_lowres/cam_222200037_000007.png",
        ),
        (
            "{subject}/{sequence}/fg_masks/{source_frame:05d}_{camera}.png",
            "png",
            PICTURE,
            f"031/{TAKE}/fg_masks/00021_222200037.png",
            f"031/{TAKE}/fg_masks/lowres_00021_222200037.png",
        ),
    ],
)
def test_masks_lie_where_the_layout_says(
    make_recipe: Recipes, layout: str, mask_format: str, frame: Frame, full: str, lowres: str
) -> None:
    recipe = make_recipe(output_layout=layout, mask_format=mask_format)
    assert mask_paths(recipe, "031", TAKE, "222200037", frame) == (full, lowres)


def test_names_that_a_capture_lacks_leave_no_empty_folder(make_recipe: Recipes) -> None:
    frame = Frame(3, 3, "frame_3.jpg", "image", 1, "1-0")
    for layout, full in (
        ("gha", "images/0003/mask_.jpg"),
        ("beside", "mask_frame_3.jpg"),
        ("vhap", "alpha_maps/cam__000003.jpg"),
        ("{subject}/{sequence}/m{frame}.jpg", "m3.jpg"),
    ):
        assert mask_paths(make_recipe(output_layout=layout), "", "", "", frame).full == full


@pytest.mark.parametrize(
    ("layout", "reason"),
    [
        ("nerfies", "has no {frame}"),
        ("{subject}/{camera}.png", "has no {frame}"),
        ("{subjct}/{frame}.png", "unknown field {subjct}"),
        ("{frame.png", "is no pattern"),
        ("{frame:zz}.png", "cannot be filled in"),
        ("/{frame}.png", "leads out"),
        ("../{frame}.png", "leads out"),
        ("{frame}.jpg", "must end in .png"),
    ],
)
def test_a_pattern_that_cannot_be_followed_is_refused_with_the_reason(layout: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        check_output_layout(layout, "png")


def test_known_layouts_and_whole_patterns_pass() -> None:
    for layout in ("gha", "beside", "vhap", "{subject}/{sequence}/{camera}/{frame:06d}.png"):
        check_output_layout(layout, "png")


def test_the_gha_layout_does_not_tell_sequences_apart() -> None:
    assert "sequence" not in fields_of("gha")
    assert "sequence" in fields_of("vhap") and "sequence" in fields_of("beside")
    assert fields_of("{camera}/{frame:03d}.png") == {"camera", "frame"}


SHAPES = [
    "gha",
    "beside",
    "vhap",
    "{subject}/masks/{sequence}/{camera}/m{frame:05d}.jpg",
    "{camera}-{source_frame}.jpg",
]


@pytest.mark.parametrize("layout", SHAPES)
@pytest.mark.parametrize("sequence", ["", TAKE])
@pytest.mark.parametrize("subject", ["", "031"])
def test_every_mask_matches_the_shape_of_its_layout_and_lies_in_its_root(
    make_recipe: Recipes, layout: str, sequence: str, subject: str
) -> None:
    recipe = make_recipe(output_layout=layout, mask_format="png" if layout == "vhap" else "jpg")
    root = mask_root(layout, subject)
    for frame in (PICTURE, VIDEO):
        for path in mask_paths(recipe, subject, sequence, "222200037", frame):
            assert mask_regex(layout).fullmatch(path), path
            assert root is None or not root or path.startswith(f"{root}/")


@pytest.mark.parametrize("layout", SHAPES)
def test_frames_plates_and_videos_match_no_shape(layout: str) -> None:
    for path in ("031/images/0007/image_222200037.jpg", "031/background/image_A.jpg", VIDEO.path, "031/mask.mp4"):
        assert not mask_regex(layout).fullmatch(path)


@pytest.mark.parametrize(
    ("layout", "root"),
    [
        ("gha", "031"),
        ("vhap", "031"),
        ("beside", None),
        ("a/{subject}/b/{camera}/{frame}.jpg", "a/031/b"),
        ("s_{subject}/{frame}.jpg", "s_031"),
        ("{camera}/{subject}_{frame}.jpg", ""),
    ],
)
def test_the_root_is_the_deepest_folder_of_a_subject(layout: str, root: str | None) -> None:
    assert mask_root(layout, "031") == root
