"""Judge: the QC of one subject, made of its receipts and lowres masks: measures, verdicts and two tables."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flows.limits import changed_by, changes_of
from manifests.errors import SchemaNewer, SchemaUnknown, UsageError
from manifests.measures import MEASURES, Limits
from manifests.plan import SubjectPlan
from manifests.qc import QcFrames, SubjectQc, cameras_path, read_qc_frames, read_subject_qc, write_qc
from manifests.standing import Standing, identity, read_standing
from manifests.storage import Folder, open_folder
from manifests.verdicts import SetValues, judge_cameras, judge_frames, measure_cameras

REVISION = 1
"""Of how measures are made; a higher one makes all tables again."""
MOST_UNREAD = 20

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Judging:
    """How to judge. `limits`: None for those that the subject was judged by last, or else the table's.

    `hull_every`: every how many instants the visual hull is made; None: so that 512 a sequence are. `capture`: None to
    open the one that the manifest names.
    """

    limits: Limits | None = None
    hull_every: int | None = None
    store_options: Mapping[str, str] = field(default_factory=dict)
    capture: Folder | None = None


def judge_subject(
    out: Folder, plan: SubjectPlan, judging: Judging | None = None, progress: Progress | None = None
) -> SubjectQc:
    """Measure and judge what is matted of a subject, and write its tables unless they are those already.

    The same receipts, masks and limits give the same bytes. A mask that cannot be read has no measures, counts as
    `not_ok` and is named in meta["unread"]; then, and where the capture's store fails, meta["again"] is true and the
    next call judges again. progress(done, total) counts frames. Raises SchemaNewer and OSError.
    """
    judging = judging or Judging()
    known = stored_qc(out, plan.subject)
    limits = _limits(judging, known)
    if known is not None and is_fresh(known, plan, judging):
        return known
    measured = _identity(plan, judging)
    if known is not None and known.meta.get("measured") == measured and not known.meta.get("again"):
        frames = read_qc_frames(out, plan.subject)
        if frames is not None:
            return _write(out, _judged(frames, _sets_of(known), limits, known.meta), known)
    frames, of_sets, told = _measure(out, plan, judging, progress or (lambda done, total: None))
    meta = {"measured": measured, "is_complete": plan.is_complete, **told}
    return _write(out, _judged(frames, of_sets, limits, meta), known)


def stored_qc(out: Folder, subject: str) -> SubjectQc | None:
    """Return the QC of a subject as it was last made, None where there is none or it is damaged: it is made again."""
    try:
        return read_subject_qc(out, subject)
    except SchemaNewer:
        raise
    except (SchemaUnknown, KeyError, TypeError, ValueError):
        return None


def stored_verdicts(out: Folder, subject: str) -> SubjectQc | None:
    """Return the verdicts of a subject without its measures, None where there are none that can be read."""
    from manifests.tables_qc import read_verdicts

    path = cameras_path(subject)
    try:
        return read_verdicts(out.read(path), path)
    except (FileNotFoundError, SchemaUnknown, KeyError, TypeError, ValueError):
        return None


def is_fresh(known: SubjectQc, plan: SubjectPlan, judging: Judging) -> bool:
    """Tell whether the QC of a subject is that of its receipts and these limits; nothing is read for it."""
    inputs = _inputs(_identity(plan, judging), _limits(judging, known))
    return known.meta.get("inputs") == inputs and not known.meta.get("again")


def _identity(plan: SubjectPlan, judging: Judging) -> str:
    return _digest([identity(plan), REVISION, judging.hull_every])


def _inputs(measured: str, limits: Limits) -> str:
    return _digest([measured, limits.to_record()])


def _digest(told: list[Any]) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:32]


def _limits(judging: Judging, known: SubjectQc | None) -> Limits:
    """Return the limits that were said, else those that the subject was last judged by."""
    if judging.limits is not None:
        return judging.limits
    return changed_by(known.meta.get("changed_limits", {}) if known is not None else {})


def _sets_of(known: SubjectQc) -> SetValues:
    """Return the measures of all frames of a camera together, from the table of cameras."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for one in known.cameras:
        if one.measure in MEASURES and MEASURES[one.measure].scope == "set" and one.worst is not None:
            found.setdefault((one.sequence, one.camera), {})[one.measure] = one.worst
    return found


def _judged(
    frames: QcFrames, of_sets: SetValues, limits: Limits, meta: Mapping[str, Any]
) -> tuple[QcFrames, SubjectQc]:
    """Return the frames with verdicts, and the cameras'."""
    frames = judge_frames(frames, limits)
    cameras = measure_cameras(frames, limits, of_sets)
    said = dict(meta) | {
        "inputs": _inputs(meta["measured"], limits),
        "limits": limits.to_record(),
        "changed_limits": changes_of(limits),
    }
    return frames, SubjectQc(frames.subject, judge_cameras(frames, cameras, limits), cameras, said)


def _write(out: Folder, judged: tuple[QcFrames, SubjectQc], known: SubjectQc | None) -> SubjectQc:
    frames, subject = judged
    if known is None or (known.meta, known.verdicts, known.cameras) != (
        subject.meta,
        subject.verdicts,
        subject.cameras,
    ):
        write_qc(out, frames, subject)
    return subject


def _measure(
    out: Folder, plan: SubjectPlan, judging: Judging, progress: Progress
) -> tuple[QcFrames, SetValues, dict[str, Any]]:
    """Return the frames with all measures, those of sets, and what could not be read."""
    from matting_tasks.judging import measure_sets, measure_times
    from matting_tasks.lowres import LowresReader

    standing = read_standing(out, plan)
    frames = standing.frames
    capture = judging.capture or capture_of(plan, judging.store_options)
    pictures, where = _pictures(out, capture, plan, standing)
    n_read = 0

    def tell() -> None:
        nonlocal n_read
        n_read += 1
        if n_read <= len(frames):
            progress(n_read, len(frames))

    reader = LowresReader(out, where, tell)
    measures = {**frames.measures, **measure_times(frames, standing.starts, pictures, reader)}
    notes, again = _measure_views(frames, capture, plan, judging, measures, reader)
    made = QcFrames(
        **{name: getattr(frames, name) for name in QcFrames.__slots__ if name != "measures"}, measures=measures
    )
    of_sets = measure_sets(frames, standing.doubles, reader.unread)
    unread = [f"{path}: {reader.unread[path]}" for path in sorted(reader.unread)]
    told = {"notes": notes, "unread": unread[:MOST_UNREAD], "n_unread": len(unread), "again": again or bool(unread)}
    return made, of_sets, told


def _measure_views(
    frames: QcFrames,
    capture: Folder | None,
    plan: SubjectPlan,
    judging: Judging,
    measures: dict[str, Any],
    reader: Any,
) -> tuple[list[str], bool]:
    """Add the measures of the hull, where there is calibration; return what is wrong with it, and if to try again."""
    from matting_tasks.hull import Hull
    from matting_tasks.judging import measure_views
    from matting_tasks.rig import read_rig

    if capture is None or not plan.planned:
        return ["the capture is not at hand: no visual hull"], False
    try:
        rig, notes = read_rig(capture, plan.manifest, plan.planned[0].recipe.geometry)
    except OSError as err:
        return [f"the capture cannot be read ({type(err).__name__}): no visual hull"], True
    if rig is not None:
        measures |= measure_views(frames, Hull(rig), measures["area_ratio"], reader, judging.hull_every)
    return notes, False


def capture_of(plan: SubjectPlan, store_options: Mapping[str, str]) -> Folder | None:
    """Open the capture of a subject, None where it is not at hand."""
    try:
        return open_folder(plan.manifest.capture_url, store_options)
    except UsageError:  # a capture in memory, or of a store that this machine does not know
        return None


def _pictures(out: Folder, capture: Folder | None, plan: SubjectPlan, standing: Standing) -> tuple[Any, Folder | None]:
    """Return the path of each frame's lowres picture, (n,) object, empty for none, and the folder that holds them."""
    from manifests.capture import text_column
    from manifests.layouts.gha import NAME as GHA
    from manifests.layouts.outputs import frame_file_paths

    frames = standing.frames
    writes = bool(plan.planned) and plan.planned[0].recipe.write_frames
    if not writes and plan.manifest.layout != GHA:
        return text_column("" for _ in range(len(frames))), None
    keys = zip(frames.frame.tolist(), frames.camera, strict=True)
    paths = (frame_file_paths(plan.subject, frame, camera)["image_lowres"] for frame, camera in keys)
    return text_column(paths), out if writes else capture
