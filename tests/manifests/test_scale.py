"""Scale: shard ids that stay what they always were, and books whose cost grows no faster than the capture."""

from __future__ import annotations

import hashlib
import math
import sys
import threading
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from http.server import ThreadingHTTPServer

import pytest
from benchmarks import counting_store
from roots import RECIPE

from manifests.decisions import Decision, Selection
from manifests.ledger import commit, compact, ledger_folder
from manifests.manifest import Manifest, frames_path, plates_path, write_manifest
from manifests.plan import camera_statuses, pending_spans, read_plans
from manifests.recipe import Recipe
from manifests.records import CalibrationFile, FrameRow, Plate
from manifests.sharding import FrameTable, PlannedShard, plan_subject
from manifests.storage import Folder, open_folder
from manifests.storage_memory import MemoryFolder

Tables = Callable[..., FrameTable]
Plates = Callable[..., dict[str, Plate]]
Recipes = Callable[..., Recipe]

CAMERAS = ("A", "B", "C")
PICTURES = [("", camera, frame) for camera in CAMERAS for frame in range(200) if (camera, frame) != ("B", 70)]
TAKES = [(sequence, camera, frame) for sequence in ("EMO-1", "SEN-2") for camera in CAMERAS for frame in range(90)]

IDS = {
    "pictures": "eb3a83246a425382",
    "pictures with marks of visible pixels, a decision over a slice and one over a list": "f1f95352da142f19",
    "every third frame of takes, numbered on": "a53fc324088a54c6",
    "frames and calibration are written": "7e12b85090f5b473",
    "another model where plates are missing": "1518216a1dd2ac14",
    "temporal, whole streams, two in lockstep": "cbfb23ee7a1f92c9",
    "temporal, pieces with a lead-in, then some frames again": "e6bb9bf3e15ab915",
}
"""SHA-256, of which 16 digits, of the plans that the first version made: no later one may name a shard otherwise."""


def _plans(make_table: Tables, make_plates: Plates, make_recipe: Recipes) -> Iterator[list[PlannedShard]]:
    """Yield the plans of IDS, in that order."""

    def plan(table: FrameTable, recipes: Sequence[tuple[Selection, Recipe]], grid: int = 64) -> list[PlannedShard]:
        decisions = [Decision(number, *decided, "root") for number, decided in enumerate(recipes)]
        return plan_subject(table, plates, decisions, grid, CalibrationFile("031/calibration.json", "9-9"))

    every, recipe, plates = Selection(), make_recipe(), make_plates(*CAMERAS)
    pictures = make_table(PICTURES, marks={("", "A", 3): "11-2", ("", "C", 64): 'quote " and ü'})
    takes = make_table(TAKES)
    yield plan(pictures, [(every, recipe)])
    seen = pictures.visible_fingerprint.copy()
    seen[::5] = "3-3"
    listed = Selection(listed={"031": [("", "A", 1), ("", "C", 199)]})
    later = [(Selection(frames="10:150:3", cameras=("A", "B")), make_recipe(mask_quality=80)), (listed, recipe)]
    yield plan(replace(pictures, visible_fingerprint=seen), [(every, recipe), *later], grid=7)
    third = replace(takes, source_frame=takes.frame * 3, frame=takes.frame + 90 * (takes.sequence == "SEN-2"))
    yield plan(third, [(every, recipe)])
    yield plan(pictures, [(every, make_recipe(write_frames=True, visible=False))])
    plates = {"A": plates["A"], "B": replace(plates["B"], status="unreadable")}
    fallback = make_recipe(uses_plate=False, temporal=True, model="rvm-mobilenetv3")
    yield plan(takes, [(every, make_recipe(fallback=fallback, missing_plate="model"))])
    streams = make_recipe(uses_plate=False, temporal=True, numerics=replace(recipe.numerics, batch=2, chunk=4))
    yield plan(takes, [(every, streams)])
    pieces = replace(streams, split=40, lead_in=12)
    yield plan(takes, [(every, pieces), (Selection(frames="30:50"), pieces)])


def _digest(planned: Sequence[PlannedShard]) -> str:
    """Return 16 hex digits of everything that a plan says."""
    lines = [
        f"{s.shard_id} {s.decision} {s.recipe.recipe_id} {s.rows.tolist()} {s.through.tolist()} {s.slot} "
        f"{None if s.lockstep is None else (s.lockstep[0], *s.lockstep[2:])}"
        for s in planned
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def test_plans_are_those_of_the_first_version(make_table: Tables, make_plates: Plates, make_recipe: Recipes) -> None:
    plans = list(_plans(make_table, make_plates, partial(make_recipe, algorithm_revision=1)))
    assert dict(zip(IDS, map(_digest, plans), strict=True)) == IDS


LOG = [Decision(0, Selection(), RECIPE, "root")]


class Reads(MemoryFolder):
    """Count how often each file is read."""

    def __init__(self) -> None:
        super().__init__()
        self.n_reads: Counter[str] = Counter()

    def read(self, path: str) -> bytes:
        self.n_reads[path] += 1
        return super().read(path)


def _list_subjects(out: Folder, make_table: Tables, make_plates: Plates, n_subjects: int, n_frames: int) -> list[str]:
    """Write manifests of two cameras with so many frames each."""
    subjects = [f"{number:03d}" for number in range(n_subjects)]
    for subject in subjects:
        table = make_table([("", camera, frame) for camera in "AB" for frame in range(n_frames)], subject)
        write_manifest(out, Manifest(table, make_plates("A", "B", subject=subject), "/capture", "stat", "gha"))
    return subjects


def _commit(out: Folder, planned: Sequence[PlannedShard], table: FrameTable) -> None:
    for each in planned:
        shard = each.to_shard(table, {}, "stat")
        names = shard.subject, shard.sequence, shard.camera
        rows = [FrameRow(*names, f.frame, f.frame, shard.shard_id, 0, "ok") for f in shard.frames]
        commit(out, shard, rows, {})


def test_planning_calls_no_more_functions_when_shards_hold_ten_times_the_frames(
    make_table: Tables, make_plates: Plates
) -> None:
    n_calls = []
    for n_frames, grid in ((400, 20), (4000, 200)):
        out, counted = MemoryFolder(), Counter[str]()
        subjects = _list_subjects(out, make_table, make_plates, 1, n_frames)
        (warmed_up,) = read_plans(out, subjects, LOG, Selection(), grid)
        assert len(warmed_up.planned) == 40
        sys.setprofile(lambda _frame, event, _argument, counted=counted: counted.update((event,)))
        try:
            (plan,) = read_plans(out, subjects, LOG, Selection(), grid)
            pending_spans(plan), camera_statuses(out, plan)
        finally:
            sys.setprofile(None)
        n_calls.append(counted["call"] + counted["c_call"])
    assert n_calls[1] < 1.1 * n_calls[0]


def test_planning_holds_no_more_when_there_are_more_subjects(make_table: Tables, make_plates: Plates) -> None:
    peaks = []
    for n_subjects in (8, 32):
        out = MemoryFolder()
        subjects = _list_subjects(out, make_table, make_plates, n_subjects, 1000)
        tracemalloc.start()
        n_pending = sum(len(plan.pending) for plan in read_plans(out, subjects, LOG, Selection(), 64))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert n_pending == n_subjects * 2 * math.ceil(1000 / 64)
    assert peaks[1] < 1.3 * peaks[0]


def test_a_plan_reads_each_manifest_once_and_of_receipts_only_joined_ones(
    make_table: Tables, make_plates: Plates
) -> None:
    out = Reads()
    subjects = _list_subjects(out, make_table, make_plates, 3, 128)
    plans = list(read_plans(out, subjects, LOG, Selection(), 64))
    for plan in plans[:2]:
        _commit(out, plan.planned, plan.manifest.frames)
    assert compact(out, subjects[1], plans[1].planned)
    out.n_reads.clear()
    assert [len(plan.pending) for plan in read_plans(out, subjects, LOG, Selection(), 64)] == [0, 0, 4]
    (joined,) = (path for path in out.files if path.endswith(".compact.parquet"))
    manifests = [name(subject) for subject in subjects for name in (frames_path, plates_path)]
    assert out.n_reads == dict.fromkeys([joined, *manifests], 1)


@pytest.fixture
def store() -> Iterator[str]:
    """Serve an object store that counts requests; yield its endpoint."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), counting_store.Store)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        counting_store.forget()


def test_receipts_of_all_subjects_are_listed_in_pages_of_a_thousand(
    make_table: Tables, make_plates: Plates, store: str
) -> None:
    out = open_folder("s3://bucket/out", {"endpoint_url": store, "key": "key", "secret": "secret"})
    subjects = _list_subjects(out, make_table, make_plates, 4, 300)
    plans = list(read_plans(out, subjects, LOG, Selection(), 1))
    for plan in plans:
        for shard in plan.planned:
            counting_store.put(f"out/{ledger_folder(plan.subject)}/{shard.shard_id}.f0.parquet", b"not read")
    counting_store.counts.clear()
    assert [plan.pending for plan in read_plans(out, subjects, LOG, Selection(), 1)] == [[]] * 4
    assert counting_store.counts == {"list": math.ceil(4 * 600 / 1000), "get": 4 * 2}
    counting_store.counts.clear()
    (plan,) = read_plans(out, subjects[:1], LOG, Selection(subjects=("000",)), 1)
    assert plan.is_complete
    assert counting_store.counts == {"list": 1, "get": 2}
