"""Own masks: what a recipe writes into a capture is no frame of it, and never lies where its frames do."""

from __future__ import annotations

import pytest
from fakes import make_recipe

from manifests.errors import UsageError
from manifests.layouts.outputs import mask_paths
from manifests.layouts.own_masks import OthersTree, check_apart_from_sources, written_by
from manifests.recipe import Recipe
from manifests.records import Frame
from manifests.storage_memory import MemoryFolder

TEMPLATE = "{subject}/{camera}/{frame}.png"
FRAME = Frame(7, 7, "031/c1/0007.png", "image", 1, "1")


def _recipe(output_layout: str, mask_format: str = "png", **changes: object) -> Recipe:
    return make_recipe(output_layout=output_layout, mask_format=mask_format, **changes)


@pytest.mark.parametrize(
    ("layout", "output_layout"),
    [
        ("gha", "gha"),
        ("gha", "{subject}/images/{frame:04d}/image_{camera}_alpha.png"),
        (TEMPLATE, "beside"),
        (TEMPLATE, "vhap"),
        ("{subject}/{camera}_{frame}.png", "vhap"),
        (TEMPLATE, "{subject}/masks/{frame:04d}.png"),
        (TEMPLATE, "masks/{subject}/{camera}_{frame:04d}.png"),
        ("{camera}_{frame}.png", "alpha_{camera}_{frame}.png"),
        ("nersemble-v2", "{subject}/sequences/{sequence}/images/{camera}_{frame}.png"),
    ],
)
def test_masks_of_both_sizes_are_left_out_and_frames_stay(layout: str, output_layout: str) -> None:
    recipe = _recipe(output_layout)
    check_apart_from_sources(recipe, layout)
    masks = list(mask_paths(recipe, "031", "EMO", "c1", FRAME))
    sources = ["031/c1/0007.png", "031/images/0007/image_c1.jpg", "031/c1_7.png", "c1_7.png"]
    capture = MemoryFolder(dict.fromkeys([*masks, *sources], b""))
    left = OthersTree(capture, written_by([recipe], layout))
    assert sorted(stat.path for stat in left.list()) == sorted(sources)
    assert left.children("031") == capture.children("031")


@pytest.mark.parametrize(
    ("layout", "plate", "output_layout", "mask_format"),
    [
        (TEMPLATE, "", "{subject}/{camera}/{frame:06d}.png", "png"),
        ("{subject}/{sequence}/cam_{camera}/{frame:06d}.png", "", "{subject}/{sequence}/{camera}/{frame}.png", "png"),
        (TEMPLATE, "", "{subject}/{sequence}/{camera}/{frame}.png", "png"),
        (TEMPLATE, "{subject}/plates/p_{camera}_1.png", "{subject}/plates/{camera}_{frame}.png", "png"),
        ("{subject}/mask_{camera}_{frame}.png", "", "beside", "png"),
        ("{subject}/alpha_maps/cam_{camera}_{frame}.png", "", "vhap", "png"),
        ("gha", "", "{subject}/images/{frame:04d}/image_{camera}.jpg", "jpg"),
        ("gha", "", "{subject}/images/{frame:04d}/visible_{camera}.jpg", "jpg"),
        ("gha", "", "{subject}/images/{frame:04d}/{camera}.png", "png"),
    ],
)
def test_an_output_layout_that_leads_onto_the_pictures_is_refused(
    layout: str, plate: str, output_layout: str, mask_format: str
) -> None:
    recipe = _recipe(output_layout, mask_format)
    with pytest.raises(UsageError, match="would lie where pictures of the capture lie.*{subject}/masks/"):
        check_apart_from_sources(recipe, layout, plate)
    assert written_by([recipe], layout, plate) == ()


def test_frame_files_are_left_out_and_kept_from_frames_that_are_called_alike() -> None:
    recipe = _recipe("gha", "jpg", write_frames=True)
    files = ["031/images/0007/image_c1.jpg", "031/cameras/0007/camera_c1.npz", "031/background/image_c1.jpg"]
    capture = MemoryFolder(dict.fromkeys(files, b""))
    assert not list(OthersTree(capture, written_by([recipe], "{subject}/{camera}_{frame}.png")).list())
    with pytest.raises(UsageError, match="another --out"):
        check_apart_from_sources(recipe, "{subject}/images/{frame}/image_{camera}.jpg")
