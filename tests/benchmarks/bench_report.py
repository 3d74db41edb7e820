"""Measure how long the report of a large dataset takes to build, and its overview to open in a browser.

Run: python tests/benchmarks/bench_report.py [--subjects 425 --cameras 16 --frames 300 --pictured 2] [--json FILE]

The QC tables are made up: every measure of every frame, some cameras that fail or want a review. There is no capture
behind them, so these pages have no pictures; --pictured makes so many subjects more with frames and masks of 2048x2048
pixels, and times their pages with pictures by themselves.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import cv2
import numpy as np
from machine import Report, Table, finish
from qc_tables import qc_frames

from flows.report import ReportSettings, build_report
from manifests.capture import scan_subject
from manifests.layouts.gha import Gha
from manifests.manifest import Manifest, write_manifest
from manifests.measures import FRAME_MEASURES, default_limits
from manifests.pages import INDEX, REPORT, page_path, series_path
from manifests.qc import QcFrames, SubjectQc, write_qc
from manifests.storage import LocalFolder
from manifests.verdicts import judge_cameras, judge_frames, measure_cameras

BROWSER = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
OPENED = 5
SIDE_PX = 2048
N_PICTURES = 24


def made_up(subject: str, cameras: list[str], n_frames: int, rng: np.random.Generator) -> QcFrames:
    """Return frames with all measures, harmless but for a camera or two."""
    frames = qc_frames(subject, cameras, n_frames=n_frames)
    n = len(frames)
    limits = default_limits().of
    measures = {}
    for name in FRAME_MEASURES:
        review, fail = limits.get(name, (None, None))
        limit = review if review is not None else fail
        spread = np.abs(rng.normal(0.3, 0.1, n)).clip(0, 0.9)
        low = limit is not None and name in ("iou", "largest_component")
        measures[name] = 1 - (1 - limit) * spread if low and limit is not None else (limit or 1.0) * spread
    for camera in rng.choice(cameras, rng.integers(0, 4), replace=False):
        place = int(rng.integers(0, max(n_frames - 5, 1)))
        rows = np.flatnonzero(frames.camera == camera)[place : place + 5]
        measures["outside_hull"][rows] = rng.choice([0.01, 0.05])
    return QcFrames(**{name: getattr(frames, name) for name in QcFrames.__slots__} | {"measures": measures})


def write_tables_of(out: LocalFolder, frames: QcFrames) -> None:
    """Judge made-up frames by the limits of the table and write their QC."""
    limits = default_limits()
    frames = judge_frames(frames, limits)
    cameras = measure_cameras(frames, limits, {})
    meta = {"inputs": "made up", "limits": limits.to_record(), "is_complete": True}
    write_qc(out, frames, SubjectQc(frames.subject, judge_cameras(frames, cameras, limits), cameras, meta))


def write_pictures_of(out: LocalFolder, subject: str, cameras: list[str], rng: np.random.Generator) -> None:
    """Write a plate, three frames and their masks of each camera, blurred noise with a disc before it."""
    disc = cv2.circle(np.zeros((SIDE_PX, SIDE_PX), np.uint8), (SIDE_PX // 2, SIDE_PX // 2), SIDE_PX // 3, 255, -1)
    mask = _jpeg(cv2.merge([disc, disc, disc]))
    for camera in cameras:
        small = rng.integers(60, 190, (SIDE_PX // 16, SIDE_PX // 16, 3), dtype=np.uint8)
        plate = cv2.resize(small, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_CUBIC)
        picture = _jpeg(np.where(disc[..., None] > 0, plate // 2 + 90, plate).astype(np.uint8))
        out.write_atomic(f"{subject}/background/image_{camera}.jpg", _jpeg(plate))
        for frame in range(3):
            out.write_atomic(f"{subject}/images/{frame:04d}/image_{camera}.jpg", picture)
            out.write_atomic(f"{subject}/images/{frame:04d}/mask_{camera}.jpg", mask)
    scanned = scan_subject(out, subject, "stat", Gha())
    write_manifest(out, Manifest(scanned.frames, scanned.plates, out.url, "stat", "gha"))


def timed(out: LocalFolder, **settings: object) -> float:
    """Build the report and return the seconds that it took."""
    started = time.perf_counter()
    build_report(out, ReportSettings(**settings))  # type: ignore[arg-type]
    return time.perf_counter() - started


def open_in_browser(page_file: Path, is_drawn: str) -> list[float]:
    """Return the seconds from asking for a page until it is drawn, each time in a browser that has not seen it."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    seconds = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=BROWSER)
        for _ in range(OPENED):
            page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
            started = time.perf_counter()
            page.goto(page_file.as_uri())
            page.wait_for_selector(is_drawn, state="attached")
            page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            seconds.append(time.perf_counter() - started)
            page.context.close()
        browser.close()
    return seconds


def measure(folder: Path, n_subjects: int, n_cameras: int, n_frames: int, n_pictured: int) -> Table:
    """Make the tables, build the report twice, open its pages, and time some subjects with pictures."""
    out, rng = LocalFolder(folder), np.random.default_rng(7)
    cameras = [f"2222000{place:02d}" for place in range(n_cameras)]
    for place in range(n_subjects):
        write_tables_of(out, made_up(f"{place:03d}", cameras, n_frames, rng))
    rows: list[tuple[str, str]] = []
    built, again = timed(out, n_pictures=0), timed(out, n_pictures=0)
    n_bytes = sum(stat.size_bytes for stat in out.list(REPORT))
    rows += [("report built, s", f"{built:.1f}"), ("again, nothing changed, s", f"{again:.1f}")]
    rows += [("size of the report, MB", f"{n_bytes / 1e6:.0f}")]
    for path, name in ((page_path("000"), "page of a subject, kB"), (series_path("000", 0), "its time series, kB")):
        rows.append((name, f"{len(out.read(path)) / 1e3:.0f}"))
    opened = open_in_browser(folder / INDEX, "#heat tbody tr")
    rows.append(("overview opened, s: median, highest of 5", f"{statistics.median(opened):.2f}, {max(opened):.2f}"))
    opened = open_in_browser(folder / page_path("000"), ".chart")
    rows.append(("subject opened, s: median, highest of 5", f"{statistics.median(opened):.2f}, {max(opened):.2f}"))
    pictured = [f"pictured-{place}" for place in range(n_pictured)]
    for subject in pictured:
        write_tables_of(out, made_up(subject, cameras, 3, rng))
        write_pictures_of(out, subject, cameras, rng)
    if pictured:
        seconds = timed(out, n_pictures=N_PICTURES, subjects=pictured) - again
        rows.append((f"a subject more with up to {N_PICTURES} frames as pictures, s", f"{seconds / n_pictured:.1f}"))
    title = f"Report of {n_subjects} subjects x {n_cameras} cameras x {n_frames} frames"
    return Table(title, ("what", "measured"), rows)


def _jpeg(pixels: np.ndarray) -> bytes:
    return bytes(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes())


def main() -> None:
    """Read the command line, measure, and print or write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("subjects", 425), ("cameras", 16), ("frames", 300), ("pictured", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        table = measure(Path(folder), asked.subjects, asked.cameras, asked.frames, asked.pictured)
    settings = {name: value for name, value in vars(asked).items() if name != "json"}
    finish(Report("report", settings, dict(table.rows), [table]), asked.json)


if __name__ == "__main__":
    main()
