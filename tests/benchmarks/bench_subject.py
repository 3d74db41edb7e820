"""Measure what a subject costs beside the GPUs: planning, the check of its plates, QC, joining; and a store request.

Run: python tests/benchmarks/bench_subject.py [--frames 9504] [--steps plan,qc,check,store,codec] [--json FILE]

These are the costs that the simulated cluster (simulate.py) goes by. A subject of NeRSemble v2 has 9,504 frames of each
of 16 cameras.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import cv2
import numpy as np
from benchmarks.bench_books import META, planning, rows_of, write_manifests
from benchmarks.bench_hull import plan_of
from benchmarks.bench_video import N_FRAMES, pictures
from benchmarks.drawn_capture import Drawn, draw_alpha, draw_capture
from benchmarks.machine import Report, Table, finish
from captures import make_synth
from command_line import matte
from s3_servers import serve_rclone
from videos import write_video

from flows.check_capture import check_plates
from flows.enumerate import enumerate_capture
from flows.judge import Judging, judge_subject
from flows.settings import EnumerateSettings
from manifests.ledger import compact, ledger_folder
from manifests.manifest import read_manifest
from manifests.plan import SubjectPlan
from manifests.standing import read_standing
from manifests.storage import LocalFolder, open_folder
from manifests.storage_memory import MemoryFolder
from manifests.tables import write_rows
from matting_tasks.decode_video import VideoReader
from matting_tasks.geometry import apply, geometry_of
from matting_tasks.masks import encode_mask
from matting_tasks.plate_measures import Beside, measure_plate, to_small
from matting_tasks.qc import measure_shape

Found = Iterator[tuple[str, float, str]]
"""What was measured, its number and unit."""
N_REQUESTS = 200
MASK_BYTES = 400_000
WIDTH, HEIGHT = 2200, 3208


def seconds_of(act: Callable[[], object]) -> float:
    """Return the seconds that something takes."""
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def cpu_of(act: Callable[[], object]) -> float:
    """Return the seconds that something spends on this process' cores, whatever else the machine does."""
    started = time.process_time()
    act()
    return time.process_time() - started


def plan_steps(folder: Path, n_frames: int) -> Found:
    """Plan a subject without and with receipts, read all its receipts, join them."""
    out = LocalFolder(folder / "out")
    write_manifests(out, 1, n_frames)
    with planning(out) as books:
        yield "plan a subject, nothing done", cpu_of(lambda: books.plan("000")), "CPU s"
        plan = books.plan("000")
        if plan is None:
            raise RuntimeError("there is no plan")
        where = Path(out.url) / ledger_folder("000")
        where.mkdir(parents=True)
        for shard in plan.planned:
            (where / f"{shard.shard_id}.f0.parquet").write_bytes(write_rows(rows_of(plan, shard), META))
        yield f"plan it again, {len(plan.planned):,} receipts", cpu_of(lambda: books.plan("000")), "CPU s"
        done = books.plan("000")
        if done is None:
            raise RuntimeError("there is no plan")
        yield "read its receipts for QC", cpu_of(lambda: read_standing(out, done)), "CPU s"
        yield "join its receipts", cpu_of(lambda: compact(out, "000", done.planned)), "CPU s"


def qc_steps(folder: Path, n_frames: int) -> Found:
    """Judge a subject of 16 cameras with and without hulls, and two of them at once in one process."""
    capture = make_synth(folder / "capture", n_cameras=16, n_frames=n_frames, size_px=128)
    outs = [LocalFolder(folder / name) for name in ("one", "two")]
    for out in outs:
        if matte(capture, Path(out.url), "--no-qc").code:
            raise RuntimeError("the capture could not be matted")
    both = [(out, plan_of(out)) for out in outs]
    judge_anew(both[0], n_frames)  # imports
    few = cpu_of(lambda: judge_anew(both[0], n_frames))
    yield "QC of a frame, without hulls", 1e3 * few / (16 * n_frames), "CPU ms"
    full = cpu_of(lambda: judge_anew(both[0], 1))
    yield "the hull of an instant, 16 cameras", 1e3 * (full - few) / (n_frames - 1), "CPU ms"

    def at_once() -> None:
        with ThreadPoolExecutor(2) as threads:
            list(threads.map(judge_anew, both, (2, 2)))

    in_turn = sum(seconds_of(lambda of=of: judge_anew(of, 2)) for of in both)  # type: ignore[misc]
    yield "two subjects judged at once, over in turn", seconds_of(at_once) / in_turn, "ratio"


def judge_anew(judged: tuple[LocalFolder, SubjectPlan], hull_every: int) -> None:
    """Judge a subject as if it never was."""
    out, plan = judged
    shutil.rmtree(Path(out.url) / "_cleanplate" / "qc", ignore_errors=True)
    judge_subject(out, plan, Judging(hull_every=hull_every))


def check_steps(folder: Path) -> Found:
    """Check the plates of a subject of 16 cameras at the size of the rig's cameras."""
    draw_capture(folder / "big", Drawn(16, 4, WIDTH, HEIGHT))
    capture, books = open_folder(str(folder / "big"), {}), MemoryFolder()
    list(enumerate_capture(capture, books, EnumerateSettings()))
    manifest = read_manifest(books, "031")
    if manifest is None:
        raise RuntimeError("nothing was listed")
    yield "check a subject's plates", seconds_of(lambda: check_plates(capture, manifest)), "s"


def store_steps(folder: Path) -> Found:
    """Put and get an object the size of a mask, alone and with 8 threads, on an S3 server of this machine."""
    data = np.random.default_rng(0).bytes(MASK_BYTES)
    names = [f"031/images/{number:04d}/mask_222200037.jpg" for number in range(N_REQUESTS)]
    with serve_rclone(folder) as server:
        out = open_folder(f"{server.new_bucket()}/out", server.options)
        yield from _of_requests("PUT", lambda path: out.write_atomic(path, data), names)
        yield from _of_requests("GET", out.read, names)


def _of_requests(name: str, act: Callable[[str], object], paths: Sequence[str]) -> Found:
    each = [seconds_of(partial(act, path)) for path in paths]
    yield f"{name} of {MASK_BYTES // 1000} kB, local server", 1e3 * statistics.median(each), "ms"
    with ThreadPoolExecutor(8) as threads:
        took = seconds_of(lambda: list(threads.map(act, paths)))
    yield f"{name} with 8 threads, local server", len(paths) / took, "a second"


def codec_steps(folder: Path) -> Found:
    """Decode frames of a video and a picture, encode masks and measure, at the size of the rig's cameras."""
    mask = np.round(255 * draw_alpha(WIDTH, HEIGHT, 0, np.random.default_rng(0))).astype(np.uint8)
    lowres = cv2.resize(mask, (256, 256), interpolation=cv2.INTER_AREA)
    encoded = encode_mask(mask, "jpg", 95, "simplejpeg")
    write_video(folder / "cam.mp4", pictures(), bf=3, g=30, crf=18)

    def decode(step: int) -> None:
        with VideoReader(folder / "cam.mp4", 1) as video:
            for number in range(0, N_FRAMES, step):
                video.read(number)

    frame = cv2.merge([mask, mask, mask])
    small = to_small(frame)
    repeated = {
        "encode a mask": lambda: encode_mask(mask, "jpg", 95, "simplejpeg"),
        "encode a lowres mask": lambda: encode_mask(lowres, "jpg", 95, "simplejpeg"),
        "measure its shape": lambda: measure_shape(lowres, None),
        "crop, pad and shrink to gha": lambda: apply(geometry_of("gha", WIDTH, HEIGHT), frame),
        "small copy of a frame": lambda: to_small(frame),
        "small copy of a frame of 2048x2048": lambda: to_small(np.ascontiguousarray(frame[:2048, :2048])),
        "measure beside the plate": lambda: measure_plate(Beside(small, small, 1.0), lowres, None),
    }
    yield "size of a mask", len(encoded) / 1e3, "kB"
    yield "decode a frame of a video, all of them", 1e3 * cpu_of(lambda: decode(1)) / N_FRAMES, "CPU ms"
    yield "decode a frame of a video, every third", 1e3 * cpu_of(lambda: decode(3)) / (N_FRAMES / 3), "CPU ms"
    for name, act in repeated.items():
        yield name, 1e3 * min(cpu_of(act) for _ in range(9)), "CPU ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=9504, help="of each camera of the subject that is planned")
    parser.add_argument("--qc-frames", type=int, default=24, help="of each camera of the subject that is judged")
    parser.add_argument("--steps", default="plan,qc,check,store,codec")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    steps: dict[str, Callable[[Path], Found]] = {
        "plan": lambda folder: plan_steps(folder, args.frames),
        "qc": lambda folder: qc_steps(folder, args.qc_frames),
        "check": check_steps,
        "store": store_steps,
        "codec": codec_steps,
    }
    rows = []
    for name in args.steps.split(","):
        with tempfile.TemporaryDirectory() as folder:
            for row in steps[name](Path(folder)):
                rows.append(row)
                print(*row, flush=True)
    table = Table("Costs beside the GPUs", ("what", "measured", "unit"), rows)
    finish(Report("subject", vars(args), {name: value for name, value, _ in rows}, [table]), args.json)


if __name__ == "__main__":
    main()
