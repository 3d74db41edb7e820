from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from videos import overwrite, packet_places, read_stamp, stamps, write_video

from manifests.errors import UsageError
from matting_tasks.video_clock import Clock
from matting_tasks.video_source import Resize, Size, gaps_of, open_source


def write_pictures(folder: Path, numbers: list[int], size: tuple[int, int] = (64, 96)) -> Path:
    folder.mkdir(exist_ok=True)
    for number, picture in zip(numbers, stamps(len(numbers), *size), strict=True):
        cv2.imwrite(str(folder / f"f_{number}.png"), picture[:, :, ::-1])
    return folder


def test_a_video_is_read_in_order_at_its_rate(tmp_path: Path) -> None:
    source = open_source(write_video(tmp_path / "a.mp4", stamps(5), rate=30), None, Resize())
    assert (source.info.n_frames, source.info.size, source.info.clock) == (
        5,
        (96, 64),
        Clock(Fraction(30), Fraction(1, 30)),
    )
    assert [read_stamp(pixels) for place in range(5) if (pixels := source.read(place).pixels) is not None] == [
        *range(5)
    ]
    source.close()


@pytest.mark.parametrize("rotation", [90, -90, 180])
def test_a_turned_video_is_brought_upright(tmp_path: Path, rotation: int) -> None:
    corner = np.full((64, 96, 3), 20, np.uint8)
    corner[:20, :20] = 235  # top left
    video = write_video(tmp_path / "a.mp4", [corner] * 2, rotation=rotation)
    source = open_source(video, None, Resize())
    pixels = source.read(0).pixels
    assert pixels is not None and pixels.shape == (*reversed(source.info.size), 3)
    # players turn by the display matrix, counterclockwise
    rows, columns = {90: (slice(-10, None), slice(0, 10)), -90: (slice(0, 10), slice(-10, None))}.get(
        rotation, (slice(-10, None), slice(-10, None))
    )
    assert pixels[rows, columns].mean() > 200 and pixels.mean() < 60
    source.close()


def test_a_turned_video_is_brought_upright_though_it_begins_with_damage(tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", stamps(4), rotation=90, g=1, bf=0)
    offset, size, _ = packet_places(video)[0]
    source = open_source(overwrite(video, offset + 5, b"\xff" * (size - 5)), None, Resize())
    assert source.info.size == (64, 96) and source.read(0).fault is not None
    assert [source.read(place).fault for place in (1, 2, 3)] == [None] * 3
    source.close()


@pytest.mark.parametrize("name", ["a.avi", "a.mkv", "a.ts", "a.webm"])
def test_other_containers_have_a_rate_too(tmp_path: Path, name: str) -> None:
    codec = "vp9" if name.endswith("webm") else "h264"
    source = open_source(write_video(tmp_path / name, stamps(6), codec, rate=30), None, Resize())
    read = [source.read(place) for place in range(6)]
    assert source.info.clock == Clock(Fraction(30), Fraction(1, 30))
    assert [read_stamp(frame.pixels) for frame in read if frame.pixels is not None] == [*range(6)]
    source.close()


def test_frames_are_resized(tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", stamps(2))
    for resize, wanted in (
        (Resize(factor=0.5), (48, 32)),
        (Resize(Size(50, 31)), (50, 31)),
        (Resize(factor=2), (192, 128)),
    ):
        source = open_source(video, None, resize)
        pixels = source.read(1).pixels
        assert pixels is not None and source.info.size == wanted == (pixels.shape[1], pixels.shape[0])
        assert read_stamp(pixels) == 1 and source.info.native == (96, 64)
        source.close()


def test_a_size_of_another_aspect_changes_the_shape_of_a_pixel(tmp_path: Path) -> None:
    source = open_source(write_video(tmp_path / "a.mp4", stamps(1)), None, Resize(Size(48, 64)))
    assert source.info.pixel_aspect == 2
    source.close()


def test_a_damaged_frame_is_a_fault_in_its_place(tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", stamps(6), g=1, bf=0)
    offset, size, _ = packet_places(video)[3]
    source = open_source(overwrite(video, offset + 12, b"\xff" * (size - 12)), None, Resize())
    read = [source.read(place) for place in range(6)]
    assert [frame.place for frame in read if frame.fault is not None] == [3]
    assert [read_stamp(frame.pixels) for frame in read if frame.pixels is not None] == [0, 1, 2, 4, 5]
    source.close()


def test_pictures_keep_their_numbers_and_get_a_rate(tmp_path: Path) -> None:
    source = open_source(write_pictures(tmp_path / "shot", [3, 4, 12]), Fraction(24), Resize())
    assert (source.info.n_frames, source.info.clock.rate, gaps_of(source.info)) == (3, 24, 7)
    assert [source.info.number_of(place) for place in range(3)] == [3, 4, 12]
    assert read_stamp(source.read(2).pixels) == 2  # type: ignore[arg-type]


def test_a_picture_of_another_size_or_none_is_a_fault(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "shot", [1, 2, 3])
    cv2.imwrite(str(folder / "f_2.png"), np.zeros((10, 10, 3), np.uint8))
    (folder / "f_3.png").write_bytes(b"nothing")
    source = open_source(folder, None, Resize())
    faults = [str(source.read(place).fault) for place in range(3)]
    assert faults[0] == "None" and "10x10, the others are 96x64" in faults[1] and "f_3.png" in faults[2]


def test_what_is_neither_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video at all")
    with pytest.raises(UsageError, match="cannot be used as a video: not a video.*Name a video"):
        open_source(tmp_path / "a.mp4", None, Resize())
    with pytest.raises(UsageError, match="--rate is for pictures"):
        open_source(write_video(tmp_path / "b.mp4", stamps(1)), Fraction(25), Resize())
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.png").write_bytes(b"no picture")
    with pytest.raises(UsageError, match="none of its 1 pictures"):
        open_source(tmp_path / "bad", None, Resize())
