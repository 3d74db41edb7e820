"""Compare packs with files on an S3 server: objects, requests, bytes and seconds; the masks must be the same.

Run: python tests/benchmarks/bench_pack.py [--server rclone] [--delays-ms 0,30] [--rounds 3] [--json FILE]

A drawn capture is matted from and to the server by turns with files and with packs, in this process, by the model
without weights. With a delay the requests go through a proxy that holds each one so long, as a store at some distance
does, and counts it; without one they go straight. Quality control and `unpack` come after the last round.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.drawn_capture import Drawn, draw_capture
from benchmarks.machine import Report, Table, finish
from chaos.fault_proxy import Faults, fault_proxy
from command_line import cleanplate
from s3_servers import S3Server, serve_moto, serve_rclone

from manifests.packs import PACKS
from manifests.storage import Folder, LocalFolder, open_folder
from manifests.traffic import KINDS

SERVERS = {"rclone": serve_rclone, "moto": serve_moto}
WAYS = {"files": "--no-pack", "packs": "--pack"}
BOOKS = "_cleanplate/"


@dataclass(frozen=True)
class Step:
    """One command: how long it took, and the requests by kind where they went through the proxy."""

    seconds: float
    requests: Mapping[str, int]


@dataclass(frozen=True)
class Bench:
    """A server with a capture on it; `steps` are all that was measured, by (what, way, delay in ms)."""

    server: S3Server
    bucket: str
    n_threads: int
    steps: dict[tuple[str, str, float], list[Step]] = field(default_factory=dict)

    def folder(self, name: str) -> Folder:
        """Open a folder of the bucket on the straight way."""
        return open_folder(f"{self.bucket}/{name}", self.server.options)

    def run(self, what: str, way: str, delay_ms: float, words: Sequence[str]) -> None:
        """Run a command and keep what it took; raises RuntimeError where it fails."""
        with self._way_in(delay_ms) as (endpoint, counted):
            options = self.server.options | {"endpoint_url": endpoint}
            stores = [word for name, value in options.items() for word in ("--storage-option", f"{name}={value}")]
            started = time.perf_counter()
            ended = cleanplate(*words, *stores)
            seconds = time.perf_counter() - started
        if ended.code not in (0, 3) or (ended.code == 3 and what != "qc"):
            raise RuntimeError(f"{' '.join(words)} ends with {ended.code}:\n{ended.out}\n{ended.err}")
        self.steps.setdefault((what, way, delay_ms), []).append(Step(seconds, dict(counted.passed)))

    def matte(self, way: str, delay_ms: float, out: str) -> None:
        """Matte the capture into a root."""
        model = ("--model", "plate-difference", "--executor", "local", "--io-threads", str(self.n_threads))
        words = ("matte", f"{self.bucket}/capture", "--out", f"{self.bucket}/{out}", *model)
        self.run("matte", way, delay_ms, (*words, WAYS[way], "--no-qc", "--quiet"))

    def show(self, what: str, way: str, delay_ms: float) -> str:
        """Return the median of the seconds, and where there is more than one its lowest and highest."""
        seconds = [step.seconds for step in self.steps.get((what, way, delay_ms), ())]
        if not seconds:
            return "-"
        spread = f" ({min(seconds):.1f} to {max(seconds):.1f})" if len(seconds) > 1 else ""
        return f"{statistics.median(seconds):.1f}{spread}"

    def requests(self, what: str, way: str) -> Mapping[str, int]:
        """Return the requests of a command, of the last time that they were counted."""
        known = [step.requests for key, steps in self.steps.items() if key[:2] == (what, way) for step in steps]
        return next((requests for requests in reversed(known) if requests), {})

    @contextlib.contextmanager
    def _way_in(self, delay_ms: float) -> Iterator[tuple[str, Faults]]:
        counted = Faults(delay_s=delay_ms / 1000)
        if not delay_ms:
            yield self.server.endpoint, counted
            return
        with fault_proxy(self.server.endpoint, counted) as endpoint:
            yield endpoint, counted


def measure(bench: Bench, delays_ms: Sequence[float], n_rounds: int) -> Table:
    """Matte by turns, judge and unpack, compare the masks, and return the table; raises RuntimeError if they differ."""
    for number in range(n_rounds):
        for delay_ms in delays_ms:
            for way in WAYS if number % 2 == 0 else reversed(WAYS):
                bench.matte(way, delay_ms, f"{way}-{delay_ms:g}-{number}")
    last = {way: f"{way}-{delays_ms[-1]:g}-{n_rounds - 1}" for way in WAYS}
    for way, out in last.items():
        bench.run("qc", way, delays_ms[-1], ("qc", f"{bench.bucket}/{out}", "--json"))
    wanted = masks_in(bench.folder(last["files"]))
    for delay_ms in delays_ms:
        to = f"unpacked-{delay_ms:g}"
        words = ("unpack", f"{bench.bucket}/{last['packs']}", "--to", f"{bench.bucket}/{to}")
        bench.run("unpack", "packs", delay_ms, words)
        if masks_in(bench.folder(to)) != wanted:
            raise RuntimeError("the masks that were unpacked are not those of the run without packs")
    return tabulate(bench, delays_ms, n_rounds, last, len(wanted))


def tabulate(bench: Bench, delays_ms: Sequence[float], n_rounds: int, last: Mapping[str, str], n_masks: int) -> Table:
    """Return what was measured, a row a quantity."""
    stats = {way: list(bench.folder(out).list()) for way, out in last.items()}
    masks = {
        way: [stat for stat in found if stat.path.startswith(PACKS) or not stat.path.startswith(BOOKS)]
        for way, found in stats.items()
    }
    rows: list[list[str]] = [
        ["objects under the root", *(f"{len(stats[way]):,}" for way in WAYS)],
        ["of them masks or packs", *(f"{len(masks[way]):,}" for way in WAYS)],
        ["their bytes, MB", *(f"{sum(stat.size_bytes for stat in masks[way]) / 1e6:.1f}" for way in WAYS)],
    ]
    for what in ("matte", "qc", "unpack"):
        for kind in KINDS:
            cells = [bench.requests(what, way).get(kind, 0) for way in WAYS]
            if any(cells):
                shown = [
                    f"{cell:,}" if bench.requests(what, way) else "-" for cell, way in zip(cells, WAYS, strict=True)
                ]
                rows.append([f"{what}: {kind.upper()} requests", *shown])
        for delay_ms in delays_ms:
            if (what, "packs", delay_ms) in bench.steps:
                told = "straight" if not delay_ms else f"{delay_ms:g} ms a request"
                rows.append([f"{what}: seconds, {told}", *(bench.show(what, way, delay_ms) for way in WAYS)])
    note = (
        f"{n_masks:,} masks, the same bytes by both ways. Seconds of matte: median (lowest to highest) of {n_rounds}."
    )
    return Table("Packs against files on an S3 server", ("what", *WAYS), rows, note)


def masks_in(folder: Folder) -> dict[str, str]:
    """Return the sha256 of every file outside the books."""
    paths = [stat.path for stat in folder.list() if not stat.path.startswith(BOOKS)]
    return {path: hashlib.sha256(folder.read(path)).hexdigest() for path in paths}


def open_bench(server: S3Server, home: Path, drawn: Drawn, n_threads: int) -> Bench:
    """Draw a capture and put it on the server."""
    draw_capture(home / "capture", drawn)
    bench = Bench(server, server.new_bucket(), n_threads)
    source, target = LocalFolder(home / "capture"), bench.folder("capture")
    for stat in source.list():
        target.write_atomic(stat.path, source.read(stat.path))
    return bench


def main() -> None:
    """Read the command line, measure, and print or write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", choices=SERVERS, default="rclone")
    parser.add_argument("--delays-ms", default="0,30", help="held for so long is each request; by commas")
    for name, default in (("cameras", 4), ("frames", 128), ("size", 512), ("rounds", 3), ("io-threads", 8)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    delays_ms = [float(delay) for delay in asked.delays_ms.split(",")]
    drawn = Drawn(asked.cameras, asked.frames, asked.size, asked.size, pads=False)
    with tempfile.TemporaryDirectory() as folder, SERVERS[asked.server](Path(folder)) as server:
        table = measure(open_bench(server, Path(folder), drawn, asked.io_threads), delays_ms, asked.rounds)
    settings = {name: value for name, value in vars(asked).items() if name != "json"}
    finish(Report("pack", settings, {what: cells for what, *cells in table.rows}, [table]), asked.json)


if __name__ == "__main__":
    main()
