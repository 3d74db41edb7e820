"""Output roots without any matting: the books and masks that a run would leave, from made-up bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from manifests.capture import scan_subject
from manifests.decisions import Decision, Selection, append_decision, read_decisions
from manifests.layouts.gha import Gha
from manifests.layouts.outputs import frame_file_paths, mask_paths, plate_path
from manifests.ledger import commit, compact
from manifests.manifest import Manifest, listed_subjects, write_manifest
from manifests.packs import PACKS, Masks, PackWriter
from manifests.plan import frames_of, read_plan, withdraw_stale
from manifests.recipe import Numerics, Recipe
from manifests.records import FrameRow, Shard
from manifests.root import Root, claim_root, read_root
from manifests.runs import spans_of, write_run
from manifests.storage import Folder
from manifests.storage_memory import MemoryFolder

RECIPE = Recipe(
    model="plate-difference",
    uses_plate=True,
    temporal=False,
    weights_sha256=None,
    parameters=(),
    missing_plate="error",
    numerics=Numerics("cpu", "fp32", batch=1, intra_op_threads=2),
)


def make_root(
    out: Folder,
    subjects: Sequence[str] = ("031",),
    cameras: Iterable[str] = ("A", "B"),
    frames: Iterable[int] = range(8),
    recipe: Recipe = RECIPE,
    joined: bool = True,
    capture_url: str = "memory://capture",
) -> Folder:
    """List a capture and matte all of it, on a grid of 4."""
    claim_root(out, Root(recipe, capture_url, "stat", grid=4))
    for subject in subjects:
        list_subject(out, subject, cameras, frames, capture_url)
    matte_pending(out, joined=joined)
    return out


def list_subject(
    out: Folder, subject: str, cameras: Iterable[str], frames: Iterable[int], capture_url: str = "memory://capture"
) -> None:
    """Write the manifest of a subject."""
    capture = MemoryFolder()
    numbers = list(frames)
    for camera in cameras:
        capture.write_atomic(f"{subject}/background/image_{camera}.jpg", b"plate")
        for frame in numbers:
            capture.write_atomic(f"{subject}/images/{frame:04d}/image_{camera}.jpg", b"picture")
    scanned = scan_subject(capture, subject, "stat", Gha())
    write_manifest(out, Manifest(scanned.frames, scanned.plates, capture_url, "stat", "gha"))


def decide(out: Folder, selection: Selection, recipe: Recipe = RECIPE, reason: str = "reprocess") -> Decision:
    """Append a decision."""
    return append_decision(out, _decisions(out), selection, recipe, reason)


def matte_pending(
    out: Folder, bad: Collection[int] = (), joined: bool = True, run_id: str = "", n_shards: int | None = None
) -> int:
    """Do what a run would do; `bad` frames cannot be decoded. Return how many shards were matted."""
    decisions, n_matted, root = _decisions(out), 0, read_root(out)
    assert root is not None
    plans = [read_plan(out, subject, decisions, Selection(), root.grid) for subject in listed_subjects(out)]
    announced = {}
    for plan in plans:
        assert plan is not None
        streams: dict[tuple[str, str], list[int]] = {}
        for _, sequence, camera, frame in frames_of(plan, plan.pending):
            streams.setdefault((sequence, camera), []).append(frame)
        announced[plan.subject] = [(*stream, spans_of(numbers)) for stream, numbers in streams.items()]
    record = {
        "state": "finished",
        "announced": announced,
        "subjects": list(announced),
        "decision": decisions[-1].number,
    }
    write_run(out, run_id or f"run-{len(list(out.list('_cleanplate/runs')))}", record)
    for plan in plans:
        assert plan is not None
        withdraw_stale(out, plan, plan.pending[:n_shards])
        for planned in plan.pending[:n_shards]:
            shard = planned.to_shard(plan.manifest.frames, plan.manifest.plates, "stat")
            due = [frame.frame for frame in shard.frames if frame.frame not in shard.passing]
            with PackWriter(out, shard) as pack:
                rows = [_matted(out, shard, planned.recipe, number, bad, pack) for number in due]
                commit(out, shard, pack.write(rows), {})
            n_matted += 1
        if joined:
            compact(out, plan.subject, plan.planned)
    return n_matted


def all_files(out: Folder) -> dict[str, bytes]:
    """Return every file."""
    return {stat.path: out.read(stat.path) for stat in out.list()}


def masks_of(out: Folder) -> dict[str, bytes]:
    """Return every file that is not of the books; packs are masks, too."""
    found = all_files(out).items()
    return {path: data for path, data in found if path.startswith(f"{PACKS}/") or not path.startswith("_cleanplate/")}


def _decisions(out: Folder) -> tuple[Decision, ...]:
    root = read_root(out)
    assert root is not None
    return read_decisions(out, root.decision)


def _matted(out: Folder, shard: Shard, recipe: Recipe, number: int, bad: Collection[int], pack: PackWriter) -> FrameRow:
    frame = next(frame for frame in shard.frames if frame.frame == number)
    coordinates = shard.subject, shard.sequence, shard.camera, frame.frame, frame.source_frame
    row = FrameRow(*coordinates, shard.shard_id, shard.decision, "ok")
    if number in bad:
        return replace(row, status="undecodable", error="cut off")
    paths = mask_paths(recipe, shard.subject, shard.sequence, shard.camera, frame)
    full, lowres = (_write(MemoryFolder() if recipe.pack else out, path, recipe.recipe_id) for path in paths)
    row = replace(row, mask_path=full[0], mask_bytes=full[1], mask_sha256=full[2])
    row = replace(row, lowres_path=lowres[0], lowres_bytes=lowres[1], lowres_sha256=lowres[2])
    if recipe.pack:
        pack.add(row, Masks(*(_made(path, recipe.recipe_id) for path in paths), ".jpg"))
    if not recipe.write_frames:
        return row
    _write(out, plate_path(shard.subject, shard.camera), "plate")
    others = frame_file_paths(shard.subject, number, shard.camera).values()
    return replace(row, frame_files=json.dumps([_write(out, path, "frame") for path in others]))


def _write(out: Folder, path: str, salt: str) -> tuple[str, int, str]:
    data = _made(path, salt)
    out.write_atomic(path, data)
    return path, len(data), hashlib.sha256(data).hexdigest()


def _made(path: str, salt: str) -> bytes:
    return f"{path} by {salt}".encode()
