"""Measure the books of 32 million frames: manifests written, planned and resumed; and 100,000 receipts in a store.

Run: python tests/benchmarks/bench_books.py [--subjects 425] [--frames 4700] [--receipts 100000] [--json FILE]

Each step is a process of its own, so that its peak memory is told apart; `cpu_s` is what it spent on the processor.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from flows.books import Books, open_books
from flows.matte import in_turn, work
from flows.settings import MatteSettings
from flows.watch import QuietWatcher
from manifests.capture import text_column
from manifests.decisions import Selection
from manifests.ledger import ledger_folder
from manifests.manifest import Manifest, listed_subjects, write_manifest
from manifests.plan import SubjectPlan
from manifests.records import FrameRow, Plate, Shard
from manifests.root import claim_root
from manifests.sharding import FrameTable, PlannedShard
from manifests.storage import Folder, LocalFolder, open_folder
from manifests.tables import write_rows
from manifests.traffic import Traffic

CAMERAS = tuple(f"2222000{number:02d}" for number in range(16))
SETTINGS = MatteSettings(model="plate-difference", executor="local", device="cpu", enumerate=False)
META = {"recipe_id": "0" * 16, "host": "host", "device": "cuda:NVIDIA H200", "attempt": 1, "versions": {"torch": "2.8"}}
LABELS = {
    "write": "write the manifests",
    "plan": "plan, nothing done before",
    "half": "plan, half of the subjects done",
    "all": "resume, all done",
}


class Boundless(LocalFolder):
    """A disk that has room for the masks of any capture: none is written."""

    def free_bytes(self) -> None:  # type: ignore[override]
        """Tell nothing."""


class FirstShard(InterruptedError):
    """The first shard goes out: planning is over."""


class NoPool:
    """Ends the run as soon as a shard is given out."""

    n_workers = 2

    def matte(self, groups: Iterable[Sequence[Shard]]) -> Iterator[Any]:
        """Take the first shards and raise FirstShard."""
        for _ in groups:
            raise FirstShard
        yield from ()

    def traffic(self) -> Mapping[str, Traffic]:
        """Tell nothing."""
        return {}

    def close(self) -> None:
        """Hold nothing."""


class PlanningBooks(Books):
    """Books whose pool mattes nothing."""

    def open_pool(self, recipe: object, weights: str | None) -> NoPool:  # type: ignore[override]
        """Return the pool that ends the run."""
        return NoPool()


def frames_of(subject: str, n_frames: int) -> FrameTable:
    """Return a subject as the gha layout lists it: a picture per camera and frame, each with a size and time."""
    n_rows = len(CAMERAS) * n_frames
    rng = np.random.default_rng(int(subject))
    sizes = rng.integers(400_000, 900_000, n_rows)
    times = 1_700_000_000_000_000_000 + rng.integers(0, 10**15, n_rows)
    numbers = np.tile(np.arange(n_frames, dtype=np.int32), len(CAMERAS))
    camera = np.repeat(text_column(CAMERAS), n_frames)
    nothing = np.full(n_rows, "", dtype=object)
    places = zip(numbers.tolist(), camera, strict=True)
    return FrameTable(
        subject=subject,
        sequence=nothing,
        camera=camera,
        frame=numbers,
        source_frame=numbers,
        path=text_column(f"{subject}/images/{number:04d}/image_{name}.jpg" for number, name in places),
        kind=np.full(n_rows, "image", dtype=object),
        size_bytes=sizes,
        mtime_ns=times,
        etag=nothing,
        fingerprint=text_column(f"{size}-{time}" for size, time in zip(sizes.tolist(), times.tolist(), strict=True)),
        visible_path=nothing,
        visible_fingerprint=nothing,
        width=np.full(n_rows, 2200, dtype=np.int32),
        height=np.full(n_rows, 3208, dtype=np.int32),
        video_frames=np.zeros(n_rows, dtype=np.int32),
    )


def write_manifests(out: Folder, n_subjects: int, n_frames: int) -> None:
    """List so many subjects, as the enumeration writes them."""
    for number in range(n_subjects):
        subject = f"{number:03d}"
        plates = {c: Plate(subject, c, f"{subject}/background/image_{c}.jpg", "7-1", "ok", 7) for c in CAMERAS}
        write_manifest(out, Manifest(frames_of(subject, n_frames), plates, "/capture", "stat", "gha"))


def rows_of(plan: SubjectPlan, shard: PlannedShard) -> list[FrameRow]:
    """Return what a finished shard says: paths, sizes, hashes and measures of two masks a frame."""
    rng = np.random.default_rng(0)
    rows = []
    for number in plan.manifest.frames.frame[shard.rows].tolist():
        masks = [f"{plan.subject}/images/{number:04d}/{kind}_{shard.camera}.jpg" for kind in ("mask", "mask_lowres")]
        names = plan.subject, shard.sequence, shard.camera, number, number, shard.shard_id, shard.decision, "ok"
        files = [value for path in masks for value in (path, 90_000 + number, rng.bytes(32).hex())]
        measures = [*rng.random(4).tolist(), 1, *rng.random(8).tolist()]
        rows.append(FrameRow(*names, None, None, *files, None, *measures))
    return rows


def join_receipts(out: Folder, subjects: Sequence[str]) -> None:
    """Write the joined receipts of whole subjects, and root.json; what they say of masks is that of the first one."""
    first: pa.Table | None = None
    with planning(out) as books:
        claim_root(out, books.root)
        for plan in books.plans(subjects):
            if first is None:
                rows = [row for shard in plan.planned for row in rows_of(plan, shard)]
                first = pq.read_table(io.BytesIO(write_rows(rows, {})))
            meta = {"schema": 1, "table": "rows", "subject": plan.subject}
            meta["receipts"] = {shard.shard_id: META for shard in plan.planned}
            shard_ids = [shard.shard_id for shard in plan.planned for _ in shard.rows]
            columns = {name: first[name] for name in first.column_names}
            columns |= {"subject": pa.array([plan.subject] * len(first)), "shard_id": pa.array(shard_ids)}
            joined = pa.table(columns).replace_schema_metadata({b"cleanplate": json.dumps(meta).encode()})
            sink = io.BytesIO()
            pq.write_table(joined, sink, compression="zstd", write_page_checksum=True)
            path = Path(f"{out.url}/{ledger_folder(plan.subject)}/{'0' * 16}.compact.parquet")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(sink.getvalue())  # not flushed to the disk one by one: this is not what is measured


def name_receipts(out: Folder, n_receipts: int) -> tuple[list[str], bytes]:
    """Return what the receipts of the first so many shards are called, and the bytes of the first one."""
    names: list[str] = []
    data = b""
    with planning(out) as books:
        claim_root(out, books.root)
        for plan in books.plans(listed_subjects(out)):
            data = data or write_rows(rows_of(plan, plan.planned[0]), META)
            folder = ledger_folder(plan.subject)
            names += [f"{folder}/{s.shard_id}.f0.parquet" for s in plan.planned[: n_receipts - len(names)]]
    return names, data


@contextmanager
def planning(out: Folder) -> Iterator[PlanningBooks]:
    """Open the books as a run does, with a pool that mattes nothing."""
    with open_books(out, "/capture", SETTINGS, Selection(), QuietWatcher()) as books:
        yield PlanningBooks(**{field.name: getattr(books, field.name) for field in fields(Books)})


def resume(out: Folder) -> dict[str, Any]:
    """Do what `cleanplate matte --no-enumerate` does up to its first shard, or to its end if nothing is to do."""
    with planning(out) as books:
        try:
            summary = work(books, QuietWatcher(), in_turn)
        except FirstShard:
            return {"ended": "at the first shard"}
    return {"ended": f"{sum(camera.n_ok for camera in summary.cameras):,} frames ok", "exit_code": summary.exit_code}


def measured(step: Callable[[], dict[str, Any] | None]) -> dict[str, Any]:
    """Run a step; return its seconds, its seconds on the processor and the peak memory of this process."""
    started, before = time.perf_counter(), time.process_time()
    told = step() or {}
    seconds, cpu = time.perf_counter() - started, time.process_time() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": round(seconds, 2), "cpu_s": round(cpu, 2), "peak_mb": round(peak / 1024), **told}


def run_step(args: argparse.Namespace) -> dict[str, Any]:
    """Run the one step that this process was started for."""
    options = dict(pair.split("=", 1) for pair in args.option)
    out = open_folder(args.root, options) if options else Boundless(Path(args.root))
    if args.step == "write":
        return measured(lambda: write_manifests(out, args.subjects, args.frames))
    if args.step == "join":
        subjects = listed_subjects(out)
        return measured(lambda: join_receipts(out, subjects[args.first : args.first + args.count]))
    if args.profile:
        import cProfile
        import pstats

        profile = cProfile.Profile()
        found = profile.runcall(lambda: measured(lambda: resume(out)))
        pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(25)
        return found
    return measured(lambda: resume(out))


def in_process_of_its_own(root: str, step: str, args: argparse.Namespace, *more: object) -> dict[str, Any]:
    """Run a step in a new process and return what it measured."""
    words = ["--step", step, "--root", root, "--frames", args.frames]
    words += more if "--subjects" in more else ["--subjects", args.subjects, *more]
    words += ["--profile"] if args.profile else []
    command = [sys.executable, __file__, *map(str, words)]
    answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    if args.endpoint and "--option" in more:
        found["requests"] = json.loads(urllib.request.urlopen(f"{args.endpoint}/-counts").read())
    print(f"{LABELS.get(step, step):34}" + "  ".join(f"{name} {value}" for name, value in found.items()), flush=True)
    return found


def measure_manifests(root: str, args: argparse.Namespace) -> dict[str, Any]:
    """Write the manifests, plan them, and plan again when half and all of the subjects are done."""
    n_frames = args.subjects * len(CAMERAS) * args.frames
    print(f"{args.subjects} subjects x {len(CAMERAS)} cameras x {args.frames} frames = {n_frames:,} rows")
    found: dict[str, Any] = {"n_frames": n_frames}
    half = args.subjects // 2
    found["write"] = in_process_of_its_own(root, "write", args)
    found["plan"] = in_process_of_its_own(root, "plan", args)
    if not args.plan_only:
        found["join half"] = in_process_of_its_own(root, "join", args, "--first", 0, "--count", half)
        found["half"] = in_process_of_its_own(root, "half", args)
        found["join all"] = in_process_of_its_own(root, "join", args, "--first", half, "--count", args.subjects)
        found["all"] = in_process_of_its_own(root, "all", args)
    return found


def measure_receipts(args: argparse.Namespace) -> dict[str, Any]:
    """Resume from a store where half and all of so many shards have a receipt of their own, and count the requests."""
    n_subjects = math.ceil(args.receipts / len(CAMERAS) / math.ceil(args.frames / 64))
    root, found = "s3://bucket/out", {"n_receipts": args.receipts}
    with counting_store() as args.endpoint:
        options = {"endpoint_url": args.endpoint, "key": "key", "secret": "secret"}
        more = [word for name, value in options.items() for word in ("--option", f"{name}={value}")]
        more += ["--subjects", n_subjects]
        in_process_of_its_own(root, "write", args, *more)
        names, data = name_receipts(open_folder(root, options), args.receipts)
        steps = {"no receipt yet": names[:0], "half of the receipts": names[::2], "all receipts": names}
        for step, some in steps.items():  # the first one announces all frames, as the run did that is resumed
            body = "\n".join(f"out/{name}" for name in some).encode() + b"\0" + data
            request = urllib.request.Request(f"{args.endpoint}/-many", body, method="PUT")
            urllib.request.urlopen(request).read()
            urllib.request.urlopen(f"{args.endpoint}/-counts").read()
            found[step] = in_process_of_its_own(root, step, args, *more)
    return found


@contextmanager
def counting_store() -> Iterator[str]:
    """Serve an object store from memory and yield its endpoint."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    process = subprocess.Popen([sys.executable, str(Path(__file__).with_name("counting_store.py")), str(port)])
    try:
        for _ in range(200):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subjects", type=int, default=425)
    parser.add_argument("--frames", type=int, default=4700)
    parser.add_argument("--receipts", type=int, default=100_000)
    parser.add_argument("--plan-only", action="store_true")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--folder", type=Path, help="where to write; it is deleted again")
    parser.set_defaults(endpoint="")
    parser.add_argument("--step", help=argparse.SUPPRESS)
    parser.add_argument("--root", help=argparse.SUPPRESS)
    parser.add_argument("--option", action="append", default=[], help=argparse.SUPPRESS)
    parser.add_argument("--first", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.step:
        print(json.dumps(run_step(args)))
        return
    found: dict[str, Any] = {"n_cores": len(os.sched_getaffinity(0))}
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        if args.subjects:
            found["manifests"] = measure_manifests(folder, args)
    if args.receipts:
        found["receipts"] = measure_receipts(args)
    if args.json:
        args.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
