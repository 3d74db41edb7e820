from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from command_line import Ended, cleanplate
from fakes import draw_picture
from reference_weights import write_reference_checkpoint
from video_fakes import RedMemory, decode, leftovers
from videos import cut, overwrite, packet_places, read_stamp, stamp, stamps, write_video

from flows.video import run_video
from flows.video_settings import VideoSettings
from manifests.errors import Refused, UsageError


@pytest.fixture(autouse=True)
def _threads_as_before() -> Iterator[None]:
    """Give the process back the numbers of threads that it had, for a run sets them."""
    before = torch.get_num_threads(), cv2.getNumThreads()
    yield
    torch.set_num_threads(before[0])
    cv2.setNumThreads(before[1])


def run(path: Path, out: Path, **settings: Any) -> int:
    """Run the command with a model of a few lines in the place of the network, that needs no file."""
    weights = out.parent / "no-weights.pth"
    if not weights.exists():
        write_reference_checkpoint("rvm-mobilenetv3", weights)
    said = VideoSettings(weights=str(weights), device="cpu", **settings)
    return run_video(str(path), str(out), said, False, lambda *_: RedMemory())


def with_plate(video: object, out: object, *words: object) -> Ended:
    """Run the command with the classical model, which needs no weights but a plate."""
    return cleanplate("video", video, "--out", out, "--model", "plate-difference", "--device", "cpu", *words)


def small_video(folder: Path) -> tuple[Path, Path]:
    """Write a video of a bright square on a wall, and the picture of the wall."""
    wall = draw_picture(3, 64, 96) // 3
    pictures = [wall.copy() for _ in range(6)]
    for number, picture in enumerate(pictures):
        picture[16:48, 8 * number : 8 * number + 40] = (250, 240, 60)
    cv2.imwrite(str(folder / "wall.png"), wall[:, :, ::-1])
    return write_video(folder / "a.mp4", pictures, rate=24, colour="bt709", crf=1), folder / "wall.png"


def test_one_command_makes_three_videos(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video = write_video(tmp_path / "a.mp4", stamps(9), rate=73)
    assert run(video, tmp_path / "out") == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "alpha.mp4",
        "composite.mp4",
        "foreground.mp4",
    ]
    pictures, rate, _ = decode(tmp_path / "out/alpha.mp4")
    assert rate == 73 and [read_stamp(picture) for picture in pictures] == [*range(9)]
    shown = capsys.readouterr().out
    assert "9 frames of 96x64, 73 frames/s" in shown and "out/alpha.mp4" in shown


def test_each_output_has_the_form_that_was_asked_for(tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", stamps(3))
    run(video, tmp_path / "mixed", lossless_alpha=True, bitrate="300k", what=["alpha", "composite"])
    assert sorted(path.name for path in (tmp_path / "mixed").iterdir()) == ["alpha.mkv", "composite.mp4"]
    run(video, tmp_path / "exact", lossless=True)
    assert {path.suffix for path in (tmp_path / "exact").iterdir()} == {".mkv"}
    run(video, tmp_path / "deep", format="png16", what=["alpha"])
    deep = cv2.imread(str(tmp_path / "deep/alpha/alpha_000002.png"), cv2.IMREAD_UNCHANGED)
    exact = decode(tmp_path / "exact/alpha.mkv")[0][2]
    assert deep.dtype == np.uint16 and np.array_equal(np.rint(deep / 257), exact)


def test_a_plate_is_used_and_must_fit(tmp_path: Path) -> None:
    video, plate = small_video(tmp_path)
    ended = with_plate(video, tmp_path / "out", "--plate", plate, "--lossless", "--background", "#102030")
    assert ended.code == 0 and "predicts no foreground" in ended.out, ended.err
    alpha = decode(tmp_path / "out/alpha.mkv")[0][2]
    assert alpha[20:44, 24:50].min() > 200 and alpha[:8, 80:].max() < 30
    composite = decode(tmp_path / "out/composite.mkv")[0][2]
    assert np.abs(composite[:8, 88:].astype(int) - (0x10, 0x20, 0x30)).max() < 12
    cv2.imwrite(str(plate), np.zeros((10, 10, 3), np.uint8))
    other = with_plate(video, tmp_path / "other", "--plate", plate)
    assert other.code == 2 and "10x10" in other.err and "96x64" in other.err and not (tmp_path / "other").exists()


def test_a_model_and_a_plate_that_do_not_go_together_are_said(tmp_path: Path) -> None:
    video, plate = small_video(tmp_path)
    without = with_plate(video, tmp_path / "out")
    assert without.code == 2 and "add --plate" in without.err and "rvm-mobilenetv3" in without.err
    with pytest.raises(UsageError, match="uses no plate"):
        run(video, tmp_path / "out", plate=str(plate))
    with pytest.raises(UsageError, match="refine_mode"):
        run(video, tmp_path / "out", refine_mode="full")
    assert with_plate(video, tmp_path / "out", "--plate", tmp_path / "gone.png").code == 2


def test_pictures_become_pictures_of_the_same_numbers(tmp_path: Path) -> None:
    (tmp_path / "shot").mkdir()
    for number in (1, 2, 10, 12):
        cv2.imwrite(str(tmp_path / f"shot/f{number}.png"), stamp(number)[:, :, ::-1])
    assert run(tmp_path / "shot", tmp_path / "out", format="png", rate="24") == 0
    names = sorted(path.name for path in (tmp_path / "out/alpha").iterdir())
    assert names == [f"alpha_{number:06d}.png" for number in (1, 2, 10, 12)]
    for number in (1, 2, 10, 12):
        assert read_stamp(cv2.imread(str(tmp_path / f"out/foreground/foreground_{number:06d}.png"))) == number
    assert run(tmp_path / "shot" / "f1*.png", tmp_path / "video", rate="24", what=["alpha"]) == 0
    pictures, rate, _ = decode(tmp_path / "video/alpha.mp4")
    assert rate == 24 and [read_stamp(picture) for picture in pictures] == [1, 10, 12]


def test_a_missing_number_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "shot").mkdir()
    for number in (1, 2, 10):
        cv2.imwrite(str(tmp_path / f"shot/f{number}.png"), stamp(number)[:, :, ::-1])
    run(tmp_path / "shot", tmp_path / "out")
    assert "7 numbers missing" in capsys.readouterr().out


def test_damaged_and_missing_frames_are_named_and_the_exit_code_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = write_video(tmp_path / "a.mp4", stamps(8), g=1, bf=0, faststart=True)
    places = packet_places(video)
    overwrite(video, places[2][0] + 12, b"\xff" * (places[2][1] - 12))
    cut(video, places[6][0] + 20)
    assert run(video, tmp_path / "out", lossless=True) == 3
    shown = capsys.readouterr().out
    assert "frame 2: " in shown and "its alpha is 0" in shown and "6 of its 8 frames" in shown
    assert len(decode(tmp_path / "out/alpha.mkv")[0]) == 6


def test_frames_that_build_on_a_damaged_one_are_named_as_ranges(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = write_video(tmp_path / "a.mp4", stamps(12), g=12, bf=0)
    offset, size, _ = packet_places(video)[3]
    overwrite(video, offset + 12, b"\xff" * (size - 12))
    assert run(video, tmp_path / "out", what=["alpha"]) == 3
    assert "9 frames in all have alpha 0: 3-11" in capsys.readouterr().out


def test_what_is_there_is_not_written_over(tmp_path: Path) -> None:
    video, out = write_video(tmp_path / "a.mp4", stamps(2)), tmp_path / "out"
    out.mkdir()
    (out / "composite.mp4").write_bytes(b"mine")
    with pytest.raises(Refused, match=r"composite.mp4.*--replace"):
        run(video, out)
    assert [path.name for path in out.iterdir()] == ["composite.mp4"]
    assert run(video, out, what=["alpha"]) == 0
    assert run(video, out, replace=True) == 0
    assert len(decode(out / "composite.mp4")[0]) == 2


def test_the_source_is_never_written_over(tmp_path: Path) -> None:
    video = write_video(tmp_path / "alpha.mp4", stamps(2))
    with pytest.raises(Refused, match="what is to be matted"):
        run(video, tmp_path, replace=True)
    (tmp_path / "alpha").mkdir()
    cv2.imwrite(str(tmp_path / "alpha/alpha_000001.png"), stamp(1))
    with pytest.raises(Refused, match="what is to be matted"):
        run(tmp_path / "alpha", tmp_path, replace=True, format="png")
    with pytest.raises(Refused, match="is a folder, which --replace does not remove"):
        (tmp_path / "out" / "alpha.mp4").mkdir(parents=True)
        run(video, tmp_path / "out", replace=True)


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({"format": "png", "lossless": True}, "lossless by itself"),
        ({"lossless": True, "bitrate": "1M"}, "--bitrate is for mp4"),
        ({"what": ["alpha"], "background": "red"}, "--background is for the composite"),
        ({"background": "turquoise"}, "A colour is green"),
        ({"rate": "25"}, "--rate is for pictures"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(tmp_path: Path, settings: dict[str, Any], wanted: str) -> None:
    video = write_video(tmp_path / "a.mp4", stamps(1))
    with pytest.raises(UsageError, match=wanted):
        run(video, tmp_path / "out", **settings)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("source", "out", "wanted"),
    [
        ("gone.mp4", "out", "no such file"),
        ("text.mp4", "out", "not a video"),
        ("empty", "out", "it is empty"),
        ("s3://lab/a.mp4", "out", "local files"),
        ("a.mp4", "s3://lab/out", "local files"),
        ("a.mp4", "text.mp4", "name a folder"),
    ],
)
def test_what_cannot_be_used_is_a_usage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, out: str, wanted: str
) -> None:
    monkeypatch.chdir(tmp_path)
    _, plate = small_video(tmp_path)
    Path("text.mp4").write_text("this is no video")
    Path("empty").mkdir()
    ended = with_plate(source, out, "--plate", plate)
    assert ended.code == 2 and wanted in ended.err.replace("\n", " "), ended.err


def test_a_background_picture_covers_the_frame(tmp_path: Path) -> None:
    black = np.zeros((64, 96, 3), np.uint8)
    sky = np.zeros((10, 40, 3), np.uint8)
    sky[:, 20:] = (200, 100, 50)
    cv2.imwrite(str(tmp_path / "sky.png"), sky[:, :, ::-1])
    run(
        write_video(tmp_path / "a.mp4", [black] * 2),
        tmp_path / "out",
        background=str(tmp_path / "sky.png"),
        lossless=True,
        resize="0.5",
    )
    composite = decode(tmp_path / "out/composite.mkv")[0][1]
    assert composite.shape == (32, 48, 3)
    assert np.array_equal(composite[5, 40], (200, 100, 50)) and not composite[5, 5].any()


@pytest.mark.parametrize(
    ("sent", "code"), [pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow), (signal.SIGTERM, 143)]
)
def test_an_interrupted_run_leaves_nothing(tmp_path: Path, sent: int, code: int) -> None:
    pictures = [draw_picture(number, 128, 128) for number in range(40)]
    video, out = write_video(tmp_path / "a.mp4", [pictures[n % 40] for n in range(1500)]), tmp_path / "out"
    cv2.imwrite(str(tmp_path / "plate.png"), pictures[0])
    words = ["--out", str(out), "--model", "plate-difference", "--plate", str(tmp_path / "plate.png"), "--lossless"]
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "video", str(video), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size > 50_000 for path in leftovers(out)):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(sent)
    said, _ = process.communicate(timeout=40)
    assert process.returncode == code, said
    assert "Nothing was written" in said and "Traceback" not in said
    assert not list(out.iterdir())
