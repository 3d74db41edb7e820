"""The plan of one subject: which shards a run is about, which are committed, and what that means per camera."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from manifests.ahead import map_ahead
from manifests.decisions import Decision, Selection
from manifests.ledger import Ledger, ledger_folder, list_receipts, pending, read_failed, read_ledger, withdraw
from manifests.manifest import Manifest, read_manifest
from manifests.recipe import FALLBACK
from manifests.records import FrameRow
from manifests.runs import spans_of
from manifests.sharding import FrameTable, PlannedShard, plan_subject
from manifests.storage import Folder

MOST_ERRORS = 3
SUBJECTS_AHEAD = 4
"""Whose files are read while one is planned: a few megabytes each."""

Announcement = list[tuple[str, str, list[tuple[int, int]]]]
"""(sequence, camera, spans of frames) of one subject."""

FrameKey = tuple[int, str, str, int]
"""(decision, sequence, camera, frame) of one subject."""


@dataclass(frozen=True, slots=True)
class SubjectPlan:
    """One subject: all planned shards, those that hold a selected frame, and the receipts that there are."""

    manifest: Manifest
    planned: Sequence[PlannedShard]
    selected: Sequence[PlannedShard]
    chosen: np.ndarray
    ledger: Ledger

    @property
    def subject(self) -> str:
        """Name the subject."""
        return self.manifest.subject

    @property
    def pending(self) -> list[PlannedShard]:
        """Return the selected shards without a receipt."""
        return pending(self.selected, self.ledger)

    @property
    def is_complete(self) -> bool:
        """Tell whether every shard of the subject, selected or not, is committed."""
        return not pending(self.planned, self.ledger)


@dataclass(frozen=True, slots=True)
class CameraStatus:
    """How far the selected frames of one camera are: `failed` counts the rows that are not ok by status.

    `errors` are the first few different reasons; `fallback` is the model that stands in for a missing plate, if any.
    """

    subject: str
    sequence: str
    camera: str
    n_frames: int
    n_ok: int
    n_pending: int
    failed: Mapping[str, int] = field(default_factory=dict)
    errors: tuple[str, ...] = ()
    fallback: str = ""

    @property
    def n_failed(self) -> int:
        """Count the frames whose row is not ok."""
        return sum(self.failed.values())


def read_plan(
    out: Folder, subject: str, decisions: Sequence[Decision], selection: Selection, grid: int
) -> SubjectPlan | None:
    """Return the plan of a subject, or None where it has no manifest."""
    manifest = read_manifest(out, subject)
    return None if manifest is None else _plan(manifest, read_ledger(out, subject), decisions, selection, grid)


def read_plans(
    out: Folder, subjects: Iterable[str], decisions: Sequence[Decision], selection: Selection, grid: int
) -> Iterator[SubjectPlan]:
    """Yield the plans of subjects that have a manifest, files being read ahead; see `read_ledger` for what is listed.

    All receipts come from one listing, or where subjects are selected from one of each.
    """
    everything = list_receipts(out) if selection.subjects is None else None

    def read(subject: str) -> tuple[Manifest | None, Ledger]:
        listed = list_receipts(out, ledger_folder(subject)) if everything is None else everything
        return read_manifest(out, subject), read_ledger(out, subject, listed)

    for manifest, ledger in map_ahead(read, subjects, SUBJECTS_AHEAD):
        if manifest is not None:
            yield _plan(manifest, ledger, decisions, selection, grid)


def _plan(
    manifest: Manifest, ledger: Ledger, decisions: Sequence[Decision], selection: Selection, grid: int
) -> SubjectPlan:
    planned = plan_subject(manifest.frames, manifest.plates, decisions, grid, manifest.calibration)
    chosen = selection.rows(manifest.frames)
    selected = planned if chosen.all() else [shard for shard in planned if chosen[shard.rows].any()]
    return SubjectPlan(manifest, planned, selected, chosen, ledger)


def pending_spans(plan: SubjectPlan) -> Announcement:
    """Return the frames of the pending shards, which a run announces before it writes."""
    streams: dict[tuple[str, str], list[np.ndarray]] = {}
    for shard in plan.pending:
        streams.setdefault((shard.sequence, shard.camera), []).append(plan.manifest.frames.frame[shard.rows])
    return [(*stream, spans_of(np.concatenate(parts))) for stream, parts in streams.items()]


def camera_statuses(out: Folder, plan: SubjectPlan) -> list[CameraStatus]:
    """Count, per (sequence, camera), the selected frames that are ok, failed and pending.

    Rows are read only where the name of a receipt says that some failed.
    """
    failed_rows = _failed_rows(out, plan)
    by_camera: dict[tuple[str, str], list[PlannedShard]] = {}
    for shard in plan.selected:
        by_camera.setdefault((shard.sequence, shard.camera), []).append(shard)
    statuses = []
    for (sequence, camera), shards in by_camera.items():
        n_frames = n_pending = 0
        failed: Counter[str] = Counter()
        errors: list[str] = []
        for shard in shards:
            frames = plan.manifest.frames.frame[shard.rows[plan.chosen[shard.rows]]]
            n_frames += len(frames)
            n_pending += 0 if shard.shard_id in plan.ledger else len(frames)
            rows = [row for row in failed_rows.get(shard.shard_id, ()) if row.frame in frames]
            failed.update(row.status for row in rows)
            errors += [row.error for row in rows if row.error]
        n_ok = n_frames - n_pending - failed.total()
        first_errors = tuple(dict.fromkeys(errors))[:MOST_ERRORS]
        counts = n_frames, n_ok, n_pending, dict(failed), first_errors
        fallback = next((shard.recipe.model for shard in shards if shard.recipe.missing_plate == FALLBACK), "")
        statuses.append(CameraStatus(plan.subject, sequence, camera, *counts, fallback))
    return statuses


def failed_frames(out: Folder, plan: SubjectPlan) -> dict[int, list[FrameRow]]:
    """Return the selected frames whose row is not ok, by the number of the decision that decides them."""
    found: dict[int, list[FrameRow]] = {}
    rows_of = _failed_rows(out, plan)
    for shard in plan.selected:
        chosen = set(plan.manifest.frames.frame[shard.rows[plan.chosen[shard.rows]]].tolist())
        rows = [row for row in rows_of.get(shard.shard_id, ()) if row.frame in chosen]
        if rows:
            found.setdefault(shard.decision, []).extend(rows)
    return found


def withdraw_stale(out: Folder, plan: SubjectPlan, due: Sequence[PlannedShard]) -> int:
    """Withdraw the receipts that spoke for the frames of `due` when their inputs were others; return their number."""
    stale = set(plan.ledger.failed) - {shard.shard_id for shard in plan.planned}
    if not stale:
        return 0
    frames = set(frames_of(plan, due))
    return withdraw(out, plan.subject, lambda row: row.shard_id in stale and _key(row) in frames)


def withdraw_newer(out: Folder, plan: SubjectPlan, written: Sequence[PlannedShard], newer: Sequence[Decision]) -> int:
    """Withdraw the receipts of decisions that came while `written` was written over what they made."""
    frames = plan.manifest.frames
    by_number = {decision.number: decision.selection.rows(frames) for decision in newer}
    over = {
        (number, *key[1:])
        for number, rows in by_number.items()
        for shard in written
        for key in _keys(frames, number, shard.rows[rows[shard.rows]])
    }
    return withdraw(out, plan.subject, lambda row: _key(row) in over) if over else 0


def frames_of(plan: SubjectPlan, shards: Iterable[PlannedShard]) -> Iterator[FrameKey]:
    """Yield (decision, sequence, camera, frame) of all frames that the shards decide."""
    for shard in shards:
        yield from _keys(plan.manifest.frames, shard.decision, shard.rows)


def _keys(frames: FrameTable, decision: int, rows: np.ndarray) -> Iterator[FrameKey]:
    numbers = frames.frame[rows].tolist()
    return ((decision, *key) for key in zip(frames.sequence[rows], frames.camera[rows], numbers, strict=True))


def _key(row: FrameRow) -> FrameKey:
    return row.decision, row.sequence, row.camera, row.frame


def _failed_rows(out: Folder, plan: SubjectPlan) -> dict[str, list[FrameRow]]:
    with_failures = {shard.shard_id for shard in plan.selected if plan.ledger.failed.get(shard.shard_id)}
    if not with_failures:
        return {}
    found: dict[str, list[FrameRow]] = {}
    for row in read_failed(out, plan.subject, plan.ledger):
        if row.shard_id in with_failures:
            found.setdefault(row.shard_id, []).append(row)
    return found
