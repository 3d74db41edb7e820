from __future__ import annotations

import cv2
import numpy as np
import pytest

from manifests.errors import InputFault, StoreFault
from matting_tasks.report_pictures import LONGEST_PX, VIEWS, encode_sheet, encode_view, shrink, views_of


def frame(colour: tuple[int, int, int] = (200, 100, 50), shape: tuple[int, int] = (20, 30)) -> np.ndarray:
    return np.full((*shape, 3), colour, dtype=np.uint8)


def half_mask(shape: tuple[int, int] = (20, 30)) -> np.ndarray:
    mask = np.zeros(shape, dtype=np.uint8)
    mask[:, : shape[1] // 2] = 255
    return mask


def test_all_views_are_made_of_one_size() -> None:
    views = views_of(frame(), half_mask(), frame())
    assert tuple(views) == VIEWS
    assert {view.shape for view in views.values()} == {(20, 30, 3)}
    assert all(view.dtype == np.uint8 for view in views.values())


def test_composites_keep_the_frame_inside_and_show_the_ground_outside() -> None:
    views = views_of(frame(), half_mask(), None)
    for name, colour in {"black": (0, 0, 0), "white": (255, 255, 255), "green": (0, 177, 64)}.items():
        assert tuple(views[name][5, 2]) == (200, 100, 50)
        assert tuple(views[name][5, 25]) == colour
    outside = views["checker"][:, 15:]
    assert set(np.unique(outside)) == {102, 153}


def test_half_an_alpha_is_half_of_both() -> None:
    mask = np.full((20, 30), 128, dtype=np.uint8)
    assert np.abs(views_of(frame((200, 200, 200)), mask, None)["white"].astype(int) - 227).max() <= 1


def test_a_difference_to_the_plate_shines_where_there_is_one() -> None:
    plate = frame()
    plate[10:, :] += 30
    difference = views_of(frame(), None, plate)["difference"].astype(int).sum(axis=2)
    assert difference[:10].max() < 10 < 100 < difference[10:].min()


def test_views_are_left_out_where_their_picture_is_missing() -> None:
    assert tuple(views_of(None, half_mask(), None)) == ("mask",)
    assert tuple(views_of(frame(), None, frame(shape=(8, 8)))) == ("frame",)
    assert views_of(None, None, None) == {}


def test_a_mask_of_another_size_is_named() -> None:
    with pytest.raises(InputFault, match="30x20.*10x10|10x10.*30x20"):
        views_of(frame(), np.zeros((10, 10), dtype=np.uint8), None)


@pytest.mark.parametrize(
    ("shape", "expected"), [((3208, 2200), (768, 527)), ((100, 50), (100, 50)), ((1, 9000), (1, 768))]
)
def test_large_pictures_shrink_and_small_ones_stay(shape: tuple[int, int], expected: tuple[int, int]) -> None:
    small = shrink(np.full(shape, 7, dtype=np.uint8))
    assert small.shape == expected and max(small.shape) <= LONGEST_PX and (small == 7).all()


def test_views_are_encoded_as_webp_with_their_colours() -> None:
    data = encode_view(frame(shape=(64, 64)))
    assert data[:4] == b"RIFF" and data[8:12] == b"WEBP"
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert np.abs(pixels[32, 32].astype(int) - (200, 100, 50)).max() < 12


def test_a_sheet_is_written_in_the_kind_asked_for_and_refused_where_it_is_too_large() -> None:
    assert encode_sheet(frame(), "png").startswith(b"\x89PNG")
    with pytest.raises(StoreFault, match="too large for webp|cannot be encoded as webp"):
        encode_sheet(np.zeros((4, 16384, 3), dtype=np.uint8), "webp")
