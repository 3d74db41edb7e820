from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
import pytest
from videos import drop_reordering, read_stamp, stamps, write_video

from manifests.errors import InputFault
from matting_tasks.decode_video import VideoReader, probe_video

N = 48


def fault_of(path: Path) -> InputFault:
    for ask in (probe_video, VideoReader):
        with pytest.raises(InputFault) as caught:
            ask(path)
        assert caught.value.status == "undecodable"
    return caught.value


def test_an_mp4_without_its_index_is_truncated(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", stamps(N))
    data = path.read_bytes()
    for n_bytes in (20, 40, data.index(b"moov") - 4, data.index(b"moov")):
        path.write_bytes(data[:n_bytes])
        assert fault_of(path).message == "truncated: its index (moov) is missing"


@pytest.mark.parametrize("faststart", [False, True])
def test_an_mp4_cut_within_its_index_is_truncated(tmp_path: Path, faststart: bool) -> None:
    path = write_video(tmp_path / "v.mp4", stamps(N), faststart=faststart)
    data = path.read_bytes()
    begin = data.index(b"moov") - 4
    size = int.from_bytes(data[begin : begin + 4])
    for n_bytes in range(begin + 8, begin + size, 37):
        path.write_bytes(data[:n_bytes])
        assert "its index (moov) is cut" in fault_of(path).message


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "the file is empty (0 bytes)"),
        (bytes(5000), "not a video: the file begins with 00 00"),
        (b"<html><body>403 Forbidden</body></html>", "not a video: the file begins with 3c 68"),
        (b"\xff\xd8\xff\xe0" + bytes(100), "not a video"),
        (b"just a text\n" * 100, "not a video"),
        (b"#EXTM3U\n#EXTINF:1,\nother.mp4\n", "not a video"),
        (b"ffconcat version 1.0\nfile other.mp4\n", "not a video"),
        (b"\x1aE\xdf\xa3" + bytes(60), "the video cannot be read"),
    ],
)
def test_what_is_no_video_is_undecodable_with_what_was_found(tmp_path: Path, data: bytes, said: str) -> None:
    write_video(tmp_path / "other.mp4", stamps(4))
    path = tmp_path / "cam_222200037.mp4"
    path.write_bytes(data)
    assert said in fault_of(path).message


def test_a_file_without_pictures_has_no_video_stream(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), "fltp", "mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    assert fault_of(path).message == "the file has no video stream"


def test_a_file_that_is_not_there_is_the_stores_error(tmp_path: Path) -> None:
    for ask in (probe_video, VideoReader):
        with pytest.raises(FileNotFoundError) as caught:
            ask(tmp_path / "absent.mp4")
        assert type(caught.value) is FileNotFoundError


class CountingFile(io.BytesIO):
    """Count what is read; fail at the read of this number, as a store does."""

    def __init__(self, data: bytes, fails_at: int = -1) -> None:
        super().__init__(data)
        self.n_reads = self.n_bytes = 0
        self.fails_at = fails_at

    def read(self, size: int | None = -1, /) -> bytes:
        if self.n_reads == self.fails_at:
            raise ConnectionResetError("the store hung up")
        data = super().read(size)
        self.n_reads += 1
        self.n_bytes += len(data)
        return data


@pytest.mark.parametrize("faststart", [False, True])
def test_the_header_of_an_mp4_is_read_without_its_pictures(tmp_path: Path, faststart: bool) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (128, 160, 3), dtype=np.uint8)
    pictures = (np.roll(noise, 7 * number, axis=0) for number in range(150))
    path = write_video(tmp_path / "v.mp4", pictures, codec="mpeg4", b=16_000_000, g=1, faststart=faststart)
    file = CountingFile(path.read_bytes())
    assert len(file.getvalue()) > 1 << 20
    file.seek(1000)
    assert probe_video(file).n_frames == 150
    assert file.n_bytes < 100_000
    assert file.n_reads < 12
    assert not file.closed


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_an_error_of_the_store_is_no_fault_of_the_video(tmp_path: Path, ending: str) -> None:
    data = write_video(tmp_path / f"v.{ending}", stamps(N)).read_bytes()
    n_reads = CountingFile(data)
    probe_video(n_reads)
    assert n_reads.n_reads >= 2
    for number in range(n_reads.n_reads):
        with pytest.raises(ConnectionResetError, match="the store hung up"):
            probe_video(CountingFile(data, number))
    assert probe_video(CountingFile(data)).n_frames == N


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_an_mp4_that_lost_the_order_of_its_frames_is_named(tmp_path: Path, codec: str) -> None:
    options = {"bf": 2, "g": 6} if codec == "h264" else {"x265_params": "keyint=6:bframes=2"}
    path = drop_reordering(write_video(tmp_path / "v.mp4", stamps(12), codec, **options))
    with pytest.raises(InputFault, match="lacks the table of when its frames are shown"):
        VideoReader(path)


def test_frames_without_delay_need_no_table_of_their_order(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", stamps(12), bf=0, g=6)
    with VideoReader(path) as video:
        assert [read_stamp(video.read(number)) for number in range(12)] == list(range(12))
