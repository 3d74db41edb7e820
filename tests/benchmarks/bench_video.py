"""Print how many frames a second are read from a 2200 x 3208 h264 video, beside OpenCV and imageio.

Run: python tests/benchmarks/bench_video.py [threads]
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import cv2
import imageio.v3
import numpy as np
from videos import write_video

from matting_tasks.decode_video import VideoReader, probe_video

N_FRAMES, HEIGHT, WIDTH = 60, 3208, 2200
N_RUNS = 3


def pictures() -> Iterator[np.ndarray]:
    """Yield a smooth picture that moves by a pixel a frame: (3208, 2200, 3) uint8 RGB."""
    coarse = np.random.default_rng(0).integers(0, 256, (80, 60, 3), dtype=np.uint8)
    whole = cv2.resize(coarse, (WIDTH + N_FRAMES, HEIGHT + N_FRAMES), interpolation=cv2.INTER_CUBIC)
    for number in range(N_FRAMES):
        yield np.ascontiguousarray(whole[number : number + HEIGHT, number : number + WIDTH])


def with_reader(path: Path, wanted: range, n_threads: int) -> None:
    with VideoReader(path, n_threads) as reader:
        for number in wanted:
            reader.read(number)


def with_opencv(path: Path, wanted: range) -> None:
    video = cv2.VideoCapture(str(path))
    for number in range(wanted[-1] + 1):
        video.grab()
        if number in wanted:
            cv2.cvtColor(video.retrieve()[1], cv2.COLOR_BGR2RGB)
    video.release()


def with_imageio(path: Path, wanted: range) -> None:
    for number, _ in enumerate(imageio.v3.imiter(path, plugin="pyav", thread_type="FRAME")):
        if number == wanted[-1]:
            break


def main() -> None:
    n_threads = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    with tempfile.TemporaryDirectory() as folder:
        path = write_video(Path(folder) / "v.mp4", pictures(), bf=3, g=30, crf=18)
        started = time.perf_counter()
        header = probe_video(path)
        print(f"{path.stat().st_size / 1e6:.1f} MB, {header}, probed in {(time.perf_counter() - started) * 1e3:.1f} ms")
        ways: dict[str, Callable[[range], None]] = {
            "VideoReader": lambda wanted: with_reader(path, wanted, n_threads),
            "VideoReader, 1 thread": lambda wanted: with_reader(path, wanted, 1),
            "OpenCV": lambda wanted: with_opencv(path, wanted),
            "imageio": lambda wanted: with_imageio(path, wanted),
        }
        ranges = {"all": range(N_FRAMES), "every 3rd": range(0, N_FRAMES, 3), "40 .. 55": range(40, 56)}
        print(f"{'frames/s':24}" + "".join(f"{name:>12}" for name in ranges))
        for way, read in ways.items():
            print(f"{way:24}" + "".join(f"{_rate(read, wanted):12.1f}" for wanted in ranges.values()), flush=True)


def _rate(read: Callable[[range], None], wanted: range) -> float:
    """Return the median of the wanted frames a second over some runs."""
    taken_s = []
    for _ in range(N_RUNS):
        started = time.perf_counter()
        read(wanted)
        taken_s.append(time.perf_counter() - started)
    return len(wanted) / statistics.median(taken_s)


if __name__ == "__main__":
    main()
