from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from videos import drop_reordering, overwrite, packet_places, read_stamp, stamp, stamps, write_video

from manifests.errors import InputFault
from matting_tasks.decode_video import VideoReader, probe_video

N = 48
CUT: dict[str, tuple[str, dict[str, object]]] = {
    "h264 in mkv": ("mkv", {"bf": 3, "g": 12}),
    "h264 in avi": ("avi", {"bf": 3, "g": 12}),
    "h264 in fragments": ("mp4", {"bf": 3, "g": 12, "container_options": {"movflags": "frag_keyframe"}}),
    "h264 in an empty index and fragments": (
        "mp4",
        {"g": 12, "container_options": {"movflags": "frag_keyframe+empty_moov"}},
    ),
    "mjpeg": ("avi", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
}


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


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_a_cut_faststart_file_keeps_its_frames_up_to_the_first_that_is_missing(tmp_path: Path, codec: str) -> None:
    path = write_video(tmp_path / "v.mp4", stamps(N), codec, g=12, faststart=True)
    whole, places = path.read_bytes(), packet_places(path)
    for n_packets in (1, 2, 11, 14, 27, N - 1):
        offset, size, _ = places[n_packets]
        there = {number for _, _, number in places[:n_packets]}
        n_frames = min(set(range(N)) - there)
        for n_bytes in (offset, offset + size // 2, offset + size - 1):
            path.write_bytes(whole[:n_bytes])
            assert probe_video(path).n_frames == N
            assert numbers_of(path, list(range(N))) == list(range(n_frames)) + ["short_video"] * (N - n_frames)
            said = f"the video has {n_frames} frames, frame {N - 1} is wanted"
            with VideoReader(path) as reader, pytest.raises(InputFault, match=said):
                reader.read(N - 1)


@pytest.mark.parametrize("kind", CUT)
def test_a_file_cut_anywhere_never_shows_a_wrong_frame(tmp_path: Path, kind: str) -> None:
    ending, options = CUT[kind]
    path = write_video(tmp_path / f"v.{ending}", stamps(N), **options)  # type: ignore[arg-type]
    whole = path.read_bytes()
    most = 0
    for n_bytes in range(7000 if ending == "avi" else 2000, len(whole), len(whole) // 40):
        path.write_bytes(whole[:n_bytes])
        try:
            n_frames = VideoReader(path).n_frames
        except InputFault:
            continue
        found = numbers_of(path, list(range(n_frames)))
        assert [number for number in found if number != "undecodable"] == list(
            range(len(found) - found.count("undecodable"))
        )
        assert found.count("undecodable") < 2
        most = max(most, len(found))
    assert most > N / 2


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize("n_threads", [1, 3])
def test_a_hole_in_the_middle_costs_the_frames_that_build_on_it(tmp_path: Path, codec: str, n_threads: int) -> None:
    closed = {"h264": {"bf": 3}, "hevc": {"x265_params": "open-gop=0"}}[codec]
    path = write_video(tmp_path / "v.mp4", stamps(N), codec, g=12, **closed)
    whole, places = path.read_bytes(), packet_places(path)
    for packet in (0, 1, 13, 17, 25, N - 1):
        offset, size, number = places[packet]
        path.write_bytes(whole)
        overwrite(path, offset + size // 2, bytes(size - size // 2))
        found = numbers_of(path, list(range(N)), n_threads)
        group = number // 12
        for frame, shown in enumerate(found):
            assert shown == frame or (shown == "undecodable" and frame // 12 == group)
        assert found[number] == "undecodable"
        if number % 12 == 0:
            assert found[number : number + 12] == ["undecodable"] * 12
        assert numbers_of(path, [number], n_threads) == ["undecodable"]
        behind = min(N - 1, (group + 1) * 12 + 5)
        assert numbers_of(path, [behind], n_threads) == [found[behind]]


def test_a_damaged_frame_says_so_and_names_what_it_builds_on(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", stamps(N), bf=0, g=12)
    offset, size, number = packet_places(path)[14]
    overwrite(path, offset + 8, bytes(size - 8))
    said = []
    with VideoReader(path) as reader:
        for frame in (number, number + 2):
            with pytest.raises(InputFault) as caught:
                reader.read(frame)
            said.append(caught.value.message)
        assert read_stamp(reader.read(24)) == 24
    assert said == ["the data of frame 14 are damaged", "frame 16 builds on frame 14, whose data are damaged"]


def test_any_flipped_byte_is_found_where_the_video_has_checksums(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    pictures = [np.clip(stamp(k) + rng.normal(0, 12, (64, 96, 3)), 0, 255).astype(np.uint8) for k in range(12)]
    path = write_video(tmp_path / "v.mp4", pictures, "hevc", x265_params="hash=1")
    whole, places = path.read_bytes(), packet_places(path)
    good = list(pixels_of(path))
    n_found = 0
    for trial in range(24):
        offset, size, _ = places[trial % 12]
        place = offset + int(rng.integers(size // 4, size))
        path.write_bytes(whole)
        overwrite(path, place, bytes([whole[place] ^ 0x55]))
        for number, shown in enumerate(pixels_of(path)):
            assert shown is None or np.array_equal(shown, good[number])
            n_found += shown is None
    assert n_found >= 24


def pixels_of(path: Path) -> Iterator[np.ndarray | None]:
    with VideoReader(path) as reader:
        for number in range(reader.n_frames):
            try:
                yield reader.read(number)
            except InputFault:
                yield None


def test_most_flipped_bytes_of_h264_are_found(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    pictures = [np.clip(stamp(k) + rng.normal(0, 12, (64, 96, 3)), 0, 255).astype(np.uint8) for k in range(12)]
    path = write_video(tmp_path / "v.mp4", pictures, bf=2, g=6)
    whole, places = path.read_bytes(), packet_places(path)
    good = list(pixels_of(path))
    n_harmed = n_found = 0
    for trial in range(40):
        offset, size, _ = places[trial % 12]
        place = offset + int(rng.integers(size // 4, size))
        path.write_bytes(whole)
        overwrite(path, place, bytes([whole[place] ^ 0x55]))
        shown = list(pixels_of(path))
        is_found = any(pixels is None for pixels in shown)
        n_found += is_found
        n_harmed += is_found or any(not np.array_equal(one, two) for one, two in zip(shown, good, strict=True))
    assert n_harmed > 30
    assert n_found > n_harmed / 3


def test_behind_damage_no_number_is_told_where_packets_have_no_times(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.avi", stamps(N), bf=3, g=12)
    offset, size, number = packet_places(path)[20]
    overwrite(path, offset + 5, bytes(b ^ 0x5A for b in path.read_bytes()[offset + 5 : offset + size]))
    found = numbers_of(path, list(range(N)))
    n_good = found.index("undecodable")
    assert 10 < n_good <= number
    assert found == list(range(n_good)) + ["undecodable"] * (N - n_good)


def test_a_range_does_not_touch_the_groups_before_it(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", stamps(N), bf=3, g=12)
    for offset, size, number in packet_places(path):
        if not 24 <= number < 36:
            overwrite(path, offset, bytes(size))
    assert numbers_of(path, list(range(24, 36))) == list(range(24, 36))


def test_noise_raises_nothing_but_faults(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", stamps(12), bf=2, g=6)
    whole = path.read_bytes()
    rng = np.random.default_rng(5)
    for _ in range(150):
        data = bytearray(whole)
        for place in rng.integers(0, len(data), int(rng.integers(1, 12))):
            data[place] = int(rng.integers(256))
        path.write_bytes(bytes(data[: int(rng.integers(1, len(data) + 1))]))
        try:
            probe_video(path)
            numbers_or_faults(path)
        except InputFault as fault:
            assert fault.status == "undecodable"


def numbers_or_faults(path: Path) -> None:
    with VideoReader(path) as reader:
        for number in range(min(reader.n_frames + 1, 20)):
            try:
                reader.read(number)
            except InputFault as fault:
                assert fault.status in ("undecodable", "short_video")


@pytest.mark.parametrize("n_threads", [1, 2])
def test_frames_in_another_order_than_the_index_says_are_named(tmp_path: Path, n_threads: int) -> None:
    path = drop_reordering(write_video(tmp_path / "v.mp4", stamps(N), bf=3, g=12))
    media_time = path.read_bytes().index(b"elst") + 16
    overwrite(path, media_time, bytes(4))  # nothing is hidden then, and the index contradicts itself nowhere
    found = numbers_of(path, list(range(N)), n_threads)
    assert [number for number, shown in enumerate(found) if shown not in (number, "undecodable")] == []
    assert found.count("undecodable") > N // 2
