"""Guards: what is looked at before any device time is spent."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from flows.books import Books
from manifests.decisions import Selection
from manifests.errors import ForeignMasks, NoRoom, NothingSelected, UsageError
from manifests.inventory import is_same_folder
from manifests.layouts.outputs import BESIDE, GHA, VHAP, fields_of, frame_file_paths, mask_paths, plate_path
from manifests.layouts.own_masks import check_apart_from_sources
from manifests.manifest import Manifest, listed_subjects
from manifests.plan import SubjectPlan
from manifests.recipe import Recipe
from manifests.records import Frame
from manifests.runs import announced_cameras, announced_rows, read_runs
from manifests.sharding import FrameTable, PlannedShard
from manifests.storage import Folder, unwritable


def check_foreign(books: Books, foreign: Sequence[str]) -> None:
    """Refuse to write over masks that no run of cleanplate announced."""
    if foreign:
        raise ForeignMasks(
            f"{len(foreign)} masks lie already where this run would write, made by something else than cleanplate "
            f"(the first: {books.out.url}/{foreign[0]}). To write over them add --replace; to keep them name another "
            "--out."
        )


def check_apart(capture: Folder, out: Folder) -> None:
    """Raise UsageError for an output root inside the capture: it may be the capture itself, or lie elsewhere."""
    if out.url.rstrip("/").startswith(f"{capture.url.rstrip('/')}/"):
        raise UsageError(
            f"--out {out.url} lies inside the capture {capture.url}. Name the capture itself to have the masks beside "
            "the frames, or a folder elsewhere."
        )


def check_names(selection: Selection, subjects: Sequence[str], manifests: Iterable[Manifest | None]) -> None:
    """Raise NothingSelected for a name that matches nothing, though others do; manifests are read only if need be."""
    known: dict[str, set[str]] = {"subjects": set(subjects), "sequences": set(), "cameras": set()}
    wants_more = selection.sequences is not None or selection.cameras is not None
    for manifest in manifests if wants_more else ():
        if manifest is None:
            continue
        known["sequences"].update(manifest.frames.sequence)
        known["cameras"].update(manifest.frames.camera, manifest.plates)
    for word, names in known.items():
        unknown = [name for name in getattr(selection, word) or () if name not in names]
        if unknown:
            listed = ", ".join(sorted(names)[:16]) or "none"
            raise NothingSelected(f"--{word} {','.join(unknown)}: there is none of that name. There is: {listed}.")


def foreign_masks(books: Books, plan: SubjectPlan, runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the masks that lie where pending shards of a subject would write, and that none of `runs` announced.

    The paths of all frames are made only where files lie that are none of the capture's, and the runs read again then:
    one that began meanwhile has announced what it had written when that was listed. `--replace` accepts all.
    """
    if books.settings.replace:
        return []
    frames = plan.manifest.frames
    due, plates = _unannounced(plan, runs)
    folders = {_top(path) for path in plates}.union(*(_tops(shard, frames, rows) for shard, rows in due))
    lying = {stat.path for folder in folders for stat in books.out.list(folder)}
    if is_same_folder(books.out, plan.manifest.capture_url):
        lying -= _inputs(plan.manifest)
    if not lying:
        return []
    due, wanted = _unannounced(plan, read_runs(books.out))
    for shard, rows in due:
        wanted.update(path for frame in frames.frames(rows) for path in _files_of(shard, frame))
    return sorted(lying & wanted)


def _unannounced(
    plan: SubjectPlan, runs: Sequence[Mapping[str, Any]]
) -> tuple[list[tuple[PlannedShard, np.ndarray]], set[str]]:
    """Return the pending shards, each with its rows, and the plates that none of `runs` announced."""
    ours, cameras = announced_rows(runs, plan.manifest.frames), announced_cameras(runs, plan.subject)
    due = [(shard, rows) for shard in plan.pending if len(rows := shard.rows[~ours[shard.rows]])]
    unknown = {s.camera for s in plan.pending if s.recipe.write_frames and s.camera not in cameras}
    return due, {plate_path(plan.subject, camera) for camera in unknown}


def _tops(shard: PlannedShard, frames: FrameTable, rows: np.ndarray) -> set[str]:
    """Return the folders, at the top of the output root, that hold what a shard writes for some of its rows."""
    layout, subject = shard.recipe.output_layout, shard.subject
    if shard.recipe.pack:
        masks: set[str] = set()
    elif layout == BESIDE:
        masks = set(frames.path[rows])
    elif layout in (GHA, VHAP) and subject:
        masks = {f"{subject}/"}
    else:  # a pattern may put each frame into a folder of its own
        masks = {path for frame in frames.frames(rows) for path in _files_of(shard, frame)}
    others = frame_file_paths(subject, 0, shard.camera).values() if shard.recipe.write_frames else ()
    return {_top(path) for path in (*masks, *others)}


def _top(path: str) -> str:
    return path.rpartition("/")[0].split("/", 1)[0]


def _inputs(manifest: Manifest) -> set[str | None]:
    """Return the files of a subject's capture."""
    calibration = () if manifest.calibration is None else (manifest.calibration.path,)
    plates = (plate.path for plate in manifest.plates.values())
    return {*manifest.frames.path, *manifest.frames.visible_path, *plates, *calibration}


def _files_of(shard: PlannedShard, frame: Frame) -> list[str]:
    """Return where a frame of a shard would be written."""
    place = shard.recipe, shard.subject, shard.sequence, shard.camera, frame
    masks = () if shard.recipe.pack else mask_paths(*place)
    others = frame_file_paths(shard.subject, frame.frame, shard.camera) if shard.recipe.write_frames else {}
    return [*masks, *others.values()]


def check_paths(books: Books, plan: SubjectPlan) -> None:
    """Raise UsageError where a file of the capture would be written over, or two frames would have one mask."""
    layout = books.recipe.output_layout
    if "subject" not in fields_of(layout) and len(listed_subjects(books.out)) > 1:
        raise UsageError(f"--output-layout {layout}: there are several subjects; put {{subject}} into the pattern.")
    if is_same_folder(books.out, books.capture_url) and not _has_own_names(books.recipe, plan.manifest):
        check_apart_from_sources(books.recipe, plan.manifest.layout, plan.manifest.plate_pattern)
        _check_inputs_stay(plan)
    if not books.recipe.pack and not _are_told_apart(layout, plan.manifest):
        _check_no_mask_twice(plan, layout)


def _check_inputs_stay(plan: SubjectPlan) -> None:
    """Raise UsageError where a run in place would write over what it reads; nothing switches this off."""
    inputs = _inputs(plan.manifest)
    for shard in plan.planned:
        plates = [plate_path(shard.subject, shard.camera)] if shard.recipe.write_frames else []
        for frame in plan.manifest.frames.frames(shard.rows):
            hit = next((path for path in (*plates, *_files_of(shard, frame)) if path in inputs), None)
            if hit is not None:
                raise UsageError(
                    f"The run would write over {hit}, a file of the capture itself. Name another --out, or another "
                    "--output-layout."
                )


def _has_own_names(recipe: Recipe, manifest: Manifest) -> bool:
    """Tell whether masks are named so that they cannot meet a file of the capture: in a gha capture, the gha way."""
    return (recipe.pack or recipe.output_layout == GHA == manifest.layout) and not recipe.write_frames


def _are_told_apart(layout: str, manifest: Manifest) -> bool:
    """Tell whether no two frames of a subject can have one mask, without looking at each."""
    return layout in (BESIDE, VHAP) or (layout == GHA and len(set(manifest.frames.sequence)) < 2)


def _check_no_mask_twice(plan: SubjectPlan, layout: str) -> None:
    taken: dict[str, str] = {}
    for shard in plan.planned:
        for frame in plan.manifest.frames.frames(shard.rows):
            said = f"sequence {shard.sequence!r}, camera {shard.camera!r}, frame {frame.frame}"
            for path in mask_paths(shard.recipe, shard.subject, shard.sequence, shard.camera, frame):
                other = taken.setdefault(path, said)
                if other != said:
                    raise UsageError(
                        f"Subject {shard.subject}: {other} and {said} would have the same mask {path} by "
                        f"--output-layout {layout}. Choose one that tells them apart (beside, vhap, or a pattern with "
                        "{sequence}, {camera} and {frame}), or --geometry gha, which numbers the frames of all "
                        "sequences in one row."
                    )


def check_room(out: Folder, n_bytes: int) -> None:
    """Raise StoreFault for a root that cannot be written and NoRoom for one with too little room, before any work."""
    probe = f"_cleanplate/writable-{uuid.uuid4().hex}"
    try:
        out.write_atomic(probe, b"")
        out.delete([probe])
    except OSError as err:
        raise unwritable(out, err) from err
    free = out.free_bytes()
    if free is not None and free < n_bytes:
        raise NoRoom(
            f"{out.url} has {free / 1e9:.1f} GB left and this run needs about {n_bytes / 1e9:.1f} GB. "
            "Make room, name another --out, or matte fewer --subjects at once."
        )
