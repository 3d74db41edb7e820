from __future__ import annotations

import gc
import random
import subprocess
import sys
import weakref
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from videos import overwrite, read_stamp, stamp, stamps, write_video

from manifests.errors import InputFault
from matting_tasks.decode_video import VideoReader, probe_video

N = 48
KINDS: dict[str, tuple[str, dict[str, object]]] = {
    "h264 with B-frames": ("mp4", {"bf": 3, "g": 12}),
    "h264 without B-frames": ("mp4", {"bf": 0, "g": 12}),
    "h264 with open GOPs": ("mp4", {"bf": 3, "g": 12, "x264_params": "open-gop=1:scenecut=0"}),
    "h264 with one keyframe": ("mp4", {"bf": 3, "g": 250}),
    "h264 that refreshes by columns": ("mp4", {"bf": 0, "g": 12, "x264_params": "intra-refresh=1"}),
    "h264, faststart": ("mp4", {"bf": 3, "g": 12, "faststart": True}),
    "h264 in fragments": ("mp4", {"bf": 3, "g": 12, "container_options": {"movflags": "frag_keyframe"}}),
    "h264 in mov": ("mov", {"bf": 3, "g": 12}),
    "h264 in mkv": ("mkv", {"bf": 3, "g": 12}),
    "h264 in avi": ("avi", {"bf": 3, "g": 12}),
    "h264 in a transport stream": ("ts", {"bf": 3, "g": 12}),
    "raw h264": ("h264", {"bf": 3, "g": 12}),
    "hevc with open GOPs": ("mp4", {"codec": "hevc", "g": 12}),
    "hevc with closed GOPs": ("mp4", {"codec": "hevc", "g": 12, "x265_params": "open-gop=0"}),
    "raw hevc": ("hevc", {"codec": "hevc", "g": 12}),
    "mpeg4 with B-frames": ("mp4", {"codec": "mpeg4", "bf": 2, "g": 12}),
    "vp9": ("webm", {"codec": "vp9", "g": 12, "deadline": "realtime", "cpu-used": 8}),
    "ffv1": ("mkv", {"codec": "ffv1"}),
    "mjpeg": ("avi", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
}


@pytest.fixture(scope="module", params=KINDS)
def video(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    ending, options = KINDS[request.param]
    path = tmp_path_factory.mktemp("videos") / f"EMO-1-shout+laugh.{ending}"
    return write_video(path, stamps(N), **options)  # type: ignore[arg-type]


def numbers_of(path: Path, wanted: list[int], n_threads: int = 2) -> list[int | str]:
    """Return for each wanted frame the number that its picture shows, or the status of its fault."""
    found: list[int | str] = []
    with VideoReader(path, n_threads) as reader:
        for number in wanted:
            try:
                found.append(read_stamp(reader.read(number)))
            except InputFault as fault:
                found.append(fault.status)
    return found


def test_every_frame_is_the_one_that_is_asked_for(video: Path) -> None:
    assert numbers_of(video, list(range(N))) == list(range(N))


@pytest.mark.parametrize("n_threads", [1, 3])
def test_ranges_strides_and_leaps_give_the_frames_that_are_asked_for(video: Path, n_threads: int) -> None:
    rng = random.Random(3)
    leaps = [sorted(rng.sample(range(N), 3)) for _ in range(6)]
    for wanted in (list(range(0, N, 3)), list(range(17, 29)), [N - 1], [0, N - 1], [0, 0, 5, 5], *leaps):
        assert numbers_of(video, wanted, n_threads) == wanted


def test_a_frame_behind_the_end_is_a_short_video(video: Path) -> None:
    with VideoReader(video) as reader:
        assert reader.n_frames == N
        reader.read(N - 1)
        for number in (N, N + 100):
            with pytest.raises(InputFault) as caught:
                reader.read(number)
            assert caught.value.status == "short_video"
            assert caught.value.message == f"the video has {N} frames, frame {number} is wanted"


def test_the_header_counts_every_frame(video: Path) -> None:
    header = probe_video(video)
    assert (header.n_frames, header.width, header.height) == (N, 96, 64)
    if video.suffix not in (".h264", ".hevc", ".ts"):
        assert header.rate == 73


def test_pixels_do_not_depend_on_threads_and_seeks(video: Path) -> None:
    with VideoReader(video, 1) as one, VideoReader(video, 4) as four:
        for number in range(N):
            pixels = one.read(number)
            assert np.array_equal(pixels, four.read(number))
            if number % 11 == 7:
                with VideoReader(video, 2) as alone:
                    assert np.array_equal(pixels, alone.read(number))


def test_pixels_are_rgb_in_memory_of_their_own(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", stamps(8))
    with VideoReader(path) as reader:
        first = reader.read(0)
        kept = first.copy()
        first[:4] = 7
        again = reader.read(0)
        for number in range(1, 8):
            reader.read(number)
    assert first.dtype == np.uint8 and first.shape == (64, 96, 3) and first.flags.c_contiguous and first.flags.writeable
    assert np.array_equal(again, kept)


def test_frames_are_read_forward_only(tmp_path: Path) -> None:
    with VideoReader(write_video(tmp_path / "v.mp4", stamps(8))) as reader:
        reader.read(5)
        for number in (4, -1):
            with pytest.raises(ValueError, match="forward"):
                reader.read(number)
        assert read_stamp(reader.read(6)) == 6


def test_a_variable_frame_rate_changes_no_number(tmp_path: Path) -> None:
    times = sorted(random.Random(1).sample(range(400), N))
    path = write_video(tmp_path / "v.mp4", stamps(N), bf=3, g=12, times=times)
    assert probe_video(path).n_frames == N
    assert numbers_of(path, list(range(N))) == list(range(N))
    assert numbers_of(path, [7, 30, 31]) == [7, 30, 31]


def test_a_rate_that_is_no_whole_number_is_kept(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", stamps(4), rate=Fraction(30000, 1001))
    assert probe_video(path).rate == Fraction(30000, 1001)


@pytest.mark.parametrize("n_hidden", [0, 1, 5, 12, 17])
def test_frames_that_an_edit_list_hides_do_not_count(tmp_path: Path, n_hidden: int) -> None:
    path = write_video(tmp_path / "v.mp4", stamps(N), bf=3, g=12)
    data = path.read_bytes()
    entry = data.index(b"elst") + 12  # version and flags, number of entries; then duration, media time
    begin = int.from_bytes(data[entry + 4 : entry + 8])
    overwrite(path, entry + 4, (begin + n_hidden * 256).to_bytes(4))
    shown = list(range(n_hidden, N))
    assert probe_video(path).n_frames == len(shown)
    assert numbers_of(path, list(range(len(shown)))) == shown
    assert numbers_of(path, [3, 15, 25]) == [shown[3], shown[15], shown[25]]


MATRICES = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "smpte240m": (0.212, 0.087), "bt2020": (0.2627, 0.0593)}
COLOURS = np.array(
    [(200, 30, 40), (20, 180, 60), (40, 60, 220), (230, 220, 30), (90, 90, 90), (255, 255, 255), (0, 0, 0)]
)


def yuv_patches(matrix: str, is_full: bool, height: int, n_bits: int, planes: str) -> av.VideoFrame:
    """Draw the colours as columns of 16 pixels, by the equations of ITU-T H.273 (8.3), not by swscale."""
    k_r, k_b = MATRICES[matrix]
    rgb = COLOURS / 255
    luma = rgb @ (k_r, 1 - k_r - k_b, k_b)
    blue, red = (rgb[:, 2] - luma) / (2 * (1 - k_b)), (rgb[:, 0] - luma) / (2 * (1 - k_r))
    scale, top = 1 << n_bits - 8, (1 << n_bits) - 1
    levels = (
        (luma * top, blue * top + 128 * scale, red * top + 128 * scale)
        if is_full
        else ((219 * luma + 16) * scale, (224 * blue + 128) * scale, (224 * red + 128) * scale)
    )
    frame = av.VideoFrame(16 * len(COLOURS), height, planes)
    for plane, values in zip(frame.planes, levels, strict=False):
        row = np.repeat(np.rint(values).clip(0, top), 16 * plane.width // frame.width).astype(
            "<u2" if n_bits > 8 else "u1"
        )
        padded = np.zeros((plane.height, plane.line_size), np.uint8)
        padded[:, : row.nbytes] = row.view(np.uint8)
        plane.update(padded)
    return frame


SUBSAMPLINGS = [("yuv420p", 8), ("yuv444p", 8), ("yuv420p10le", 10), ("yuv422p10le", 10)]


def colours_of(path: Path) -> np.ndarray:
    with VideoReader(path) as reader:
        pixels = reader.read(0)
    assert pixels.shape[1] == 16 * len(COLOURS)
    return pixels[pixels.shape[0] // 2, 8::16].astype(int)


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("is_full", [False, True])
@pytest.mark.parametrize(
    ("planes", "n_bits"), [("yuv420p", 8), ("yuv444p", 8), ("yuv420p10le", 10), ("yuv422p10le", 10)]
)
def test_colours_are_those_that_the_tags_name(
    tmp_path: Path, matrix: str, is_full: bool, planes: str, n_bits: int
) -> None:
    frame = yuv_patches(matrix, is_full, 64, n_bits, planes)
    path = write_video(tmp_path / "v.mp4", [frame], pix_fmt=planes, colour=matrix, full_range=is_full, crf=1)
    assert np.abs(colours_of(path) - COLOURS).max() <= 3


@pytest.mark.parametrize(("height", "matrix"), [(576, "bt601"), (704, "bt601"), (720, "bt709"), (1080, "bt709")])
def test_untagged_colours_are_taken_as_players_take_them(tmp_path: Path, height: int, matrix: str) -> None:
    path = write_video(tmp_path / "v.mp4", [yuv_patches(matrix, False, height, 8, "yuv420p")], crf=1)
    assert np.abs(colours_of(path) - COLOURS).max() <= 3


@pytest.mark.parametrize(
    ("codec", "ending", "planes"),
    [("ffv1", "mkv", "bgr0"), ("ffv1", "mkv", "gbrp10le"), ("mjpeg", "mov", "yuvj444p"), ("png", "mov", "rgb48be")],
)
def test_full_range_formats_keep_their_colours(tmp_path: Path, codec: str, ending: str, planes: str) -> None:
    picture = np.repeat(COLOURS.astype(np.uint8)[None], 16, axis=1).repeat(32, axis=0)
    path = write_video(tmp_path / f"v.{ending}", [picture], codec, pix_fmt=planes, full_range=True)
    assert np.abs(colours_of(path) - COLOURS).max() <= 3


def test_gray_is_replicated_and_noted(tmp_path: Path) -> None:
    levels = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (64, 1))
    path = write_video(tmp_path / "v.mkv", [np.stack([levels] * 3, axis=-1)], "ffv1", pix_fmt="gray")
    with VideoReader(path) as reader:
        pixels = reader.read(0)
        assert reader.note == "gray picture, channels replicated"
    assert np.ptp(pixels, axis=-1).max() == 0
    assert np.abs(pixels[..., 0].astype(int) - levels).max() <= 1


def test_an_alpha_channel_is_dropped_and_noted(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mkv", stamps(2), "ffv1", pix_fmt="yuva420p")
    with VideoReader(path) as reader:
        assert read_stamp(reader.read(1)) == 1
        assert reader.note == "alpha channel dropped"


def test_a_rotation_is_ignored_and_noted(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", stamps(2), rotation=90)
    with VideoReader(path) as reader:
        assert reader.note is None
        assert reader.read(0).shape == (64, 96, 3)
        assert reader.note is not None and "rotation of" in reader.note and "90 degrees ignored" in reader.note
    with VideoReader(write_video(tmp_path / "upright.mp4", stamps(2))) as reader:
        reader.read(0)
        assert reader.note is None


def test_an_odd_name_is_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("file:a+b.mp4", "concat:x|y.mp4", "%03d.mp4"):
        (tmp_path / name).write_bytes(write_video(tmp_path / "v.mp4", stamps(4)).read_bytes())
        assert numbers_of(Path(name), [0, 3]) == [0, 3]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the peak of memory as Linux tells it")
def test_memory_does_not_grow_with_the_length_of_a_video(tmp_path: Path) -> None:
    script = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from matting_tasks.decode_video import VideoReader\n"
        "with VideoReader(Path(sys.argv[1]), 2) as reader:\n"
        "    for number in range(reader.n_frames):\n"
        "        reader.read(number)\n"
        "print(reader.n_frames, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    peaks = []
    for n_frames in (30, 180):
        path = write_video(tmp_path / "v.mp4", (stamp(number, 540, 960) for number in range(n_frames)), bf=3, g=250)
        ended = subprocess.run(
            [sys.executable, "-c", script, path], capture_output=True, text=True, timeout=60, check=True
        )
        n_read, peak = map(int, ended.stdout.split())
        assert n_read == n_frames
        peaks.append(peak)
    assert peaks[1] - peaks[0] < 30 * 540 * 960 * 1.5 / 1024


def test_a_closed_reader_lets_go_of_its_decoder_at_once(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", stamps(20))
    gc.collect()
    gc.disable()
    try:
        with VideoReader(path) as reader:
            reader.read(3)
            decoder = weakref.ref(reader._pass)
            assert decoder() is not None
        assert decoder() is None
    finally:
        gc.enable()
