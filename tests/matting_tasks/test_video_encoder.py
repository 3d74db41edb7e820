from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from fakes import draw_picture
from video_fakes import decode
from videos import read_stamp, stamp

from manifests.errors import StoreFault
from matting_tasks.decode_video import VideoReader
from matting_tasks.video_clock import Clock
from matting_tasks.video_encoder import VideoWriter
from matting_tasks.video_source import Size, VideoInfo
from matting_tasks.video_target import Form, Target

RATE = Fraction(30000, 1001)


def info_of(size: tuple[int, int], n_frames: int, clock: Clock | None = None) -> VideoInfo:
    return VideoInfo("a", Size(*size), Size(*size), n_frames, n_frames, clock or Clock(RATE, 1 / RATE))


def write(target: Target, info: VideoInfo, pictures: list[np.ndarray]) -> Path:
    writer = VideoWriter(target, info)
    for place, picture in enumerate(pictures):
        writer.write(place, picture)
    writer.finish()
    assert not target.path.exists()
    writer.commit()
    writer.close()
    return target.path


def test_lossless_video_decodes_to_the_same_bytes(tmp_path: Path) -> None:
    info = info_of((65, 31), 4)
    alphas = [draw_picture(number, 31, 65)[:, :, 0] for number in range(4)]
    found, rate, _ = decode(write(Target(tmp_path, "alpha", "ffv1"), info, alphas))
    assert rate == RATE and all(np.array_equal(a, b) for a, b in zip(found, alphas, strict=True))
    colours = [draw_picture(number, 31, 65) for number in range(4)]
    found, _, _ = decode(write(Target(tmp_path, "composite", "ffv1"), info, colours))
    assert all(np.array_equal(a, b) for a, b in zip(found, colours, strict=True))


def patches(width: int, height: int) -> np.ndarray:
    """Draw eight flat colours, saturated ones among them, in a row."""
    colours = [
        (255, 0, 0),
        (0, 255, 0),
        (0, 0, 255),
        (255, 255, 0),
        (0, 255, 255),
        (255, 0, 255),
        (200, 120, 90),
        (9, 9, 9),
    ]
    picture = np.zeros((height, width, 3), np.uint8)
    for place, colour in enumerate(colours):
        picture[:, place * 16 : place * 16 + 16] = colour
    return picture


@pytest.mark.parametrize(("size", "pix_fmt"), [((128, 64), "yuv420p"), ((127, 63), "yuv444p")])
@pytest.mark.parametrize("name", ["alpha", "composite"])
def test_mp4_keeps_size_rate_and_colours(tmp_path: Path, size: tuple[int, int], pix_fmt: str, name: str) -> None:
    picture = patches(*size)[:, :, 0] if name == "alpha" else patches(*size)
    path = write(Target(tmp_path, name, "mp4"), info_of(size, 5), [picture] * 5)
    found, rate, _ = decode(path)
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.pix_fmt == pix_fmt
    assert rate == RATE and len(found) == 5
    with VideoReader(path) as ours:
        for number, other in enumerate(found):
            for made in (ours.read(number), other):
                assert made.shape == (size[1], size[0], 3)
                for left in range(0, 128, 16):
                    inside = slice(8, 56), slice(left + 4, left + 12)
                    wanted = np.broadcast_to(picture[inside].mean((0, 1)), 3)
                    assert np.abs(made[inside].mean((0, 1)) - wanted).max() < 3


@pytest.mark.parametrize("form", ["mp4", "ffv1"])
def test_frames_keep_their_times_where_the_rate_varies(tmp_path: Path, form: Form) -> None:
    times = (0, 300, 500, 1700, 1800, 2500, 2600)
    clock = Clock(Fraction(6 * 1000, 2600), Fraction(1, 1000), times)
    path = write(Target(tmp_path, "composite", form), info_of((64, 64), 6, clock), [stamp(n, 64, 64) for n in range(6)])
    pictures, rate, found = decode(path)
    assert found == [Fraction(time, 1000) for time in times[:-1]]
    assert [read_stamp(picture) for picture in pictures] == [*range(6)]
    if form == "mp4":  # Matroska has no rate then
        assert rate == clock.rate


def test_a_bitrate_is_kept(tmp_path: Path) -> None:
    noise = [np.random.default_rng(n).integers(0, 256, (128, 128, 3), dtype=np.uint8) for n in range(60)]
    sizes = {}
    for bit_rate in (200_000, 800_000):
        target = Target(tmp_path / f"{bit_rate}", "composite", "mp4", bit_rate)
        target.folder.mkdir()
        sizes[bit_rate] = write(target, info_of((128, 128), 60), noise).stat().st_size * 8 / 2
    assert 2 < sizes[800_000] / sizes[200_000] < 8


def test_pixels_that_are_not_square_and_their_primaries_are_said(tmp_path: Path) -> None:
    info = replace(info_of((64, 64), 1), pixel_aspect=Fraction(4, 3), primaries=9, transfer=16)
    path = write(Target(tmp_path, "composite", "mp4"), info, [stamp(1, 64, 64)])
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        assert container.streams.video[0].sample_aspect_ratio == Fraction(4, 3)
    assert (int(frame.color_primaries), int(frame.color_trc), int(frame.colorspace)) == (9, 16, 1)


def test_what_is_not_committed_is_removed(tmp_path: Path) -> None:
    writer = VideoWriter(Target(tmp_path, "alpha", "mp4"), info_of((64, 64), 3))
    writer.write(0, stamp(0, 64, 64))
    writer.close()
    writer.close()
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_a_store_fault(tmp_path: Path) -> None:
    with pytest.raises(StoreFault, match="alpha.mp4 cannot be written"):
        write(Target(tmp_path / "gone", "alpha", "mp4"), info_of((64, 64), 3), [stamp(0, 64, 64)])
