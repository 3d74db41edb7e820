from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from reference_weights import write_reference_checkpoint
from video_fakes import RedMemory, Refusing, decode, leftovers, matter_for
from videos import cut, overwrite, packet_places, read_stamp, stamps, write_video

from manifests.errors import UsageError
from matting_tasks.video import VideoSummary, matte_video
from matting_tasks.video_source import Resize, SourceFrame, VideoInfo, open_source
from matting_tasks.video_target import Target
from models.base import MattingModel
from models.registry import build


def matte(video: Path, out: Path, model: object, form: str = "ffv1", **changes: object) -> VideoSummary:
    out.mkdir(exist_ok=True)
    source = open_source(video, None, Resize())
    targets = [Target(out, name, form) for name in ("alpha", "foreground", "composite")]  # type: ignore[arg-type]
    try:
        return matte_video(source, matter_for(model, source.info.size, **changes), targets, lambda _: None)
    finally:
        source.close()


@pytest.mark.parametrize("form", ["ffv1", "mp4"])
def test_as_many_frames_come_out_at_the_same_rate_in_order(tmp_path: Path, form: str) -> None:
    video = write_video(tmp_path / "a.mp4", stamps(11), rate=73)
    summary = matte(video, tmp_path / "out", RedMemory(), form, chunk=4)
    assert (summary.n_frames, summary.faults, summary.has_foreground) == (11, {}, True)
    for path in (tmp_path / "out").iterdir():
        pictures, rate, _ = decode(path)
        assert rate == 73 and len(pictures) == 11
        if path.stem == "alpha":
            assert [read_stamp(picture) for picture in pictures] == [*range(11)]
    assert len(list((tmp_path / "out").iterdir())) == 3


def test_chunks_change_nothing(tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", stamps(7))
    made = []
    for chunk in (1, 3, 7):
        model = RedMemory()
        matte(video, tmp_path / f"{chunk}", model, chunk=chunk, warmup=5)
        assert sum(model.lengths) == 12 and model.seen == list(np.cumsum([0, *model.lengths[:-1]]))
        made.append(decode(tmp_path / f"{chunk}" / "alpha.mkv")[0])
    assert all(np.array_equal(made[0], other) for other in made[1:])


def test_the_network_gives_the_same_for_any_chunk(tmp_path: Path) -> None:
    weights = write_reference_checkpoint("rvm-mobilenetv3", tmp_path / "weights.pth")
    model: MattingModel = build("rvm-mobilenetv3", {}, weights, "cpu", "fp32")
    video = write_video(tmp_path / "a.mp4", stamps(5))
    for chunk in (1, 4):
        matte(video, tmp_path / f"{chunk}", model, chunk=chunk, warmup=3)
    alphas, others = (np.stack(decode(tmp_path / f"{chunk}/alpha.mkv")[0]).astype(int) for chunk in (1, 4))
    assert np.abs(alphas - others).max() <= 1 and np.ptp(alphas) > 0


def test_a_damaged_frame_keeps_its_place_and_the_state_passes_over_it(tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", stamps(9), g=1, bf=0)
    offset, size, _ = packet_places(video)[4]
    overwrite(video, offset + 12, b"\xff" * (size - 12))
    model = RedMemory()
    summary = matte(video, tmp_path / "out", model, chunk=3)
    assert summary.n_frames == 9 and list(summary.faults) == [4] and sum(model.lengths) == 8
    alphas, _, times = decode(tmp_path / "out/alpha.mkv")
    assert len(times) == 9 and not alphas[4].any()
    assert [read_stamp(alpha) for place, alpha in enumerate(alphas) if place != 4] == [0, 1, 2, 3, 5, 6, 7, 8]
    composites, _, _ = decode(tmp_path / "out/composite.mkv")
    assert (composites[4] == (0, 255, 0)).all()


def test_a_video_that_is_cut_is_matted_as_far_as_it_goes(tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", stamps(12), g=1, bf=0, faststart=True)
    cut(video, packet_places(video)[8][0] + 20)
    summary = matte(video, tmp_path / "out", RedMemory(), chunk=5)
    assert summary.n_frames == 8 and summary.faults == {}
    assert [read_stamp(alpha) for alpha in decode(tmp_path / "out/alpha.mkv")[0]] == [*range(8)]


def test_where_no_frame_can_be_had_nothing_is_written(tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", stamps(3), g=1, bf=0)
    for offset, size, _ in packet_places(video):
        overwrite(video, offset + 5, b"\xff" * (size - 5))
    with pytest.raises(UsageError, match="no frame can be decoded"):
        matte(video, tmp_path / "out", RedMemory())
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("broken")])
@pytest.mark.parametrize("form", ["mp4", "png"])
def test_an_end_in_the_middle_leaves_what_was_there(tmp_path: Path, error: BaseException, form: str) -> None:
    video, out = write_video(tmp_path / "a.mp4", stamps(12)), tmp_path / "out"
    matte(video, out, RedMemory(), form)
    before = {path: path.read_bytes() for path in out.rglob("*.*")}
    n_threads = threading.active_count()
    with pytest.raises(type(error)):
        matte(video, out, Refusing(8, error), form)
    assert {path: path.read_bytes() for path in out.rglob("*.*")} == before
    assert not leftovers(out) and threading.active_count() == n_threads


def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    class Endless:
        """Count how many frames are read and not yet written."""

        def __init__(self, info: VideoInfo) -> None:
            self.info, self.n_read = info, 0

        def read(self, place: int) -> SourceFrame:
            self.n_read += 1
            return SourceFrame(place, np.full((32, 32, 3), place % 256, np.uint8))

        def close(self) -> None:
            pass

    small = open_source(write_video(tmp_path / "a.mp4", stamps(200, 32, 32)), None, Resize())
    source, most = Endless(small.info), [0]
    small.close()

    def on_frame(n_frames: int) -> None:
        most[0] = max(most[0], source.n_read - n_frames)

    targets = [Target(tmp_path, "alpha", "png")]
    assert matte_video(source, matter_for(RedMemory(), (32, 32), chunk=2), targets, on_frame).n_frames == 200
    assert most[0] <= 16
